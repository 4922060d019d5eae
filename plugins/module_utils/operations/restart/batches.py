# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the batches of a restart in their time, and goes back after a failure."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    LockedError,
    MeshError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import undos
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.limits import matching
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import apply_moves
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.undone_run import own_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.losses import ROLLBACK, WORKLOADS
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.restart import Restarter
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import Tracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Whose trouble ended a task, if not that of single workloads: of the revision, the cluster or who asks it, or time.
REVISION, CLUSTER, TIME = "revision", "cluster", "time"


def flat(order: list[list[Workload]]) -> list[Workload]:
    """Return the workloads of all batches, in their order."""
    return [workload for batch in order for workload in batch]


def carry_out(
    task: TaskContext,
    snapshot: Snapshot,
    order: list[list[Workload]],
    resumed: Mapping[ObjectRef, Json | None],
    choices: Mapping[ObjectRef, Choice],
    began: float,
    end: datetime.datetime | None,
) -> Carried:
    """Return what was restarted before the time for it ended.

    Raises:
        RolloutError: a batch has failed, or some workloads have by themselves.
        MeshError: the cluster cannot be asked, or is somebody else's by now.
    """
    everything = flat(order)
    with Tracker(task.client, {workload.ref for workload in everything}, snapshot.pods_version) as tracker:
        pods = sum(workload.replicas for workload in everything)
        restarter = Restarter(task, snapshot, tracker, pods, resumed, choices)
        for number, batch in enumerate(order, 1):
            pause = task.params["pause"] if number > 1 else 0
            if end and datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=pause) >= end:
                return _ended(restarter, order, number - 1)
            _keep_deadline(task, restarter, order, number, time.monotonic() + pause - began)
            if pause:
                task.progress(f"pausing for {pause} s before batch {number} of {len(order)}")
                time.sleep(pause)
            after = len(order) - number
            restarter.waiting.progress.later = (after + 1) * task.params["gates"]["soak"] + after * task.params["pause"]
            try:
                restarter.batch(f"batch {number} of {len(order)}", batch)
            except MeshError as exc:
                raise _give_up(task, snapshot, restarter, order, number, exc) from exc
        return _ended(restarter, order, len(order))


@dataclasses.dataclass(frozen=True)
class Carried:
    """What came of a restart: how many batches were begun, and what of their workloads was not restarted by it."""

    batches: int
    changed: list[str]
    gone: list[Workload]
    still_down: dict[str, list[str]]


def _ended(restarter: Restarter, order: list[list[Workload]], batches: int) -> Carried:
    """Return what came of it, unless workloads failed by themselves."""
    losses, waiting = restarter.losses, restarter.waiting
    if losses.problems:
        raise RolloutError(
            losses.sentence(), {**_so_far(restarter, order, batches), "stopped_early": batches < len(order)}
        )
    down = {f"{kind} {namespace}/{name}": said for (namespace, kind, name), said in sorted(waiting.still_down.items())}
    return Carried(batches, restarter.changed_meanwhile, list(waiting.gone.values()), down)


def _so_far(restarter: Restarter, order: list[list[Workload]], batches: int) -> Json:
    """Return what a failure says of all that was done before it, and of what failed by itself."""
    losses = restarter.losses
    went_back = losses.choice == ROLLBACK and not losses.rollback_problems
    return {
        "whose": WORKLOADS,
        "evidence": losses.evidence,
        "failed_workloads": [str(workload) for workload in losses.workloads],
        "completed_before": [str(workload) for workload in losses.done],
        "remaining": [str(workload) for workload in flat(order[batches:])],
        "gone": [str(workload) for workload in restarter.waiting.gone.values()],
        "changed_meanwhile": restarter.changed_meanwhile,
        "rolled_back": went_back,
        "rollback_problems": losses.rollback_problems,
    }


def _keep_deadline(
    task: TaskContext, restarter: Restarter, order: list[list[Workload]], number: int, seconds: float
) -> None:
    """Nothing is wrong with what was restarted, so it stays restarted."""
    deadline = task.params["deadline"]
    if deadline is None or seconds < deadline:
        return
    found = _so_far(restarter, order, number - 1)
    rest = found["remaining"]
    raise RolloutError(
        f"Batch {number} of {len(order)} would not start within the deadline of {deadline} s: {len(rest)} workloads "
        f"were not restarted, {len(found['completed_before'])} were and stay so. Run again to go on with "
        f"{', '.join(rest[:3])}{', ...' if len(rest) > 3 else ''}."
        + (f" {restarter.losses.sentence()}" if restarter.losses.problems else ""),
        {**found, "whose": TIME, "rolled_back": False},
    )


def _give_up(
    task: TaskContext,
    snapshot: Snapshot,
    restarter: Restarter,
    order: list[list[Workload]],
    number: int,
    exc: MeshError,
) -> MeshError:
    """Return the failure of the task, after going back if that is asked for."""
    found = _so_far(restarter, order, number)
    details = {
        **found,
        "whose": REVISION,
        "rolled_back": False,
        **exc.details,
        "evidence": [*exc.details.get("evidence", ()), *found["evidence"]],
    }
    if isinstance(exc, (ApiError, ClusterError, LockedError)):
        # who cannot look, or may not write, knows nothing against what was restarted, and puts nothing back
        held = "Nothing is known to be wrong with what was restarted, so it stays as it is; run again to go on."
        return RolloutError(f"{exc.message.rstrip('.')}. {held}", {**details, "whose": CLUSTER})
    if task.params["on_failure"] == "hold":
        return RolloutError(f"{exc.message} Everything is held as it is; later batches were not started.", details)
    task.progress(f"rolling back: {exc.message}")
    problems = []
    if task.params["restore_labels"]:
        problems = _restore_labels(task)
    problems += restarter.way_back.roll_back(flat(order))
    details.update(rolled_back=not problems, rollback_problems=problems)
    end = (
        f"Rolling back met problems: {'; '.join(problems)}."
        if problems
        else "Labels and restarted workloads were rolled back."
    )
    if not task.params["restore_labels"] and not problems:
        end = "The restarted workloads got their previous template back."
    return RolloutError(f"{exc.message} {end}", details)


def _restore_labels(task: TaskContext) -> list[str]:
    """Undo what this run moved of the wave's namespaces, each for itself; return what did not go back, and why."""
    try:
        snapshot = task.snapshot()
        own, planned = own_run(task), (task.params.get("planned") or {}).get("namespaces")
        # without a run nothing says who moved what, but for the plan of the task itself
        names = planned if own is None and planned else task.params["namespaces"]
        there = [name for one in names for name in matching(one, snapshot.namespaces)]
        steps, kept = undos(snapshot, there, own)
        for step in steps:
            task.progress(str(step))
        refused = apply_moves(task, steps).refused
    except MeshError as exc:
        return [exc.message]
    left = {**{name: one.why for name, one in kept.items()}, **refused}
    return [f"namespace {name} keeps its labels: {why}" for name, why in sorted(left.items())]
