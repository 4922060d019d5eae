# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a restart will take, as far as the pods that run now tell.

What they cannot tell is left out: how long old pods take to end, and how busy the cluster will be.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: A rollout does not wait longer by default (progressDeadlineSeconds): such a pod was ready before, and is again.
LONGEST = 600.0
#: The API server keeps whole seconds.
SHORTEST = 1.0


def starts(snapshot: Snapshot) -> dict[ObjectRef, float]:
    """Return in how many seconds the pods of each workload got ready; without those whose pods do not tell."""
    found: dict[ObjectRef, list[float]] = collections.defaultdict(list)
    for pod in snapshot.pods:
        workload = snapshot.workload_of(pod)
        if workload and pod.ready_after is not None and pod.ready_after <= LONGEST:
            found[workload.ref].append(max(SHORTEST, pod.ready_after))
    return {key: sorted(seconds)[(len(seconds) - 1) // 2] for key, seconds in found.items()}


def rollout_seconds(workload: Workload, start: float) -> float:
    """Return how long a rollout takes whose pods get ready in some seconds, as many at a time as its strategy says."""
    rounds = -(-workload.replicas // max(1, workload.at_once))
    return rounds * (start + workload.min_ready)


def batch_seconds(batch: Iterable[Workload], known: Mapping[ObjectRef, float], soak: float) -> float | None:
    """Return how long the rollouts of a batch, side by side, and its soak take; None if none of its pods tells."""
    found = [rollout_seconds(workload, known[workload.ref]) for workload in batch if workload.ref in known]
    return max(found) + soak if found else None
