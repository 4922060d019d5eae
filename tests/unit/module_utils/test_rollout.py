# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a rollout is complete, when it has failed, and in which batches workloads go (S5, domain 14)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._rollout import (
    batches,
    complete,
    failure,
    pod_failure,
    pod_unready,
)
from unit.module_utils import builders as b


def rolled(kind: str, **status: object) -> b.Json:
    """A workload with two replicas, complete but for what is given."""
    raw = b.workload(kind, replicas=2)
    raw["metadata"]["generation"] = 3
    raw["status"].update({"observedGeneration": 3, **status})
    return raw


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_complete_rollout(kind: str) -> None:
    assert complete(kind, rolled(kind))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_domain_14_the_newest_generation_must_be_observed(kind: str) -> None:
    assert not complete(kind, rolled(kind, observedGeneration=2))
    assert not complete(kind, {**rolled(kind), "status": {}})


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        pytest.param("Deployment", {"updatedReplicas": 1}, id="Deployment: updatedReplicas counts"),
        pytest.param("Deployment", {"availableReplicas": 1}, id="Deployment: availableReplicas counts"),
        pytest.param("Deployment", {"availableReplicas": None}, id="Deployment: none available"),
        pytest.param("Deployment", {"replicas": 3}, id="Deployment: an old pod is still there"),
        pytest.param("StatefulSet", {"updatedReplicas": 1}, id="StatefulSet: updatedReplicas counts"),
        pytest.param("StatefulSet", {"availableReplicas": 1}, id="StatefulSet: availableReplicas counts"),
        pytest.param("StatefulSet", {"updateRevision": "b"}, id="StatefulSet: current is not the update revision"),
        pytest.param("DaemonSet", {"updatedNumberScheduled": 1}, id="DaemonSet: an old pod is still there"),
        pytest.param("DaemonSet", {"numberAvailable": 1}, id="DaemonSet: one is not available"),
    ],
)
def test_an_incomplete_rollout(kind: str, status: b.Json) -> None:
    assert not complete(kind, rolled(kind, **status))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_scaled_to_zero_is_complete(kind: str) -> None:
    assert complete(kind, b.workload(kind, replicas=0))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param(
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "rejected"},
            "FailedCreate: rejected",
            id="domain 3: an orphan webhook rejects the new pods",
        ),
        pytest.param({"type": "ReplicaFailure", "status": "False", "reason": "FailedCreate"}, None, id="no longer"),
        pytest.param(
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"},
            "ProgressDeadlineExceeded: late",
            id="the deadline has passed",
        ),
        pytest.param({"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}, None, id="it goes on"),
    ],
)
def test_failure(condition: b.Json, expected: str | None) -> None:
    assert failure("Deployment", rolled("Deployment", conditions=[condition])) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(
            {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            "container app: CrashLoopBackOff",
            id="crash loop",
        ),
        pytest.param(
            {
                "initContainerStatuses": [
                    {
                        "name": "istio-proxy",
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
                    }
                ]
            },
            "container istio-proxy: ImagePullBackOff (no such tag)",
            id="domain 14: a native sidecar is an init container",
        ),
        pytest.param(
            {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
            None,
            id="starting",
        ),
        pytest.param({"containerStatuses": [{"name": "app", "state": {"running": {}}}]}, None, id="running"),
        pytest.param(None, None, id="not scheduled yet"),
    ],
)
def test_pod_failure(status: b.Json | None, expected: str | None) -> None:
    assert pod_failure({"metadata": {}, "status": status}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"conditions": [{"type": "Ready", "status": "True"}]}, None, id="ready"),
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "it is not scheduled: 0/3 nodes are available",
            id="no node takes it",
        ),
        pytest.param(
            {
                "initContainerStatuses": [{"name": "istio-proxy", "ready": False}],
                "containerStatuses": [{"name": "app", "ready": False}],
            },
            "container istio-proxy is not ready",
            id="domain 14: a native sidecar is an init container",
        ),
        pytest.param({}, "it is not ready", id="nothing is known yet"),
    ],
)
def test_pod_unready(status: b.Json, expected: str | None) -> None:
    assert pod_unready({"metadata": {}, "status": status}) == expected


def names(size: int, *found: b.Json) -> list[list[str]]:
    """Names of the workloads, batch by batch."""
    snapshot = b.snapshot_of(found)
    return [[w.name for w in batch] for batch in batches(snapshot.workloads.values(), size, snapshot.budgets_of)]


def test_s5_batches_are_bounded_and_in_a_stable_order() -> None:
    found = [b.workload(name=name) for name in ("e", "c", "a", "d", "b")]
    assert names(2, *found) == names(2, *reversed(found)) == [["a", "b"], ["c", "d"], ["e"]]


def test_gateways_go_last_and_in_batches_of_their_own() -> None:
    gateway = b.workload(name="a-gateway", annotations={"inject.istio.io/templates": "gateway"})
    assert names(5, gateway, b.workload(name="b"), b.workload(name="c")) == [["b", "c"], ["a-gateway"]]


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        pytest.param(3, [["a", "b", "c"]], id="room for all"),
        pytest.param(2, [["a", "b"], ["c"]], id="room for two"),
        pytest.param(1, [["a"], ["b"], ["c"]], id="one after the other"),
        pytest.param(0, [["a"], ["b"], ["c"]], id="no room: each has to wait"),
    ],
)
def test_s5_workloads_that_share_a_budget_go_together_only_as_far_as_it_has_room(
    allowed: int, expected: list[list[str]]
) -> None:
    found = [b.workload(name=name, strategy={"type": "Recreate"}) for name in "abc"]
    assert names(5, *found, b.budget("all", {}, allowed)) == expected


def test_a_rollout_that_takes_down_nothing_needs_no_room() -> None:
    found = [b.workload(name=name, strategy={"rollingUpdate": {"maxUnavailable": 0}}) for name in "abc"]
    assert names(5, *found, b.budget("all", {}, 0)) == [["a", "b", "c"]]


def test_nothing_to_restart_is_no_batch() -> None:
    assert names(5) == []
