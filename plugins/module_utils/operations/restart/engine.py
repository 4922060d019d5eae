# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts the batches of a plan one after the other (safety rule S5); begin to read here.

Each batch: wait for the budgets, patch, wait for the rollouts, pass the gates, record. A failed batch ends the restart,
which is undone if that is asked for.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import HOLD, RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.budget_wait import wait_for_budgets
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.gates import pass_gates
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.gateway_wait import wait_for_gateways
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.label_guard import LabelGuard
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.namespace_label_undo import (
    restore_labels,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.observation import observe_batch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.restart_errors import (
    batch_failure_details,
    error_after_undo,
    error_without_undo,
    failed_workloads_error,
    is_access_error,
    require_deadline,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import wait_for_rollouts
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import RestartState, workloads_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import leave_out
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_patches import patch_batch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_undo import (
    finish_undo_of_failed,
    start_undo_of_failed,
    undo_restart,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def execute(
    task: TaskContext, plan: RestartPlan, options: RestartOptions, guard: LabelGuard, began: float
) -> RestartState:
    """Restart the batches of a plan, and return the final state.

    Args:
        guard: the namespaces of the restart, to which those are added whose labels another client sets back meanwhile.
        began: when the task began, by ``time.monotonic``.

    Raises:
        RolloutError: a batch has failed, some workloads have failed, or the deadline does not allow the next batch.
        MeshError: the cluster cannot be read before the first batch.
    """
    if not (plan.startable or plan.refused or plan.gateways):
        return RestartState()
    refs = {workload.ref for workload in plan.stale_pods}
    with WorkloadTracker(task.client, refs, plan.snapshot.pods_version) as tracker:
        progress = Progress(task.progress, plan.replaced_pods, task.watched)
        context = RestartContext(task, options, plan, tracker, progress, guard)
        leave_out_refused(context)
        follow_gateways(context)
        for number, batch in enumerate(plan.batches, 1):
            pause = options.pause if number > 1 else 0
            if options.window_ends_by(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=pause)):
                break
            require_deadline(context, number, time.monotonic() + pause - began)
            pause_before(context, number, pause)
            context.state.batches_started = number
            try:
                batch = still_moved(context, batch) if number > 1 else batch
                restart_batch(context, f"batch {number} of {len(plan.batches)}", batch)
            except MeshError as exc:
                raise end_restart(context, exc) from exc
        try:
            guard.check_again()
        except MeshError as exc:
            raise end_restart(context, exc) from exc
    if context.state.problems:
        raise failed_workloads_error(context)
    return context.state


def leave_out_refused(context: RestartContext) -> None:
    """Record the workloads whose new pods the API server refuses; each fails alone, and is not restarted.

    Raises:
        RolloutError: ``on_workload_failure`` is ``stop``.
    """
    problems = [
        Problem(workload, Trouble("Refused", str(refusal), own=True))
        for workload, refusal in context.plan.refused.items()
    ]
    try:
        leave_out(context, "the API server refuses new pods of some workloads", problems)
    except MeshError as exc:
        raise end_restart(context, exc) from exc


def follow_gateways(context: RestartContext) -> None:
    """Wait until istiod has replaced the managed gateways that the labels of the namespaces have moved.

    Raises:
        RolloutError: one is not replaced in time, so no workload is restarted.
    """
    try:
        wait_for_gateways(context)
    except MeshError as exc:
        raise end_restart(context, exc) from exc


def restart_batch(context: RestartContext, label: str, batch: Sequence[Workload]) -> None:
    """Restart one batch, and return when its workloads have passed all gates, except those that failed alone.

    Raises:
        RolloutError: the batch has failed; the error has the evidence of every workload that did.
        MeshError: the cluster cannot be read.
    """
    state, resumed = context.state, context.plan.resumed
    # A restart that was begun before has taken down its pods already, so it needs no room in a budget.
    allowed = wait_for_budgets(context, label, [w for w in batch if w.ref not in resumed])
    started = [w for w in batch if w in allowed or w.ref in resumed]
    observe_batch(context, started)
    refused = patch_batch(context, label, allowed)
    finish_batch(context, label, state.present(started, without=refused))


def finish_batch(context: RestartContext, label: str, started: list[Workload]) -> None:
    """Complete a batch; namespaces that were set back meanwhile are left out, and do not fail the others.

    Raises:
        RolloutError: the batch has failed.
        MeshError: the cluster cannot be read.
    """
    while True:
        try:
            complete_batch(context, label, started)
        except RolloutError:
            left = still_moved(context, started)
            if len(left) == len(started):
                raise
            started = [workload for workload in left if workload not in context.state.failed_workloads]
        else:
            return


def complete_batch(context: RestartContext, label: str, started: list[Workload]) -> None:
    """Wait for the rollouts of a batch, pass its gates, and undo the workloads that failed alone."""
    state = context.state
    failed = workloads_of(wait_for_rollouts(context, label, started))
    start_undo_of_failed(context, failed)
    complete = state.present(started, without=failed)
    unsteady = workloads_of(pass_gates(context, label, complete))
    start_undo_of_failed(context, unsteady)
    finish_undo_of_failed(context, [*failed, *unsteady])
    record_completed(context, state.present(complete, without=unsteady))


def still_moved(context: RestartContext, workloads: Sequence[Workload]) -> list[Workload]:
    """Return those of some workloads whose namespace leads where it led at the start; the labels are read again.

    Raises:
        MeshError: the labels cannot be read.
    """
    for name in sorted(context.guard.check_again()):
        context.task.progress(f"leaving out namespace {name}: {context.guard.failed[name]}")
    return [workload for workload in workloads if workload.namespace not in context.guard.failed]


def end_restart(context: RestartContext, exc: MeshError) -> RolloutError:
    """End a restart after a failed batch: undo it if that is asked for, and return the failure."""
    details = batch_failure_details(context, exc)
    # A client that cannot read or may not write knows no problem of the new pods, so it undoes nothing.
    if is_access_error(exc) or context.options.on_failure == HOLD:
        return error_without_undo(exc, details)
    context.task.progress(f"rolling back: {exc.message}")
    problems = [*restore_labels(context.task, context.options).values()] if context.options.restore_labels else []
    problems += undo_restart(context)
    return error_after_undo(context, exc, details, problems)


def pause_before(context: RestartContext, number: int, pause: float) -> None:
    """Pause before a batch, and update how many seconds of pauses and soaks the progress still expects."""
    batches, options = len(context.plan.batches), context.options
    if pause:
        context.task.progress(f"pausing for {pause} s before batch {number} of {batches}")
        time.sleep(pause)
    later_batches = batches - number
    context.progress.upcoming_waits = (later_batches + 1) * options.gates.soak + later_batches * options.pause


def record_completed(context: RestartContext, workloads: list[Workload]) -> None:
    """Record the workloads of a batch whose restart succeeded."""
    context.state.completed += workloads
    context.progress.finished(sum(workload.replicas for workload in workloads))
