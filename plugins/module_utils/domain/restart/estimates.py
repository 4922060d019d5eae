# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates how long a restart takes, from the pods that run now.

These pods do not show how long old pods take to end, and how busy the cluster will be, so the estimate leaves it out.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: A rollout waits no longer by default (progressDeadlineSeconds): such a pod lost its readiness and got it again.
LONGEST = 600.0
#: The API server keeps whole seconds.
SHORTEST = 1.0


def ready_seconds(snapshot: Snapshot) -> dict[ObjectRef, float]:
    """Return in how many seconds the pods of each workload became ready; workloads without such times are left out."""
    times: dict[ObjectRef, list[float]] = collections.defaultdict(list)
    for pod in snapshot.pods:
        workload = snapshot.workload_of(pod)
        if workload and pod.ready_after is not None and pod.ready_after <= LONGEST:
            times[workload.ref].append(max(SHORTEST, pod.ready_after))
    return {ref: sorted(seconds)[(len(seconds) - 1) // 2] for ref, seconds in times.items()}


def rollout_seconds(workload: Workload, start: float) -> float:
    """Return how long a rollout takes whose pods become ready in some seconds, as many at a time as it may replace."""
    rounds = -(-workload.replicas // max(1, workload.at_once))
    return rounds * (start + workload.min_ready)


def batch_seconds(batch: Iterable[Workload], starts: Mapping[ObjectRef, float], soak: float) -> float | None:
    """Return how long the parallel rollouts of a batch and its soak take, or None if no start time is known."""
    seconds = [rollout_seconds(workload, starts[workload.ref]) for workload in batch if workload.ref in starts]
    return max(seconds) + soak if seconds else None
