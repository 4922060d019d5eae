# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many dry runs of pods a task sends: one per namespace and template where more than Istio acts on pods."""

from __future__ import annotations

import collections
import json

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_precheck, rollout_restart
from unit.support import builders as b
from unit.support.api_answers import Answer
from unit.support.fake_api import FakeApi
from unit.support.running import task

pytestmark = pytest.mark.usefixtures("quick")

SPACES = ("apps", "jobs", "shop")
#: A mirror: another mutating webhook on all pods.
MIRROR: b.Json = {
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "mirror"},
    "webhooks": [
        {
            "name": "mirror.example.com",
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "clientConfig": {"url": "https://mirror.test"},
        }
    ],
}


def alike(name: str, place: str) -> list[b.Json]:
    """A Deployment whose pods have the same template in each namespace, whatever its name is."""
    objects = b.deployed(name, place, pods=3)
    template = objects[0]["spec"]["template"]["metadata"]
    template["labels"] = {"team": "one"}
    objects[0]["spec"]["selector"] = {"matchLabels": template["labels"]}
    return objects


def workloads() -> list[b.Json]:
    """In each namespace two Deployments of one template, and a third one of another template."""
    each = [[*alike("first", place), *alike("second", place), *b.deployed("other", place)] for place in SPACES]
    return [obj for objects in each for obj in objects]


def asked(api: FakeApi) -> collections.Counter[tuple[str, str]]:
    """How often a pod of the same labels was asked for, by its namespace and labels."""
    found = [seen for seen in api.seen if seen.method == "POST" and seen.path.endswith("/pods")]
    labels = [json.dumps(seen.body["metadata"]["labels"], sort_keys=True) for seen in found]
    return collections.Counter(zip((seen.path.split("/")[4] for seen in found), labels, strict=True))


@pytest.mark.parametrize(
    ("more", "templates", "proofs"),
    [pytest.param([], 0, 0, id="only Istio acts"), pytest.param([MIRROR], 2 * len(SPACES), 1, id="a mirror")],
)
def test_a_precheck_asks_once_per_namespace_and_template(more: list[b.Json], templates: int, proofs: int) -> None:
    planes = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(**dict.fromkeys(SPACES, b.OLD))]
    with FakeApi(*planes, *workloads(), *more) as api:
        result = task(api, istio_precheck.CORE, version=b.NEW_VERSION, revision=b.NEW, fail_on="never")
        counts = asked(api)
        assert max(counts.values(), default=0) <= 1
        assert counts.total() == result["requests"]["dry_runs"] == templates + proofs
        assert len([place for place, dummy in counts if place in SPACES]) == templates


@pytest.mark.parametrize("more", [pytest.param([], id="only Istio acts"), pytest.param([MIRROR], id="a mirror")])
def test_a_restart_asks_no_template_twice_although_namespaces_fail_alone(more: list[b.Json]) -> None:
    """Each namespace that fails makes a new plan of those that remain."""
    back = {PREVIOUS_LABELS: '{"istio.io/rev": "1-30-3"}'}
    moved = [b.namespace(name, {REV: b.NEW}, back) for name in SPACES]
    with FakeApi(*b.two_planes(), *b.namespaces(), *moved, *workloads(), *more) as api:
        for name in ("apps", "jobs"):
            api.script("POST", f"/api/v1/namespaces/{name}/pods", *[Answer(b.pod(revision=b.OLD))] * 99)
        options: b.Json = {"namespaces": list(SPACES), "restore_labels": True, "batch_timeout": 5, "budget_timeout": 0}
        result = task(api, rollout_restart.CORE, **options)
        assert {name: api.get("Namespace", name)["metadata"]["labels"][REV] for name in SPACES} == {
            "apps": b.OLD,
            "jobs": b.OLD,
            "shop": b.NEW,
        }, result
        # The failed ones were asked until their labels had time to reach the webhooks.
        assert max(count for (place, dummy), count in asked(api).items() if place not in ("apps", "jobs")) == 1
