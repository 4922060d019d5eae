# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the errors of a restart that failed, with the facts that they return."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    LockedError,
    MeshError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import ROLLBACK
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import RestartState
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import (
    WORKLOADS,
    failed_workloads_summary,
)

#: Values of ``failure.caused_by`` beside WORKLOADS; a cluster that cannot be read or written proves nothing else.
REVISION, CLUSTER, TIME, NAMESPACES = "revision", "cluster", "time", "namespaces"


class FailureDetails(t.TypedDict):
    """The facts about the whole restart that a failure returns; workloads by their display names."""

    caused_by: str
    evidence: list[Json]
    failed_workloads: list[str]
    completed_before: list[str]
    remaining: list[str]
    deleted_meanwhile: list[str]
    changed_meanwhile: list[str]
    rolled_back: bool
    rollback_problems: list[str]


class NamespaceFailureDetails(t.TypedDict):
    """The facts about a restart that succeeded, except for namespaces that failed alone, each with the reason."""

    caused_by: str
    failed_namespaces: dict[str, str]
    completed_before: list[str]
    rolled_back: bool
    rollback_problems: list[str]
    stopped_early: bool


def failure_details(context: RestartContext, *, caused_by: str, rolled_back: bool = False) -> FailureDetails:
    """Return the details of a failure after the batches that were started."""
    state, batches = context.state, context.plan.batches
    remaining = itertools.chain.from_iterable(batches[state.batches_started :])
    return {
        "caused_by": caused_by,
        "evidence": state.evidence,
        "failed_workloads": [str(workload) for workload in state.failed_workloads],
        "completed_before": [str(workload) for workload in state.completed],
        "remaining": [str(workload) for workload in remaining],
        "deleted_meanwhile": [str(workload) for workload in state.deleted.values()],
        "changed_meanwhile": state.foreign_change_phrases,
        "rolled_back": rolled_back,
        "rollback_problems": state.undo_problems,
    }


def failed_workloads_error(context: RestartContext) -> RolloutError:
    """Return the failure of a restart whose batches were passed, but without some workloads."""
    state = context.state
    undone = context.options.on_workload_failure == ROLLBACK and not state.undo_problems
    details = failure_details(context, caused_by=WORKLOADS, rolled_back=undone)
    stopped_early = state.batches_started < len(context.plan.batches)
    return RolloutError(failed_workloads_summary(context), {**details, "stopped_early": stopped_early})


def require_deadline(context: RestartContext, number: int, seconds: float) -> None:
    """Fail before a batch that would start after the deadline; nothing is undone, as no restart has a problem.

    Raises:
        RolloutError: with the workloads that remain.
    """
    deadline, state = context.options.deadline, context.state
    if deadline is None or seconds < deadline:
        return
    details = failure_details(context, caused_by=TIME)
    remaining = details["remaining"]
    summary = f" {failed_workloads_summary(context)}" if state.problems else ""
    raise RolloutError(
        f"Batch {number} of {len(context.plan.batches)} would not start within the deadline of {deadline} s: "
        f"{len(remaining)} workloads were not restarted; the restarted ones ({len(state.completed)}) keep their new "
        f"pods. Run again to continue with {', '.join(remaining[:3])}{', ...' if len(remaining) > 3 else ''}.{summary}",
        {**details},
    )


def is_access_error(exc: MeshError) -> bool:
    """Whether the cluster could not be read or written, which shows no problem of the new pods."""
    return isinstance(exc, (ApiError, ClusterError, LockedError))


def batch_failure_details(context: RestartContext, exc: MeshError) -> Json:
    """Return the details of a failed batch before anything is undone."""
    return {
        **failure_details(context, caused_by=REVISION),
        **exc.details,
        "evidence": [*exc.details.get("evidence", ()), *context.state.evidence],
    }


def error_without_undo(exc: MeshError, details: Json) -> RolloutError:
    """Return the failure of a batch after which nothing is undone."""
    if is_access_error(exc):
        kept = "No problem of the restarted workloads is known, so they keep their new pods; run again to continue."
        return RolloutError(f"{exc.message.rstrip('.')}. {kept}", {**details, "caused_by": CLUSTER})
    kept = "Everything is left as it is (on_failure=hold); later batches were not started."
    return RolloutError(f"{exc.message} {kept}", details)


def error_after_undo(context: RestartContext, exc: MeshError, details: Json, problems: list[str]) -> RolloutError:
    """Return the failure of a batch after which the restart was undone, as far as there are no problems."""
    if problems:
        outcome = f"The rollback is incomplete: {'; '.join(problems)}."
    elif context.options.restore_labels:
        outcome = "Labels and restarted workloads were rolled back."
    else:
        outcome = "The restarted workloads have their previous template again."
    undone = {"rolled_back": not problems, "rollback_problems": problems}
    return RolloutError(f"{exc.message} {outcome}", {**details, **undone})


def with_failed_namespaces(exc: RolloutError, failed: Mapping[str, str]) -> RolloutError:
    """Return a failure of a restart with the namespaces that failed alone."""
    if not failed:
        return exc
    return RolloutError(
        f"{exc.message.rstrip('.')}. {_namespaces_summary(failed)}", {**exc.details, "failed_namespaces": dict(failed)}
    )


def failed_namespaces_error(failed: Mapping[str, str], plan: RestartPlan, state: RestartState) -> RolloutError:
    """Return the failure of a restart that succeeded, except for namespaces that failed alone."""
    details: NamespaceFailureDetails = {
        "caused_by": NAMESPACES,
        "failed_namespaces": dict(failed),
        "completed_before": [str(workload) for workload in state.completed],
        "rolled_back": False,
        "rollback_problems": [],
        "stopped_early": state.batches_started < len(plan.batches),
    }
    return RolloutError(_namespaces_summary(failed, "All others were restarted. "), {**details})


def _namespaces_summary(failed: Mapping[str, str], others: str = "") -> str:
    reasons = "; ".join(failed[name] for name in sorted(failed))
    number = f"{len(failed)} namespace{'s'[: len(failed) != 1]}"
    return (
        f"{number} failed: {reasons}. {others}Fix the cause at its source, such as in Git or in the policy, because a "
        "restart would only follow the labels; then run again."
    )
