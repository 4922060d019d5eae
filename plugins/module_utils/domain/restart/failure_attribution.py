# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes the failure of a restart to single workloads or to the revision.

A failure is attributed to a workload only if the cluster proves that the workload would have it with any proxy
(`Trouble.own`). If many workloads fail like that at the same time, it is attributed to the revision: a proxy can break
applications too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)

#: If more than one workload and more than this percentage of the restarted ones fail, the revision is the cause.
SUSPICIOUS_PERCENT = 25


def too_many(failed: int, restarted: int) -> bool:
    """Return whether so many workloads fail independently of the revision that it cannot be a coincidence."""
    return failed > 1 and failed * 100 > restarted * SUSPICIOUS_PERCENT


def attribute_pod(trouble: Trouble, pod: Pod, stale: Callable[[Pod], bool]) -> Trouble:
    """Return the trouble of a pod, attributed to its workload only if the pod has the proxy that it should have."""
    return dataclasses.replace(trouble, own=False) if trouble.own and stale(pod) else trouble


def attribute_by_pods(trouble: Trouble, states: Iterable[PodState], stale: Callable[[Pod], bool]) -> Trouble:
    """Return the trouble of a rollout, attributed by its pods: the condition of a workload names no cause."""
    pod_troubles = [
        attribute_pod(pod_trouble, state.pod, stale)
        for state in states
        if state.stays and (pod_trouble := state.broken or state.unready)
    ]
    return dataclasses.replace(trouble, own=bool(pod_troubles) and all(trouble.own for trouble in pod_troubles))


def problems_of_revision(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are not proven to be caused by a single workload."""
    return [problem for problem in problems if problem.workload is None or not problem.trouble.own]
