# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a rollout is complete, and when it has failed."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ref_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Reader
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.argo_rollout import (
    checked_rollout,
    restarted,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import DEADLINE, HEALTHY


def rollout_complete(kind: str, obj: Mapping[str, t.Any]) -> bool:
    """Return whether the newest template of a workload runs everywhere and is available."""
    if kind == ROLLOUT:
        rollout = checked_rollout(obj, Reader(ref_of(obj)))
        # Its observedGeneration is a text (argo-rollouts utils/rollout/rolloututil.go).
        observed = bool(rollout["status"]["observedGeneration"] == str(obj["metadata"].get("generation", 0)))
        return observed and restarted(rollout) and bool(rollout["status"]["phase"] == HEALTHY)
    spec, status = obj["spec"], obj.get("status") or {}
    if (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return False
    current = updated_pods(kind, obj)
    if kind == "DaemonSet":
        desired = status.get("desiredNumberScheduled") or 0
        return bool(current == desired == (status.get("numberAvailable") or 0))
    desired = spec.get("replicas", 1)
    if current != desired or (status.get("availableReplicas") or 0) != desired:
        return False
    if kind == "StatefulSet":
        return bool(status.get("currentRevision") == status.get("updateRevision"))
    return bool((status.get("replicas") or 0) == desired)


def updated_pods(kind: str, obj: Mapping[str, t.Any]) -> int:
    """Return how many pods of the newest template a workload has, according to its controller."""
    return int(
        (obj.get("status") or {}).get("updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas") or 0
    )


def rollout_failure(kind: str, obj: Mapping[str, t.Any]) -> Trouble | None:
    """Return why a rollout will not complete, according to the conditions of its newest generation, or None."""
    if kind == ROLLOUT:
        status = checked_rollout(obj, Reader(ref_of(obj)))["status"]
        return Trouble("Degraded", status["message"]) if status["phase"] == "Degraded" else None
    status = obj.get("status") or {}
    if (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return None
    for condition in status.get("conditions") or ():
        reason, message = condition.get("reason", ""), condition.get("message", "")
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return Trouble(reason, message)
        if condition.get("type") == "Progressing" and reason == DEADLINE:
            return Trouble(reason, message)
    return None
