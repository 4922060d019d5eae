# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Carries out the batches of a restart in their time, and goes back after a failure."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._client import Json
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import MeshError, RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain._choices import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain._namespace_moves import undos
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot, WorkloadKey
from ansible_collections.meshops.istio.plugins.module_utils.domain._workloads import Workload
from ansible_collections.meshops.istio.plugins.module_utils.tools._namespace_patches import apply_moves
from ansible_collections.meshops.istio.plugins.module_utils.tools._restart import Restarter
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Run
from ansible_collections.meshops.istio.plugins.module_utils.tools._tracker import Tracker
from ansible_collections.meshops.istio.plugins.module_utils.tools._undone import own_run


def flat(order: list[list[Workload]]) -> list[Workload]:
    """Return the workloads of all batches, in their order."""
    return [workload for batch in order for workload in batch]


def carry_out(
    run: Run,
    snapshot: Snapshot,
    order: list[list[Workload]],
    resumed: Mapping[WorkloadKey, Json | None],
    choices: Mapping[WorkloadKey, Choice],
    began: float,
    end: datetime.datetime | None,
) -> tuple[int, list[str]]:
    """Return how many batches were restarted before the time for it ended, and what others changed meanwhile."""
    everything = flat(order)
    with Tracker(run.client, {workload.key for workload in everything}, snapshot.pods_version) as tracker:
        pods = sum(workload.replicas for workload in everything)
        restarter = Restarter(run, snapshot, tracker, pods, resumed, choices)
        for number, batch in enumerate(order, 1):
            pause = run.params["pause"] if number > 1 else 0
            if end and datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=pause) >= end:
                return number - 1, restarter.changed_meanwhile
            _keep_deadline(run, order, number, time.monotonic() + pause - began)
            if pause:
                run.progress(f"pausing for {pause} s before batch {number} of {len(order)}")
                time.sleep(pause)
            after = len(order) - number
            restarter.waiting.progress.later = (after + 1) * run.params["gates"]["soak"] + after * run.params["pause"]
            try:
                restarter.batch(f"batch {number} of {len(order)}", batch)
            except MeshError as exc:
                done = [str(workload) for workload in flat(order[: number - 1])]
                raise _give_up(run, snapshot, restarter, everything, exc, done) from exc
        return len(order), restarter.changed_meanwhile


def _keep_deadline(run: Run, order: list[list[Workload]], number: int, seconds: float) -> None:
    """Nothing is wrong with what was restarted, so it stays restarted."""
    deadline = run.params["deadline"]
    if deadline is None or seconds < deadline:
        return
    done, rest = ([str(workload) for workload in flat(part)] for part in (order[: number - 1], order[number - 1 :]))
    raise RolloutError(
        f"Batch {number} of {len(order)} would not start within the deadline of {deadline} s: {len(rest)} workloads "
        f"were not restarted, {len(done)} were and stay so. Run again to go on with {', '.join(rest[:3])}"
        f"{', ...' if len(rest) > 3 else ''}.",
        {"completed_before": done, "remaining": rest, "rolled_back": False},
    )


def _give_up(
    run: Run, snapshot: Snapshot, restarter: Restarter, everything: list[Workload], exc: MeshError, done: list[str]
) -> RolloutError:
    """Return the failure of the task, after going back if that is asked for."""
    details = {**exc.details, "completed_before": done, "rolled_back": False}
    details["changed_meanwhile"] = restarter.changed_meanwhile
    if run.params["on_failure"] == "hold":
        return RolloutError(f"{exc.message} Everything is held as it is; later batches were not started.", details)
    run.progress(f"rolling back: {exc.message}")
    problems = []
    if run.params["restore_labels"]:
        problems = _restore_labels(run)
    problems += restarter.roll_back(everything)
    details.update(rolled_back=not problems, rollback_problems=problems)
    end = (
        f"Rolling back met problems: {'; '.join(problems)}."
        if problems
        else "Labels and restarted workloads were rolled back."
    )
    if not run.params["restore_labels"] and not problems:
        end = "The restarted workloads got their previous template back."
    return RolloutError(f"{exc.message} {end}", details)


def _restore_labels(run: Run) -> list[str]:
    """Undo what this run moved of the wave's namespaces, each for itself; return what did not go back, and why."""
    try:
        snapshot = run.snapshot()
        steps, kept = undos(snapshot, run.params["namespaces"], own_run(run))
        for step in steps:
            run.progress(str(step))
        refused = apply_moves(run, steps).refused
    except MeshError as exc:
        return [exc.message]
    left = {**{name: one.why for name, one in kept.items()}, **refused}
    return [f"namespace {name} keeps its labels: {why}" for name, why in sorted(left.items())]
