# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what surrounds a mesh: nodes and their room."""

from __future__ import annotations

import collections
import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Need, placed, room
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.scheduling import Placement
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    kubelet_uses_native_sidecars,
)

#: Permissions that a finding names before it only counts.
SHOWN = 8
#: First Istio that uses native sidecars by itself.
NATIVE_ISTIO = (1, 27)


def _no_room(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    if (
        source is None
        or not snapshot.precheck_inputs.nodes
        or goal.strategy == "in_place"
        or snapshot.mesh.runs(goal.revision)
    ):
        return
    copies = max(1, source.replicas)
    labels = {**source.placement.labels, REVISION_LABEL: goal.revision}
    placement = dataclasses.replace(source.placement, labels=labels)
    fitting = _schedulable_replicas(snapshot, source, copies, placement)
    if fitting < copies:
        yield (
            f"revision {goal.revision}",
            f"A second control plane like {source.name} requests {source.need} for each of {copies} pods; the nodes "
            f"where they may run have room for {fitting}.",
        )


def _schedulable_replicas(snapshot: Snapshot, source: Revision, copies: int, placement: Placement) -> int:
    """Return how many replicas of a second control plane like the source the scheduler could place now."""
    requested: dict[str, Need] = collections.defaultdict(Need)
    running = [pod for pod in snapshot.pods if pod.live and pod.node]
    for pod in running:
        requested[pod.node] = requested[pod.node].plus(pod.need)
    nodes = [node for node in snapshot.precheck_inputs.nodes if placement.allows(node)]
    neighbours = [(pod.node, pod.labels) for pod in running if pod.namespace == source.namespace]
    closed = placement.closed(nodes, neighbours)
    free = room([node for node in nodes if node.name not in closed], requested)
    return placed(source.need, copies, free, placement.rivals(nodes))


def _native_flip(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    old = [node for node in snapshot.precheck_inputs.nodes if not kubelet_uses_native_sidecars(node.kubelet)]
    target = goal.version
    if target and (target.major, target.minor) >= NATIVE_ISTIO and 0 < len(old) < len(snapshot.precheck_inputs.nodes):
        for node in old:
            yield (
                f"node {node.name}",
                f"Its kubelet {node.kubelet} is older than 1.33: pods that start anywhere in the cluster get no native "
                "sidecar while it is there.",
            )


def _denied(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    by_purpose: dict[str, list[str]] = collections.defaultdict(list)
    for one in snapshot.precheck_inputs.denied:
        by_purpose[one.purpose].append(str(one) + (f" in namespace {snapshot.mesh.namespace}" if one.local else ""))
    for purpose, lacking in by_purpose.items():
        yield f"permissions to {purpose}", f"This user may not {some(lacking, SHOWN)}."


def _unreadable(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for one in snapshot.unreadable:
        yield one.object, f"Its {one.field} cannot be read: {one.reason}."


CHECKS = (
    Check("MU009", ERROR, "permissions missing", "The run would stop half way.",
          "grant them, such as by the ClusterRole in docs/permissions.md", _denied),
    Check("MU040", WARNING, "no room for a second control plane", "Its pods would wait for a node.",
          "free requests or add nodes", _no_room, needs=("nodes",)),
    Check("MU041", WARNING, "old kubelets decide about native sidecars", "One old node changes the pods of all nodes.",
          "upgrade these nodes first, or expect sidecars as ordinary containers", _native_flip, needs=("nodes",)),
    Check("MU039", WARNING, "object that cannot be read", "It is judged as if that part were not there.",
          "have its owner mend or remove that part", _unreadable, WARNING),
)  # fmt: skip
