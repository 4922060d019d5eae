# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether workloads and pods are where they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import faults

Json = Mapping[str, Any]
DURATION = "lab.meshops.dev/duration"
LASTING_SECONDS = 60.0


def _deployment(spec: Json, status: Json) -> bool:
    wanted = spec.get("replicas", 1)
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"))
    return all(count == wanted for count in counts)


def _stateful_set(spec: Json, status: Json) -> bool:
    wanted = spec.get("replicas", 1)
    updated = status.get("updateRevision") == status.get("currentRevision") or status.get("updatedReplicas") == wanted
    return updated and all(status.get(key, 0) == wanted for key in ("replicas", "readyReplicas"))


def _daemon_set(spec: Json, status: Json) -> bool:
    wanted = status.get("desiredNumberScheduled", 0)
    return all(status.get(key, 0) == wanted for key in ("updatedNumberScheduled", "numberReady", "numberAvailable"))


KINDS: dict[str, Callable[[Json, Json], bool]] = {
    "deployments": _deployment,
    "statefulsets": _stateful_set,
    "daemonsets": _daemon_set,
}


def rolled_out(resource: str, item: Json) -> bool:
    """The controller has seen the newest template, and all its pods are of it and ready."""
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return False
    return KINDS[resource](item["spec"], status)


def job_begun(job: Json) -> bool:
    """Its pod was created, or is done already."""
    status = job.get("status", {})
    return any(status.get(key) for key in ("active", "succeeded", "failed"))


def ends_soon(pod: Json) -> bool:
    """A pod of a short Job, without an ordinary sidecar that would outlast it."""
    owners = {one["kind"] for one in pod["metadata"].get("ownerReferences", [])}
    if "Job" not in owners or any(one["name"] == "istio-proxy" for one in pod["spec"]["containers"]):
        return False
    return faults.seconds(pod["metadata"].get("annotations", {}).get(DURATION, "1s")) < LASTING_SECONDS


def pod_settled(pod: Json) -> bool:
    """Ready for good or done, and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return True
    return not ends_soon(pod) and any(
        one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])
    )


def describe(item: Json) -> str:
    """namespace/name"""
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
