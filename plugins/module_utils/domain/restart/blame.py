# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose trouble it is that a restart does not succeed: one workload's, or the revision's.

Only what proves that a workload would have the trouble with any proxy makes it its own (`Trouble.own`). Many
workloads with trouble of their own at once are no chance: a proxy can break applications too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)

#: More than one workload, and more than this share of those that were restarted, are trouble of the revision.
SUSPICIOUS_PERCENT = 25


def too_many(failed: int, restarted: int) -> bool:
    """Return whether so many workloads fail by themselves that it is no chance."""
    return failed > 1 and failed * 100 > restarted * SUSPICIOUS_PERCENT


def about_pod(trouble: Trouble, pod: Pod, stale: Callable[[Pod], bool]) -> Trouble:
    """Return the trouble of a pod; without the proxy that it should have, nothing is its own."""
    return dataclasses.replace(trouble, own=False) if trouble.own and stale(pod) else trouble


def by_pods(trouble: Trouble, states: Iterable[PodState], stale: Callable[[Pod], bool]) -> Trouble:
    """Return what a workload says of its rollout, which says nothing of whose trouble it is: its pods tell."""
    found = [about_pod(one, s.pod, stale) for s in states if s.stays and (one := s.broken or s.unready)]
    return dataclasses.replace(trouble, own=bool(found) and all(one.own for one in found))


def of_revision(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are not proven to be of one workload alone."""
    return [one for one in problems if one.workload is None or not one.trouble.own]
