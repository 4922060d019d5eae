# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a pod counts while it is replaced: whether it gets ready, and why it does not."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod, read_pod
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
#: Those that a container has after it ran: what is beside it, such as its proxy, may be the cause.
RAN = frozenset({"CrashLoopBackOff", "PostStartHookError"})
#: What injection adds to a pod: its trouble is trouble of the proxy.
PROXY_CONTAINERS = frozenset({"istio-proxy", "istio-init", "istio-validation", "enable-core-dump"})
#: How long the garbage collector and the kubelet may take after a pod's grace period.
LATE_SECONDS = 15.0
DEFAULT_GRACE = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod or a workload does not get on: the container, a reason in one word, and what the cluster says.

    ``own`` is whether the workload would have it with any proxy; in doubt it is trouble of the proxy or its revision.
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
    """A trouble, and whose it is; a gate that is about no workload has None."""

    workload: Workload | None
    trouble: Trouble
    pod: str = ""

    def __str__(self) -> str:
        place = f"{self.workload}: " if self.workload else ""
        return place + (f"pod {self.pod}, " if self.pod else "") + str(self.trouble)


@dataclasses.dataclass(frozen=True, slots=True)
class PodState:
    """A pod in a rollout: what it runs, what is wrong with it, and (on its way out) the grace that it has.

    ``tries`` is how often the broken container was started again, and ``left`` when it began to leave, if that is told.
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
        """Whether it is neither finished nor on its way out."""
        return self.pod.live and not self.pod.deleting


def read_pod_state(obj: Mapping[str, t.Any]) -> PodState:
    """Return the facts of a raw Pod."""
    given = obj["metadata"].get("deletionGracePeriodSeconds")
    grace = DEFAULT_GRACE if given is None else float(given)
    containers = _containers(obj)
    sick = _sick(obj)
    return PodState(
        pod=read_pod(obj, need=False),
        broken=broken(obj),
        unready=pod_unready(obj),
        restarts=sum(map(_restarts, containers)),
        grace=grace,
        tries=_restarts(sick) if sick else 0,
        proxy_restarts=sum(_restarts(one) for one in containers if one["name"] in PROXY_CONTAINERS),
        left=_left(obj, grace),
    )


def _left(pod: Mapping[str, t.Any], grace: float) -> datetime.datetime | None:
    """Return when a pod began to leave: the time in it is that at which its grace period ends."""
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


def _sick(pod: Mapping[str, t.Any]) -> Mapping[str, t.Any] | None:
    """Return the state of the first container that waits for a reason which does not pass by itself; a proxy first."""
    found = [one for one in _containers(pod) if _waiting(one).get("reason") in BROKEN]
    return min(found, key=lambda one: one["name"] not in PROXY_CONTAINERS, default=None)


def _own(pod: Mapping[str, t.Any], container: str, reason: str) -> bool:
    """Whether a container is in trouble by itself: it could not start at all, or the proxy beside it is fine."""
    if container in PROXY_CONTAINERS:
        return False
    return reason in BROKEN - RAN or _proxy_fine(pod)


def _proxy_fine(pod: Mapping[str, t.Any]) -> bool:
    spec = pod.get("spec") or {}
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if not any(container.get("name") == "istio-proxy" for container in listed):
        return True
    return any(one["name"] == "istio-proxy" and one.get("ready") for one in _containers(pod))


def _for_proxy(pod: Mapping[str, t.Any]) -> set[str]:
    """Return the resources that a pod requests more of for its proxy."""
    spec = pod.get("spec") or {}
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    added = (one for one in listed if one.get("name") in PROXY_CONTAINERS)
    return {resource for one in added for resource in (one.get("resources") or {}).get("requests") or ()}


def broken(pod: Mapping[str, t.Any]) -> Trouble | None:
    """Return why a pod will not become ready, or None."""
    found = _sick(pod)
    if found is None:
        return None
    waiting, name = _waiting(found), found["name"]
    return Trouble(
        waiting["reason"], str(waiting.get("message") or ""), name, own=_own(pod, name, str(waiting["reason"]))
    )


def pod_failure(pod: Mapping[str, t.Any]) -> str | None:
    """Return why a pod will not become ready, with the container and the reason, or None."""
    found = broken(pod)
    return str(found) if found else None


def pod_unready(pod: Mapping[str, t.Any]) -> Trouble | None:
    """Return what keeps a pod from being ready, such as its first container that is not, or None if it is."""
    conditions = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        said = str(scheduled.get("message") or scheduled.get("reason") or "")
        # with less for the proxy it might fit
        own = not any(f"Insufficient {resource}" in said for resource in _for_proxy(pod))
        return Trouble("Unschedulable", said, own=own)
    waiting = next((container["name"] for container in _containers(pod) if not container.get("ready")), "")
    return Trouble("NotReady", container=waiting, own=_own(pod, waiting, "NotReady"))


def late(state: PodState, seconds: float) -> Trouble | None:
    """Return that a pod which has been on its way out for some seconds should have been gone, or None."""
    if seconds < state.grace + LATE_SECONDS:
        return None
    node = f" on node {state.pod.node}" if state.pod.node else ""
    return Trouble("Terminating", f"for {seconds:.0f} s{node}, its grace period is {state.grace:.0f} s", own=True)
