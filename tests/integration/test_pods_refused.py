# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server begins to refuse pods between two batches: a webhook that is down, a quota, a policy (S5)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from integration.meshes import ADMISSION, MERGE
from integration.objects import INJECTION, REV, injected, labels, pods, until
from integration.restarts import (
    COLLECTIONS,
    EARLY,
    PLACE,
    Gatekeeper,
    clocked_by_kind,
    move,
    place,
    restart,
    template,
    two_revisions,
    workload,
)
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
ISTIOD = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{NEW_REVISION}"
QUOTA = f"/api/v1/namespaces/{PLACE}/resourcequotas/none"
FREEZE = "no pods until Monday"


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk)


def refused(cluster: Cluster) -> bool:
    """Whether a pod of the namespace would be refused now."""
    try:
        injected(cluster, PLACE)
    except ApiError:
        return True
    return False


def scale(cluster: Cluster, replicas: int) -> None:
    """Give the new istiod so many pods."""
    cluster.request("PATCH", ISTIOD, {"spec": {"replicas": replicas}}, content_type=MERGE)


@contextlib.contextmanager
def webhook_down(cluster: Cluster) -> Iterator[None]:
    """The new istiod, whose webhook all pods of the namespace go through, is away."""
    scale(cluster, 0)
    try:
        until(lambda: refused(cluster), "the webhook still answers")
        yield
    finally:
        scale(cluster, 1)
        until(lambda: cluster.request("GET", ISTIOD)["status"].get("readyReplicas") == 1, "istiod does not come back")


@contextlib.contextmanager
def quota(cluster: Cluster) -> Iterator[None]:
    """A quota that has no room for a pod."""
    about = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": PLACE}}
    cluster.apply([{**about, "spec": {"hard": {"pods": "0"}}}])
    until(lambda: cluster.request("GET", QUOTA).get("status", {}).get("used"), "the quota is not counted")
    try:
        yield
    finally:
        cluster.delete(QUOTA)


@contextlib.contextmanager
def policy(cluster: Cluster) -> Iterator[None]:
    """A policy of the API server's own that denies pods of the namespace."""
    kinds = {"apiVersion": ADMISSION.removeprefix("/apis/"), "metadata": {"name": "freeze"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": FREEZE}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PLACE}}}
    binding = {"policyName": "freeze", "validationActions": ["Deny"], "matchResources": here}
    cluster.apply(
        [
            {**kinds, "kind": "ValidatingAdmissionPolicy", "spec": spec},
            {**kinds, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
        ]
    )
    try:
        until(lambda: refused(cluster), "the policy is not in force")
        yield
    finally:
        for name in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.delete(f"{ADMISSION}/{name}/freeze")
        until(lambda: not refused(cluster), "the policy is still in force")


def restarted(cluster: Cluster, *names: str) -> bool:
    """Whether all pods of some workloads are ready with the new proxy, and there are some."""
    found = [pod for (dummy, name), pod in pods(cluster, [PLACE]).items() if name.startswith(names)]
    return bool(found) and all(pod.ready and pod.version == NEW_VERSION for pod in found)


def failed_to_create(cluster: Cluster, name: str) -> bool:
    """Whether the controller of a workload says that its pods are refused."""
    events = cluster.items(f"/api/v1/namespaces/{PLACE}/events", {"fieldSelector": "reason=FailedCreate"})
    return any(one["involvedObject"]["name"].startswith(name) for one in events)


@pytest.mark.parametrize(
    ("refusing", "sentence"),
    [
        pytest.param(webhook_down, "failed calling webhook", id="webhook"),
        pytest.param(quota, "exceeded quota: none", id="quota"),
        pytest.param(policy, FREEZE, id="policy"),
    ],
)
def test_what_begins_to_be_refused_between_two_batches_ends_the_run_early(
    desk: Desk, cluster: Cluster, refusing: Callable[[Cluster], contextlib.AbstractContextManager[None]], sentence: str
) -> None:
    """A run of each kind waits at a gate after its first batch, until pods are refused."""
    both = ("first", "second")
    place(cluster, *(workload(kind, f"{name}-{kind.lower()}") for kind in COLLECTIONS for name in both))
    move(desk, cluster)
    with Gatekeeper() as gate, ThreadPoolExecutor(1) as pool:
        job = pool.submit(
            partial(clocked_by_kind, batch_size=1, gates=gate.gates),
            desk,
            cluster,
            lambda kind: failed_to_create(cluster, f"second-{kind.lower()}"),
        )
        firsts = [f"first-{kind.lower()}-" for kind in COLLECTIONS]
        until(lambda: all(restarted(cluster, first) for first in firsts), "the first batches do not end")
        with refusing(cluster):
            gate.opened.set()
            clocks = job.result()
    for kind, clock in clocks.items():
        failure = clock.result["failure"]
        found = failure["evidence"][0]
        assert (found["workload"], found["reason"]) == (f"{kind} {PLACE}/second-{kind.lower()}", "FailedCreate")
        assert sentence in found["message"]
        assert sentence in clock.result["msg"]
        assert failure["completed_before"] == [f"{kind} {PLACE}/first-{kind.lower()}"]
        assert clock.seconds < EARLY, kind


def gated_run(
    desk: Desk, cluster: Cluster, refusing: Callable[[Cluster], contextlib.AbstractContextManager[None]], **options: Any
) -> Json:
    """The result of a run of a and b, between which pods begin to be refused, while they still are."""
    with Gatekeeper() as gate, ThreadPoolExecutor(1) as pool:
        run = partial(restart, desk, cluster, batch_size=1, gates=gate.gates, on_failure="rollback", **options)
        job = pool.submit(run)
        until(lambda: restarted(cluster, "a-"), "the first batch does not end")
        with refusing(cluster):
            gate.opened.set()
            return job.result()


def test_the_way_back_does_not_need_the_webhook_that_is_down(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("Deployment", "a"), workload("Deployment", "b"))
    before = [template(cluster, "Deployment", name) for name in "ab"]
    move(desk, cluster)
    result = gated_run(desk, cluster, webhook_down, restore_labels=True)
    assert "batch 2 of 2 failed: Deployment restarts/b: FailedCreate" in result["msg"]
    assert (result["failure"]["rolled_back"], result["failure"]["rollback_problems"]) == (True, [])
    assert [template(cluster, "Deployment", name) for name in "ab"] == before
    assert labels(cluster)[PLACE][REV] == REVISION
    until(lambda: {pod.version for pod in pods(cluster, [PLACE]).values()} == {VERSION}, "not all are back")


def test_a_way_back_that_is_refused_too_is_tried_and_its_problems_are_named(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("Deployment", "a"), workload("Deployment", "b"))
    before = [template(cluster, "Deployment", name) for name in "ab"]
    move(desk, cluster)
    failure = gated_run(desk, cluster, quota)["failure"]
    assert failure["rolled_back"] is False
    assert "exceeded quota: none" in failure["rollback_problems"][0]
    assert [template(cluster, "Deployment", name) for name in "ab"] == before


def test_no_pod_is_taken_out_of_the_mesh_whose_default_is_gone(desk: Desk, cluster: Cluster) -> None:
    """A new pod would be accepted, and would get no proxy, without a word."""
    place(cluster, workload("Deployment", "kept"))
    labelled = {"metadata": {"labels": {REV: None, INJECTION: "enabled"}}}
    before, unchanged = pods(cluster, [PLACE]), template(cluster, "Deployment", "kept")
    assert {pod.version for pod in before.values()} == {VERSION}
    desk.tool(cluster, "istio_tag", name="default", state="absent")
    try:
        cluster.request("PATCH", f"/api/v1/namespaces/{PLACE}", labelled, content_type=MERGE)
        result = restart(desk, cluster, scope="all")
    finally:
        desk.tool(cluster, "istio_tag", name="default", revision=REVISION)
    assert result["failure"]["kind"] == "SafetyError"
    assert "would come back without a proxy" in result["msg"]
    assert "no default tag or injector is active" in result["msg"]
    assert template(cluster, "Deployment", "kept") == unchanged
    assert {pod.uid for pod in pods(cluster, [PLACE]).values()} == {pod.uid for pod in before.values()}
