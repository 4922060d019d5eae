# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognizes pods that were down before a restart, so that the restart is not blamed for them.

A new pod is down as before if a DaemonSet had a pod down on the same node, or if the same container was not ready
before the restart; this never holds for a proxy container. Pods that are down as before are reported apart from
workloads that are complete.
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT


@dataclasses.dataclass(frozen=True, slots=True)
class Down:
    """A pod that was not ready before its workload was restarted; ``broken`` is whether it did not even start."""

    pod: str
    node: str
    trouble: Trouble
    broken: bool = False


def read_down(state: PodState) -> Down | None:
    """Return why a pod is not ready before the restart, or None if it is; a terminating pod is down too."""
    trouble = state.broken or state.unready or (Trouble("Terminating") if state.pod.deleting else None)
    broken = state.broken is not None
    return Down(state.pod.name, state.pod.node, trouble, broken) if trouble and state.pod.live else None


def down_as_before(kind: str, state: PodState, before: Sequence[Down]) -> bool:
    """Return whether a pod has the same trouble as a pod that was down before the restart."""
    return any(_alike(kind, state, down) for down in before)


def _alike(kind: str, state: PodState, down: Down) -> bool:
    trouble = state.broken or state.unready
    if trouble is not None and trouble.container in PROXY_CONTAINERS:
        return False
    if kind == "DaemonSet":
        return bool(down.node) and state.pod.node == down.node
    return trouble is not None and trouble.own and _signature(trouble) == _signature(down.trouble)


def _signature(trouble: Trouble) -> tuple[str, str]:
    """Return the facts that two alike troubles share; not the reason of a container, as a crash loop has several."""
    return ("" if trouble.container else trouble.reason, trouble.container)


def still_down(
    kind: str, obj: Mapping[str, t.Any], pods: Sequence[tuple[PodState, bool]], before: Sequence[Down]
) -> list[str]:
    """Return phrases on the pods that are down as before, if a rollout is complete except for them; else nothing.

    ``pods`` are the pods of the workload, each with whether the rollout created it.
    """
    status = obj.get("status") or {}
    if kind == ROLLOUT or (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return []
    daemon_set = kind == "DaemonSet"
    desired = status.get("desiredNumberScheduled") or 0 if daemon_set else obj["spec"].get("replicas", 1)
    nodes_down = {down.node for down in before}
    created = [state for state, new in pods if new and state.stays]
    old = [s for s, new in pods if not new and s.stays and not (daemon_set and s.pod.node in nodes_down)]
    unmatched, phrases = list(before), list[str]()
    # A Deployment keeps a pod above its replicas while the new pods are not ready.
    surplus = max(0, len(created) - desired) if kind == "Deployment" else 0
    for state in created:
        if state.pod.ready:
            continue
        match = next((down for down in unmatched if _alike(kind, state, down)), None)
        if match is not None:
            unmatched.remove(match)
        elif surplus and (match := next((down for down in before if _alike(kind, state, down)), None)):
            surplus -= 1
        else:
            return []
        phrases.append(_phrase(state.pod.name, state.pod.node, state.broken or state.unready or match.trouble))
    served = {state.pod.node for state in created}
    # The pod of a dead node is never removed, so that no new pod replaces it there.
    missing = [down for down in unmatched if daemon_set and down.node and down.node not in served]
    if old or len(created) + len(missing) < desired:
        return []
    return [*phrases, *(_phrase(down.pod, down.node, down.trouble) for down in missing)]


def _phrase(pod: str, node: str, trouble: Trouble) -> str:
    return f"pod {pod}{f' on node {node}' if node else ''}, {trouble}"
