# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the cluster around the mesh: nodes and their capacity, permissions, and unreadable objects."""

from __future__ import annotations

import collections
import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    ResourceRequests,
    free_resources,
    schedulable_replicas,
)
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

#: Number of missing permissions that a finding names; it counts the rest.
SHOWN = 8
#: First Istio version that uses native sidecars by default.
NATIVE_ISTIO = (1, 27)


def _find_missing_capacity(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    if source is None or not snapshot.precheck_inputs.nodes:
        return
    if upgrade.strategy == "in_place" or snapshot.mesh.runs(upgrade.revision):
        return
    replicas = max(1, source.replicas)
    labels = {**source.placement.labels, REVISION_LABEL: upgrade.revision}
    placement = dataclasses.replace(source.placement, labels=labels)
    schedulable = _schedulable_replicas(snapshot, source, replicas, placement)
    if schedulable < replicas:
        yield (
            cluster_object("revision", upgrade.revision),
            f"A second control plane like {source.name} requests {source.requests} for each of {replicas} pods; the "
            f"nodes where its pods may run have capacity for {schedulable}.",
        )


def _schedulable_replicas(snapshot: Snapshot, source: Revision, replicas: int, placement: Placement) -> int:
    """Return how many replicas of a second control plane like the source the scheduler could place now."""
    requested: dict[str, ResourceRequests] = collections.defaultdict(ResourceRequests)
    running = [pod for pod in snapshot.pods if pod.live and pod.node]
    for pod in running:
        requested[pod.node] = requested[pod.node].plus(pod.requests)
    nodes = [node for node in snapshot.precheck_inputs.nodes if placement.allows(node)]
    neighbors = [(pod.node, pod.labels) for pod in running if pod.namespace == source.namespace]
    closed = placement.nodes_closed_to_pod(nodes, neighbors)
    free = free_resources([node for node in nodes if node.name not in closed], requested)
    return schedulable_replicas(source.requests, replicas, free, placement.nodes_closed_by_pod(nodes))


def _find_old_kubelets(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    old_nodes = [node for node in snapshot.precheck_inputs.nodes if not kubelet_uses_native_sidecars(node.kubelet)]
    target = upgrade.version
    if target is None or target.line < NATIVE_ISTIO:
        return
    if 0 < len(old_nodes) < len(snapshot.precheck_inputs.nodes):
        for node in old_nodes:
            yield (
                cluster_object("node", node.name),
                f"Its kubelet {node.kubelet} is older than 1.33: while it is in the cluster, pods that start on any "
                "node get no native sidecar.",
            )


def _find_missing_permissions(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    by_purpose: dict[str, list[str]] = collections.defaultdict(list)
    for permission in snapshot.precheck_inputs.denied:
        place = f" in namespace {snapshot.mesh.namespace}" if permission.local else ""
        by_purpose[permission.purpose].append(f"{permission}{place}")
    for purpose, missing in by_purpose.items():
        yield cluster_object("permissions", f"to {purpose}"), f"This user may not {join_limited(missing, SHOWN)}."


def _find_unreadable_parts(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    """Yield one result for each object and part; pods of one owner have it from the same template."""
    pods: collections.Counter[tuple[ObjectRef, str, str]] = collections.Counter()
    for part in snapshot.unreadable:
        pod = snapshot.pods_by_place.get((part.ref.namespace, part.ref.name)) if part.ref.kind == "Pod" else None
        if pod is None or pod.owner is None:
            yield part.ref, f"Its {part.field} cannot be read: {part.reason}."
        else:
            pods[snapshot.owner_ref(pod), part.field, part.reason] += 1
    for (owner, field, reason), count in pods.items():
        yield owner, f"The {field} of {count} of its pods cannot be read: {reason}."


CHECKS = (
    Check("MU009", ERROR, "missing permissions", "The run would fail halfway.",
          "grant them, for example with the ClusterRole in docs/permissions.md", _find_missing_permissions),
    Check("MU040", WARNING, "no capacity for a second control plane", "Its pods would stay Pending.",
          "reduce resource requests, or add nodes", _find_missing_capacity, needs=("nodes",)),
    Check("MU041", WARNING, "old kubelets prevent native sidecars",
          "One node with an old kubelet changes how sidecars are injected on all nodes.",
          "upgrade these nodes first, or expect sidecars as ordinary containers", _find_old_kubelets, needs=("nodes",)),
    Check("MU039", WARNING, "unreadable object", "The object is evaluated as if that part did not exist.",
          "ask its owner to fix or remove that part", _find_unreadable_parts, WARNING),
)  # fmt: skip
