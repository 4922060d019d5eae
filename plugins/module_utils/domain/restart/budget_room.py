# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workloads PodDisruptionBudgets have room for now, together."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


def tight_budget(snapshot: Snapshot, batch: list[Workload]) -> str:
    """Return the first budget that has no room for what a batch takes down together, in words, or an empty string."""
    for budget in snapshot.budgets:
        down = sum(w.takes_down for w in batch if budget in snapshot.budgets_of(w))
        if down > budget.allowed:
            place = f"{budget.namespace}/{budget.name}"
            return f"budget {place} allows {budget.allowed} pods down, the batch takes down {down}"
    return ""


def without_room(snapshot: Snapshot, batch: Iterable[Workload]) -> list[Problem]:
    """Return the workloads of a batch that budgets have no room for beside those that come before them."""
    taken, found = collections.Counter[tuple[str, str]](), list[Problem]()
    for workload in batch:
        budgets = snapshot.budgets_of(workload)
        tight = next(
            (
                b
                for b in budgets
                if taken[b.namespace, b.name] + workload.takes_down > b.allowed and workload.takes_down
            ),
            None,
        )
        if tight is None:
            taken.update({(b.namespace, b.name): workload.takes_down for b in budgets})
            continue
        left = tight.allowed - taken[tight.namespace, tight.name]
        said = f"budget {tight.namespace}/{tight.name} allows {left} pods down, it takes down {workload.takes_down}"
        found.append(Problem(workload, Trouble("NoRoom", said, own=True)))
    return found
