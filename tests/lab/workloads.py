# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether workloads and pods have reached their final state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import faults

Json = Mapping[str, Any]
DURATION = "lab.meshops.dev/duration"
LASTING_SECONDS = 60.0


def _deployment(spec: Json, status: Json) -> bool:
    replicas = spec.get("replicas", 1)
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"))
    return all(count == replicas for count in counts)


def _stateful_set(spec: Json, status: Json) -> bool:
    replicas = spec.get("replicas", 1)
    updated = status.get("updateRevision") == status.get("currentRevision") or status.get("updatedReplicas") == replicas
    return updated and all(status.get(key, 0) == replicas for key in ("replicas", "readyReplicas"))


def _daemon_set(spec: Json, status: Json) -> bool:
    replicas = status.get("desiredNumberScheduled", 0)
    return all(status.get(key, 0) == replicas for key in ("updatedNumberScheduled", "numberReady", "numberAvailable"))


KINDS: dict[str, Callable[[Json, Json], bool]] = {
    "deployments": _deployment,
    "statefulsets": _stateful_set,
    "daemonsets": _daemon_set,
}


def rolled_out(resource: str, item: Json) -> bool:
    """Return whether the controller has processed the newest template, and all its pods have it and are ready."""
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return False
    return KINDS[resource](item["spec"], status)


def job_begun(job: Json) -> bool:
    """Return whether the pod of a Job was created, or has completed."""
    status = job.get("status", {})
    return any(status.get(key) for key in ("active", "succeeded", "failed"))


def ends_soon(pod: Json) -> bool:
    """Return whether a pod belongs to a short Job, without an ordinary sidecar that would outlive it."""
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
    if "Job" not in owners or any(container["name"] == "istio-proxy" for container in pod["spec"]["containers"]):
        return False
    return faults.seconds(pod["metadata"].get("annotations", {}).get(DURATION, "1s")) < LASTING_SECONDS


def pod_settled(pod: Json) -> bool:
    """Return whether a pod is ready or completed, and is not terminating."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return True
    return not ends_soon(pod) and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", [])
    )


def describe(item: Json) -> str:
    """Return an object as namespace/name."""
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
