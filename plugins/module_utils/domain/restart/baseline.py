# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was down before a restart: it is no fault of the restart that it still is.

A pod is down as before if it is on the node that one of a DaemonSet was down on, or if the container is not ready that
was not before; a proxy never is. What is down as before is told apart from what is done.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PROXY_CONTAINERS,
    PodState,
    Trouble,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLOUT


@dataclasses.dataclass(frozen=True, slots=True)
class Down:
    """A pod that was not ready before its workload was restarted."""

    pod: str
    node: str
    trouble: Trouble


def read_down(state: PodState) -> Down | None:
    """Return what keeps a pod from being ready before the restart, or None if it is; one that leaves is down too."""
    trouble = state.broken or state.unready or (Trouble("Terminating") if state.pod.deleting else None)
    return Down(state.pod.name, state.pod.node, trouble) if trouble and state.pod.live else None


def excused(kind: str, state: PodState, before: Sequence[Down]) -> bool:
    """Return whether what is wrong with a pod was wrong before the restart."""
    return any(_alike(kind, state, down) for down in before)


def _alike(kind: str, state: PodState, down: Down) -> bool:
    trouble = state.broken or state.unready
    if trouble is not None and trouble.container in PROXY_CONTAINERS:
        return False
    if kind == "DaemonSet":
        return bool(down.node) and state.pod.node == down.node
    return trouble is not None and trouble.own and _sign(trouble) == _sign(down.trouble)


def _sign(trouble: Trouble) -> tuple[str, str]:
    """A container that crashes is now and then only not ready."""
    return ("" if trouble.container else trouble.reason, trouble.container)


def still_down(
    kind: str, obj: Mapping[str, t.Any], pods: Sequence[tuple[PodState, bool]], before: Sequence[Down]
) -> list[str]:
    """Return the pods that are down as before, in words, if a rollout is complete but for them; else nothing.

    ``pods`` are those of the workload, and whether the rollout made them.
    """
    status = obj.get("status") or {}
    if kind == ROLLOUT or (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return []
    daemon = kind == "DaemonSet"
    desired = status.get("desiredNumberScheduled") or 0 if daemon else obj["spec"].get("replicas", 1)
    places = {down.node for down in before}
    made = [state for state, new in pods if new and state.stays]
    left = [s for s, new in pods if not new and s.stays and not (daemon and s.pod.node in places)]
    waiting, found = list(before), list[str]()
    for state in made:
        if state.pod.ready:
            continue
        down = next((one for one in waiting if _alike(kind, state, one)), None)
        if down is None:
            return []
        waiting.remove(down)
        found.append(_said(state.pod.name, state.pod.node, state.broken or state.unready or down.trouble))
    served = {state.pod.node for state in made}
    # the pod of a dead node does not go, so that no other takes its place
    missing = [down for down in waiting if daemon and down.node and down.node not in served]
    if left or len(made) + len(missing) < desired:
        return []
    return [*found, *(_said(down.pod, down.node, down.trouble) for down in missing)]


def _said(pod: str, node: str, trouble: Trouble) -> str:
    return f"pod {pod}{f' on node {node}' if node else ''}, {trouble}"
