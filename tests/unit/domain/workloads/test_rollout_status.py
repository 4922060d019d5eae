# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a rollout is complete, and when it has failed (S5, domain 14)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_status import (
    rollout_complete,
    rollout_failure,
)
from unit.support import builders as b


def rolled(kind: str, **status: object) -> b.Json:
    """A workload with two replicas, complete but for what is given."""
    raw = b.workload(kind, replicas=2)
    raw["metadata"]["generation"] = 3
    raw["status"].update({"observedGeneration": 3, **status})
    return raw


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_complete_rollout(kind: str) -> None:
    assert rollout_complete(kind, rolled(kind))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_domain_14_the_newest_generation_must_be_observed(kind: str) -> None:
    assert not rollout_complete(kind, rolled(kind, observedGeneration=2))
    assert not rollout_complete(kind, {**rolled(kind), "status": {}})


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
    assert not rollout_complete(kind, rolled(kind, **status))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_scaled_to_zero_is_complete(kind: str) -> None:
    assert rollout_complete(kind, b.workload(kind, replicas=0))


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
    found = rollout_failure("Deployment", rolled("Deployment", conditions=[condition]))
    assert (str(found) if found else None) == expected


def test_a_condition_of_the_previous_rollout_does_not_count() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    assert rollout_failure("Deployment", rolled("Deployment", conditions=[late], observedGeneration=2)) is None


def argo(**over: str) -> b.Json:
    """An Argo Rollout that was restarted."""
    raw = b.workload("Rollout")
    raw["metadata"]["generation"] = 3
    raw["spec"]["restartAt"] = "2026-03-01T02:00:00Z"
    raw["status"] = {"observedGeneration": "3", "phase": "Healthy", "restartedAt": "2026-03-01T02:00:00Z", **over}
    return raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(argo(), True, id="restarted"),
        pytest.param(argo(restartedAt="2026-03-01T03:00:00+01:00"), True, id="the same time, written otherwise"),
        pytest.param(argo(observedGeneration="2"), False, id="its controller has not seen it yet"),
        pytest.param(argo(restartedAt="2026-03-01T01:00:00Z"), False, id="an earlier restart"),
        pytest.param(argo(restartedAt=""), False, id="its first restart is not over"),
        pytest.param(argo(phase="Progressing"), False, id="pods are not available yet"),
    ],
)
def test_an_argo_rollout_is_complete_when_its_controller_reports_it(raw: b.Json, expected: bool) -> None:
    assert rollout_complete("Rollout", raw) is expected


def test_an_argo_rollout_fails_when_its_controller_reports_it() -> None:
    assert str(rollout_failure("Rollout", argo(phase="Degraded", message="no room"))) == "Degraded: no room"
    assert rollout_failure("Rollout", argo(phase="Progressing")) is None


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {"restartAt": 7, "phase": [], "conditions": [1], "template": "x"}])
def test_f18_an_invalid_argo_rollout_is_neither_complete_nor_failed(part: str, value: object) -> None:
    odd = {**b.workload("Rollout"), part: value}
    assert rollout_complete("Rollout", odd) is False
    assert rollout_failure("Rollout", odd) is None
