# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A revision that no dry run proves before a move is proven by the first namespace that is moved (S3)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.running import task

pytestmark = pytest.mark.usefixtures("quick")

NAMES = ("orders", "shop", "tools")
REFUSED = "pods \"web-\" is forbidden: ValidatingAdmissionPolicy 'strict' with binding 'all' denied request: no"
REJECTED = 'admission webhook "rev.namespace.sidecar-injector.istio.io" denied the request: no template'


def cluster(**elsewhere: str | None) -> FakeApi:
    """Both revisions, and no namespace whose labels lead a pod to the new one; only shop has a workload."""
    labelled = dict.fromkeys((b.SYSTEM, "default", "kube-system", *NAMES), b.OLD) | elsewhere
    spaces = [b.namespace(name, {REV: label} if label else {}) for name, label in labelled.items()]
    return FakeApi(*b.plane(b.OLD), *b.plane(b.NEW), *spaces, *b.deployed())


def move(api: FakeApi, **options: t.Any) -> b.Json:
    """The result of a move of all namespaces."""
    return task(api, CORE, namespaces=list(NAMES), revision=b.NEW, **options)


def labels(api: FakeApi) -> dict[str, str]:
    """The label of each namespace that was to move."""
    return {name: api.get("Namespace", name)["metadata"]["labels"][REV] for name in NAMES}


def order(api: FakeApi) -> list[str]:
    """The namespaces that were patched or asked for a pod, in this order."""
    real = [seen for seen in api.seen if seen.method == "PATCH" and "dryRun" not in seen.query]
    asked = [seen for seen in api.seen if seen.method == "POST" and seen.path.endswith("/pods")]
    both = [seen for seen in api.seen if seen in real or seen in asked]
    return [f"{seen.method} {seen.path.split('/')[4]}" for seen in both]


def test_the_first_namespace_is_one_with_workloads_and_proves_it_for_the_others() -> None:
    with cluster() as api:
        result = move(api)
        assert labels(api) == dict.fromkeys(NAMES, b.NEW)
        assert "warnings" not in result
        assert order(api)[:2] == ["PATCH shop", "POST shop"]
        assert [step for step in order(api) if step.startswith("POST")] == ["POST shop"]
        (asked,) = [seen for seen in api.seen if seen.method == "POST" and seen.path.endswith("/pods")]
        assert asked.body["metadata"]["labels"]["app"] == "web"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(b.pod(revision=b.OLD)), id="injected by another revision"),
        pytest.param(Answer(b.pod(revision=None)), id="not injected"),
        pytest.param(Answer(b.pod(revision=b.NEW, image=b.proxy("9.9.9"))), id="another image"),
        pytest.param(failure(400, REJECTED), id="the injector rejects the workload, and a stand-in too"),
        pytest.param(failure(503, "overloaded"), id="nothing can be asked"),
    ],
)
def test_s3_a_revision_that_does_not_inject_gets_no_namespace(answer: Answer) -> None:
    with cluster() as api:
        api.script("POST", "/api/v1/namespaces/shop/pods", *[answer] * 50)
        result = move(api)
        assert result["failed"]
        assert "the labels of shop are as before" in result["msg"]
        assert labels(api) == dict.fromkeys(NAMES, b.OLD)
        assert JOURNAL not in api.get("Namespace", "shop")["metadata"].get("annotations", {})
        assert {step for step in order(api) if step.startswith("PATCH")} == {"PATCH shop"}


def test_a_workload_that_is_refused_proves_nothing_and_the_next_namespace_is_asked() -> None:
    with cluster() as api:
        api.script("POST", "/api/v1/namespaces/shop/pods", *[failure(422, REFUSED)] * 2)
        assert "warnings" not in move(api)
        assert labels(api) == dict.fromkeys(NAMES, b.NEW)
        assert order(api)[:4] == ["PATCH shop", "POST shop", "POST shop", "PATCH orders"]


def test_where_every_namespace_refuses_the_result_says_so() -> None:
    with cluster() as api:
        for name in NAMES:
            api.script("POST", f"/api/v1/namespaces/{name}/pods", *[failure(422, REFUSED)] * 2)
        (warning,) = move(api)["warnings"]
        assert "no dry run proves that it injects: in namespace" in warning
        assert labels(api) == dict.fromkeys(NAMES, b.NEW)


def test_check_mode_says_that_it_is_not_proven() -> None:
    with cluster() as api:
        (warning,) = move(api, check_mode=True)["warnings"]
        assert "the labels of every namespace lead pods to another revision" in warning


def test_a_revision_that_a_dry_run_proves_moves_all_at_once() -> None:
    with cluster(default=None) as api:
        move(api)
        assert order(api)[0] == "POST default"
        assert {step for step in order(api) if step.startswith("POST")} == {"POST default"}
