# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the result of a restart from its plan and its state."""

from __future__ import annotations

import itertools
import time
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import RevisionLabelChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import BatchRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import MovableWorkloads
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.managed_gateways import GatewayRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartableRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import BROKEN_BEFORE
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import RestartState
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskResult


class StillUnavailableRow(t.TypedDict):
    """A workload whose restart is complete except for pods that were down before, with phrases on these pods."""

    workload: str
    pods: list[str]


class RestartValues(t.TypedDict):
    """The return values of module rollout_restart; workloads by their display names."""

    restarted: list[str]
    resumed: list[str]
    moved: list[dict[str, str | None]]
    movable_workloads: list[MovableWorkloads]
    batches: list[list[str]]
    plan: list[BatchRow]
    not_after: str
    stopped_early: bool
    remaining: list[str]
    unrestartable: list[UnrestartableRow]
    changed_meanwhile: list[str]
    deleted_meanwhile: list[str]
    still_unavailable: list[StillUnavailableRow]
    managed_gateways: list[GatewayRow]
    seconds: float


def empty_result(options: RestartOptions) -> TaskResult:
    """Return the result of a task without namespaces, which only checks its options."""
    values: RestartValues = {
        "restarted": [],
        "resumed": [],
        "moved": [],
        "movable_workloads": [],
        "batches": [],
        "plan": [],
        "not_after": options.window_end_utc,
        "stopped_early": False,
        "remaining": [],
        "unrestartable": [],
        "changed_meanwhile": [],
        "deleted_meanwhile": [],
        "still_unavailable": [],
        "managed_gateways": [],
        "seconds": 0.0,
    }
    return TaskResult(values={**values})


def restart_result(
    plan: RestartPlan, state: RestartState, options: RestartOptions, warnings: Iterable[str], began: float
) -> TaskResult:
    """Return the result of a restart that succeeded, or of its plan in check mode.

    Args:
        warnings: warnings from before the restart.
        began: when the task began, by ``time.monotonic``.
    """
    started = [w for w in _flat(plan.batches[: state.batches_started]) if w.ref not in state.deleted]
    restarted = [workload for workload in started if workload.ref not in plan.resumed]
    remaining = _flat(plan.batches[state.batches_started :])
    moved = [change for workload in restarted if (change := plan.label_changes.get(workload.ref))]
    still_unavailable: list[StillUnavailableRow] = [
        {"workload": str(ref), "pods": pods} for ref, pods in sorted(state.still_down.items())
    ]
    values: RestartValues = {
        "restarted": [str(workload) for workload in restarted],
        "resumed": [str(workload) for workload in started if workload.ref in plan.resumed],
        "moved": [change.as_dict() for change in moved],
        "movable_workloads": [*plan.movable_workloads],
        "batches": [[str(workload) for workload in batch] for batch in plan.batches[: state.batches_started]],
        "plan": [*plan.batch_rows],
        "not_after": options.window_end_utc,
        "stopped_early": bool(remaining),
        "remaining": [str(workload) for workload in remaining],
        "unrestartable": [pods.as_dict() for pods in plan.unrestartable],
        "changed_meanwhile": state.foreign_change_phrases,
        "deleted_meanwhile": [str(workload) for workload in state.deleted.values()],
        "still_unavailable": still_unavailable,
        "managed_gateways": [gateway.as_row() for gateway in plan.gateways],
        "seconds": round(time.monotonic() - began, 1),
    }
    stale_pods = plan.stale_pods
    return TaskResult(
        actions=[_action(w, stale_pods[w], plan.label_changes.get(w.ref)) for w in restarted],
        before={
            "stale_pods": {str(w): stale_pods[w] for w in sorted(restarted, key=lambda w: w.ref)},
            "revision_label": {str(change.workload): change.before for change in moved},
        },
        after={"stale_pods": {}, "revision_label": {str(change.workload): change.after for change in moved}},
        values={**values},
        warnings=[*warnings, *plan.oversized, *plan.lost_proxies, *_warnings(plan, values)],
    )


def _warnings(plan: RestartPlan, values: RestartValues) -> list[str]:
    warnings = [
        f"{row['workload']} was restarted, but these of its pods are not ready, as before: {'; '.join(row['pods'])}."
        for row in values["still_unavailable"]
    ]
    warnings += [
        f"{row['kind']} {row['namespace']}/{row['name']} was not restarted: {row['reason']}."
        for row in values["unrestartable"]
        if row["code"] == BROKEN_BEFORE.code
    ]
    if values["remaining"]:
        warnings.append(
            f"The maintenance window ended at {values['not_after']}: {len(values['remaining'])} of "
            f"{len(plan.stale_pods)} workloads were not restarted; the next run continues with them."
        )
    return warnings


def _flat(batches: Iterable[Iterable[Workload]]) -> list[Workload]:
    return list(itertools.chain.from_iterable(batches))


def _action(workload: Workload, stale_pods: int, change: RevisionLabelChange | None) -> str:
    if change:
        return f"{change} ({workload.replicas} pod{'s'[: workload.replicas != 1]})"
    return f"restart {workload} ({stale_pods} stale pod{'s'[: stale_pods != 1]})"
