# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. When a rollout is complete, and when it has failed."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

#: Waiting reasons of a container that do not pass by themselves.
BROKEN = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


def complete(kind: str, obj: Mapping[str, t.Any]) -> bool:
    """Return whether the newest template of a workload runs everywhere and is available."""
    spec, status = obj["spec"], obj.get("status") or {}
    if (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return False
    updated = status.get("updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas") or 0
    if kind == "DaemonSet":
        desired = status.get("desiredNumberScheduled") or 0
        return bool(updated == desired == (status.get("numberAvailable") or 0))
    desired = spec.get("replicas", 1)
    if updated != desired or (status.get("availableReplicas") or 0) != desired:
        return False
    if kind == "StatefulSet":
        return bool(status.get("currentRevision") == status.get("updateRevision"))
    return bool((status.get("replicas") or 0) == desired)


def failure(kind: str, obj: Mapping[str, t.Any]) -> str | None:
    """Return why a rollout will not complete, as its own conditions say it, or None."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        reason, message = condition.get("reason", ""), condition.get("message", "")
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f"{reason}: {message}"
        if condition.get("type") == "Progressing" and reason == "ProgressDeadlineExceeded":
            return f"{reason}: {message}"
    return None


def pod_failure(pod: Mapping[str, t.Any]) -> str | None:
    """Return why a pod will not become ready, with the container and the reason, or None."""
    status = pod.get("status") or {}
    for group in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(group) or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in BROKEN:
                said = f" ({waiting['message']})" if waiting.get("message") else ""
                return f"container {container['name']}: {waiting['reason']}{said}"
    return None


def pod_unready(pod: Mapping[str, t.Any]) -> str | None:
    """Return what keeps a pod from being ready, such as its first container that is not, or None if it is."""
    status = pod.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"it is not scheduled: {scheduled.get('message') or scheduled.get('reason')}"
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    waiting = next((container["name"] for container in containers if not container.get("ready")), None)
    return f"container {waiting} is not ready" if waiting else "it is not ready"
