# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the workloads that are broken: they have pods, and none of them is ready.

A workload with one ready pod still serves. Pods of a DaemonSet on a dead node, or a pod that starts now, do not make it
a broken one.
"""

from __future__ import annotations

import collections
import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import restart_in_progress

#: Values of option ``broken_workloads``: restart them after the others, or not at all.
LAST, LEAVE = "last", "leave"


def broken_workloads(snapshot: Snapshot) -> frozenset[ObjectRef]:
    """Return the workloads that have pods, none of which is ready."""
    return frozenset(_pods_of_broken(snapshot))


def leave_broken(snapshot: Snapshot, choice: str) -> Snapshot:
    """Return the snapshot in which no restart replaces the pods of broken workloads, if that is the choice.

    A restart that an earlier task began goes on, because its new pods may be the ones that are not ready.
    """
    if choice != LEAVE:
        return snapshot
    left = {
        ref
        for ref, pods in _pods_of_broken(snapshot).items()
        if not restart_in_progress(
            snapshot.workloads[ref], [pod for pod in pods if snapshot.proxy_status_of(pod).stale] or pods
        )
    }
    return dataclasses.replace(snapshot, left_broken=frozenset(left))


def _pods_of_broken(snapshot: Snapshot) -> dict[ObjectRef, list[Pod]]:
    pods: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
    for pod, dummy in snapshot.proxy_statuses:
        if workload := snapshot.workload_of(pod):
            pods[workload.ref].append(pod)
    return {ref: own for ref, own in pods.items() if not any(pod.ready for pod in own)}
