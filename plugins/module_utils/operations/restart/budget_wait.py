# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until PodDisruptionBudgets have room for a batch."""

from __future__ import annotations

import dataclasses
import functools
import time

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.budget_room import tight_budget, without_room
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import fetch_budgets
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import workloads_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import leave_out

ROOM_SECONDS = 2.0


def wait_for_budgets(context: RestartContext, label: str, batch: list[Workload]) -> list[Workload]:
    """Return the workloads of a batch that budgets have room for, once that is all of them or the time is over.

    Rollouts ignore budgets (Kubernetes documentation, Disruptions), so they are checked before the patch. A workload
    without room at the end of the time is left out, as the others have room.

    Raises:
        RolloutError: a workload has no room, and ``on_workload_failure`` is ``stop``.
        MeshError: the budgets cannot be read.
    """
    seconds = context.options.budget_timeout
    deadline, shown = time.monotonic() + seconds, ""
    while True:
        late = time.monotonic() > deadline
        snapshot = context.snapshot
        # The budgets of the snapshot are from before the first batch.
        if context.state.undo_patches or shown:
            read = functools.partial(fetch_budgets, context.client)
            budgets = read_with_retries(max(0.0, deadline - time.monotonic()), read)
            snapshot = dataclasses.replace(snapshot, budgets=budgets)
        tight = tight_budget(snapshot, batch)
        if not tight:
            return batch
        if tight != shown:
            context.task.progress(f"{label}: waiting for room: {tight}")
            shown = tight
        if late:
            problems = without_room(snapshot, batch)
            leave_out(context, f"{label}: no room within {seconds} s", problems)
            return context.state.present(batch, without=workloads_of(problems))
        time.sleep(ROOM_SECONDS)
