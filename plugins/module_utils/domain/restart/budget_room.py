# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the workloads that PodDisruptionBudgets do not allow to be restarted together now."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


def tight_budget(snapshot: Snapshot, batch: Iterable[Workload]) -> str:
    """Return a phrase on the first budget that allows fewer pods down than a batch takes down, or an empty string."""
    workloads = list(batch)
    for budget in snapshot.budgets:
        down = sum(w.takes_down for w in workloads if budget in snapshot.budgets_of(w))
        if down > budget.allowed:
            place = f"{budget.namespace}/{budget.name}"
            return f"budget {place} allows {budget.allowed} pods down, the batch takes down {down}"
    return ""


def without_room(snapshot: Snapshot, batch: Iterable[Workload]) -> list[Problem]:
    """Return the workloads of a batch that budgets do not allow beside those that come before them."""
    taken, problems = collections.Counter[tuple[str, str]](), list[Problem]()
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
        allowed = tight.allowed - taken[tight.namespace, tight.name]
        message = (
            f"budget {tight.namespace}/{tight.name} allows {allowed} pods down, "
            f"the workload takes down {workload.takes_down}"
        )
        problems.append(Problem(workload, Trouble("NoRoom", message, own=True)))
    return problems
