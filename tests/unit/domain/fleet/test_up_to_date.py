# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run would find nothing to do: the same run, the same cluster, and nothing stale."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.up_to_date import (
    completion_fingerprint,
    is_up_to_date,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as ISTIO_INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import CORE as ISTIO_RUN
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
    execute,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import params, task

MESH = [*b.two_planes(), *b.namespaces(shop=b.NEW, old=b.OLD), *b.deployed(revision=b.NEW)]
RUN = {"request_digest": "w", "revision": b.NEW, "version": b.NEW_VERSION, "strategy": "canary"}


def find(objects: list[b.Json], kind: str, name: str) -> b.Json:
    """Return one of the objects."""
    return next(obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name))


def completed(objects: list[b.Json]) -> b.Json:
    """Return the record of a run that completed on a mesh."""
    return {"state": "done", "fingerprint": completion_fingerprint(b.snapshot_of(objects), b.NEW), **RUN}


def changed(change: Callable[[list[b.Json]], object]) -> list[b.Json]:
    """Return the mesh after a change."""
    objects = copy.deepcopy(MESH)
    change(objects)
    return objects


def scale(objects: list[b.Json]) -> None:
    istiod = find(objects, "Deployment", f"istiod-{b.NEW}")
    istiod["spec"]["replicas"] = 2
    istiod["status"].update(replicas=2, readyReplicas=2, updatedReplicas=2)


def renew(objects: list[b.Json]) -> None:
    for hook in find(objects, "MutatingWebhookConfiguration", f"istio-sidecar-injector-{b.NEW}")["webhooks"]:
        hook["clientConfig"]["caBundle"] = "bmV3"


def edit_istiod(objects: list[b.Json]) -> None:
    find(objects, "Deployment", f"istiod-{b.NEW}")["spec"]["template"]["metadata"] = {"annotations": {"by": "hand"}}


def edit_values(objects: list[b.Json]) -> None:
    find(objects, "ConfigMap", f"values-{b.NEW}")["data"]["merged-values"] = '{"a": 1}'


def not_rolled_out(objects: list[b.Json]) -> None:
    find(objects, "Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0


def lose_bundle(objects: list[b.Json]) -> None:
    for hook in find(objects, "MutatingWebhookConfiguration", f"istio-sidecar-injector-{b.NEW}")["webhooks"]:
        hook["clientConfig"]["caBundle"] = ""


def lose_plane(objects: list[b.Json]) -> None:
    objects[:] = [obj for obj in objects if obj["metadata"]["name"] != f"istiod-{b.NEW}" or obj["kind"] != "Deployment"]


def relabel(objects: list[b.Json]) -> None:
    find(objects, "Namespace", "shop")["metadata"]["labels"][REV] = b.OLD


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda objects: None, True),
        (scale, True),
        (renew, True),
        (lambda objects: objects.append(b.namespace("blog", {REV: b.NEW})), True),
        (lambda objects: objects.extend(b.deployed("cart", revision=b.NEW)), True),
        (edit_istiod, False),
        (edit_values, False),
        (not_rolled_out, False),
        (lose_bundle, False),
        (lose_plane, False),
        (relabel, False),
        (lambda objects: objects.append(b.namespace("blog", {REV: b.OLD})), False),
        (lambda objects: objects.extend(b.revision_tag("other", b.OLD)), False),
        (lambda objects: objects.extend(b.deployed("cart", revision=b.OLD)), False),
    ],
    ids=[
        "nothing",
        "replicas of istiod",
        "a renewed certificate",
        "a namespace that follows",
        "a workload that follows",
        "istiod edited",
        "its settings edited",
        "istiod not ready",
        "no certificate",
        "no control plane",
        "a namespace moved back",
        "a namespace elsewhere",
        "a tag",
        "a stale proxy",
    ],
)
def test_a_change_since_the_run(change: Callable[[list[b.Json]], object], expected: bool) -> None:
    assert is_up_to_date(b.snapshot_of(changed(change)), completed(MESH), "w") is expected


@pytest.mark.parametrize(
    "over", [{"state": "failed"}, {"request_digest": "x"}, {"fingerprint": ""}, {"revision": "gone"}]
)
def test_another_run_or_one_that_did_not_end_proves_nothing(over: b.Json) -> None:
    assert not is_up_to_date(b.snapshot_of(MESH), {**completed(MESH), **over}, "w")


def test_without_a_record_or_a_request_no_cluster_is_up_to_date() -> None:
    assert not is_up_to_date(b.snapshot_of(MESH), None, "w")
    assert not is_up_to_date(b.snapshot_of(MESH), {**completed(MESH), "request_digest": ""}, "")


def test_the_end_of_a_run_is_what_the_next_one_reads() -> None:
    def writing(task: TaskContext) -> TaskResult:
        task.client.merge("/api/v1/namespaces/shop", {"metadata": {"labels": {"seen": "yes"}}})
        return TaskResult(["labelled"])

    with FakeApi(*copy.deepcopy(MESH)) as api:

        def by_hand(tool: ModuleCore, **options: object) -> b.Json:
            given = params(tool, host=api.url, run=RUN, **options)
            return execute(tool, given, check_mode=False, diff=False, controller=os.getpid())

        assert not by_hand(ISTIO_INFO, record=True)["up_to_date"]
        assert by_hand(ModuleCore("writer", ArgumentSpec({}), writing))["changed"]
        assert not by_hand(ISTIO_INFO, record=True)["up_to_date"]
        closed = by_hand(ISTIO_RUN)
        assert closed["closed"]
        assert not {"request_digest", "fingerprint", "process"} & set(closed["record"])
        assert by_hand(ISTIO_INFO, record=True)["up_to_date"]
        assert by_hand(ISTIO_RUN, state="unlocked")["state"] == "unlocked"


def record_of(objects: list[b.Json]) -> b.Json:
    """Return the record as an object of the cluster."""
    metadata = {"name": STATE_NAME, "namespace": b.SYSTEM}
    data = {RECORD_KEY: json.dumps({**completed(objects), "process": "gone", "started_by": "ada"})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def add_pinned(objects: list[b.Json]) -> None:
    """Add a stale proxy with a pinned image: only its owner shows that no run can fix it."""
    cart = b.deployed("cart", revision=b.NEW, image="own/proxyv2:1.30.2")
    cart[0]["spec"]["template"]["spec"]["containers"].append({"name": "istio-proxy", "image": "own/proxyv2:1.30.2"})
    objects += cart


@pytest.mark.parametrize(
    ("change", "done", "saved"),
    [
        (lambda objects: None, True, 7),
        (lambda objects: objects.append(b.pod("left", "shop", revision=b.OLD, owner=None)), True, 7),
        (lambda objects: objects.append(b.pod("once", "shop", revision=b.OLD, owner=("Job", "once"))), True, 6),
        (add_pinned, True, 4),
        (lambda objects: objects.extend(b.deployed("cart", revision=b.OLD)), False, -3),
        (edit_istiod, False, 0),
    ],
    ids=["nothing", "a stale pod alone", "a stale Job", "a pinned proxy", "a stale proxy", "istiod edited"],
)
def test_a_reading_that_stops_early_returns_the_same(
    change: Callable[[list[b.Json]], object], done: bool, saved: int
) -> None:
    """The owners of stale pods show whether a run would fix them. Owners of other pods are not read."""
    with FakeApi(*changed(change), record_of(MESH)) as api:
        whole, brief = (task(api, ISTIO_INFO, record=True, run=RUN, stop_if_up_to_date=stop) for stop in (False, True))
    assert whole["up_to_date"] is done
    assert whole.pop("requests")["reads"] - brief.pop("requests")["reads"] == saved
    if done:
        assert whole.pop("namespaces")
        # The undo depends on workloads, which such a reading does not have.
        assert whole.pop("undo")
    assert brief == whole


@pytest.mark.parametrize(
    ("change", "proxies"),
    [
        pytest.param(lambda objects: None, 0, id="a namespace without pods"),
        pytest.param(lambda objects: objects.append(b.pod("left", "old", owner=None)), 1, id="a namespace with a pod"),
    ],
)
def test_a_run_that_its_limits_narrow_says_what_is_left(change: Callable[[list[b.Json]], object], proxies: int) -> None:
    with FakeApi(*changed(change), record_of(MESH)) as api:
        result = task(api, ISTIO_INFO, record=True, run=RUN, stop_if_up_to_date=True)
    left = (result["up_to_date"], result["left_proxies"], result["left_namespaces"])
    assert left == (True, proxies, ["old"])


@pytest.mark.parametrize("missing", ["proxies", "record"])
def test_a_brief_reading_needs_what_it_is_judged_by(missing: str) -> None:
    with FakeApi(*MESH) as api:
        result = task(api, ISTIO_INFO, **{"stop_if_up_to_date": True, "proxies": True, "record": True, missing: False})
        assert not api.seen
    assert result["msg"].startswith("Parameter stop_if_up_to_date is true, but")
