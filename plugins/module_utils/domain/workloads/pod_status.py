# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a pod during a rollout: whether it becomes ready, and why it does not."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: Waiting reasons of a container that do not pass by themselves.
BROKEN = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PostStartHookError",
        "PreCreateHookError",
        "PreStartHookError",
    }
)
#: Reasons that a container has after it ran: another container, such as its proxy, may be the cause.
RAN = frozenset({"CrashLoopBackOff", "PostStartHookError"})
#: Containers that injection adds to a pod: their trouble is trouble of the proxy.
PROXY_CONTAINERS = frozenset({"istio-proxy", "istio-init", "istio-validation", "enable-core-dump"})
#: How long the garbage collector and the kubelet may take after a pod's grace period.
LATE_SECONDS = 15.0
DEFAULT_GRACE = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod or a workload makes no progress: the container, the reason in one word, and the cluster's message.

    ``own`` is whether the workload would have it with any proxy; in doubt the proxy or its revision is the cause.
    """

    reason: str
    message: str = ""
    container: str = ""
    own: bool = False

    def __str__(self) -> str:
        if not self.container:
            return f"{self.reason}: {self.message}" if self.message else self.reason
        return f"container {self.container}: {self.reason}" + (f" ({self.message})" if self.message else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """The trouble of a workload, or with None of a gate that concerns no workload."""

    workload: Workload | None
    trouble: Trouble
    pod: str = ""

    def __str__(self) -> str:
        place = f"{self.workload}: " if self.workload else ""
        return place + (f"pod {self.pod}, " if self.pod else "") + str(self.trouble)


@dataclasses.dataclass(frozen=True, slots=True)
class PodState:
    """A pod in a rollout, its trouble, and its grace period in seconds while it terminates.

    ``tries`` is the number of restarts of the broken container, ``left`` when it began to terminate, if known.
    """

    pod: Pod
    broken: Trouble | None = None
    unready: Trouble | None = None
    restarts: int = 0
    grace: float = 0.0
    tries: int = 0
    proxy_restarts: int = 0
    left: datetime.datetime | None = None

    @property
    def stays(self) -> bool:
        """Whether it is neither finished nor terminating."""
        return self.pod.live and not self.pod.deleting


def read_pod_state(obj: Mapping[str, t.Any]) -> PodState:
    """Return the facts of a raw Pod."""
    seconds = obj["metadata"].get("deletionGracePeriodSeconds")
    grace = DEFAULT_GRACE if seconds is None else float(seconds)
    containers = _containers(obj)
    broken_container = _broken_container(obj)
    return PodState(
        pod=read_pod(obj, requests=False),
        broken=broken_pod(obj),
        unready=pod_unready(obj),
        restarts=sum(map(_restarts, containers)),
        grace=grace,
        tries=_restarts(broken_container) if broken_container else 0,
        proxy_restarts=sum(_restarts(status) for status in containers if status["name"] in PROXY_CONTAINERS),
        left=_left(obj, grace),
    )


def _left(pod: Mapping[str, t.Any], grace: float) -> datetime.datetime | None:
    """Return when a pod began to terminate; its deletionTimestamp is the end of the grace period."""
    end = as_time(pod["metadata"].get("deletionTimestamp"))
    try:
        return end - datetime.timedelta(seconds=grace) if end else None
    except OverflowError:
        return None


def _containers(pod: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """Return the states of all containers; a native sidecar is an init container."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _restarts(container: Mapping[str, t.Any]) -> int:
    return int(container.get("restartCount") or 0)


def _waiting(container: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    return (container.get("state") or {}).get("waiting") or {}


def _broken_container(pod: Mapping[str, t.Any]) -> Mapping[str, t.Any] | None:
    """Return the status of the first container that waits for a permanent reason; proxy containers come first."""
    containers = [status for status in _containers(pod) if _waiting(status).get("reason") in BROKEN]
    return min(containers, key=lambda status: status["name"] not in PROXY_CONTAINERS, default=None)


def _own(pod: Mapping[str, t.Any], container: str, reason: str) -> bool:
    """Whether a container itself causes its trouble: it could not start at all, or the proxy of the pod is ready."""
    if container in PROXY_CONTAINERS:
        return False
    return reason in BROKEN - RAN or _proxy_ready(pod)


def _proxy_ready(pod: Mapping[str, t.Any]) -> bool:
    spec = pod.get("spec") or {}
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if not any(container.get("name") == "istio-proxy" for container in listed):
        return True
    return any(status["name"] == "istio-proxy" and status.get("ready") for status in _containers(pod))


def _proxy_resources(pod: Mapping[str, t.Any]) -> set[str]:
    """Return the names of the resources that the proxy containers of a pod request."""
    spec = pod.get("spec") or {}
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    injected = (container for container in listed if container.get("name") in PROXY_CONTAINERS)
    return {name for container in injected for name in (container.get("resources") or {}).get("requests") or ()}


def broken_pod(pod: Mapping[str, t.Any]) -> Trouble | None:
    """Return why a pod will not become ready, or None."""
    container = _broken_container(pod)
    if container is None:
        return None
    waiting, name = _waiting(container), container["name"]
    return Trouble(
        waiting["reason"], str(waiting.get("message") or ""), name, own=_own(pod, name, str(waiting["reason"]))
    )


def pod_failure(pod: Mapping[str, t.Any]) -> str | None:
    """Return why a pod will not become ready, with the container and the reason, or None."""
    trouble = broken_pod(pod)
    return str(trouble) if trouble else None


def pod_unready(pod: Mapping[str, t.Any]) -> Trouble | None:
    """Return why a pod is not ready, such as its first container that is not ready, or None if it is."""
    conditions = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        message = str(scheduled.get("message") or scheduled.get("reason") or "")
        # With fewer resources for the proxy it might fit.
        own = not any(f"Insufficient {resource}" in message for resource in _proxy_resources(pod))
        return Trouble("Unschedulable", message, own=own)
    waiting = next((container["name"] for container in _containers(pod) if not container.get("ready")), "")
    return Trouble("NotReady", container=waiting, own=_own(pod, waiting, "NotReady"))


def overdue_termination(state: PodState, seconds: float) -> Trouble | None:
    """Return the trouble of a pod that terminates longer than its grace period allows, or None."""
    if seconds < state.grace + LATE_SECONDS:
        return None
    node = f" on node {state.pod.node}" if state.pod.node else ""
    return Trouble("Terminating", f"for {seconds:.0f} s{node}, its grace period is {state.grace:.0f} s", own=True)
