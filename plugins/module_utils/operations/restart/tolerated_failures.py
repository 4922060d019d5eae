# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether failed workloads fail the batch, and records those that the restart continues without."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.failure_attribution import (
    problems_of_revision,
    too_many,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import ROLLBACK, STOP
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.evidence import (
    SHOWN,
    collect_evidence,
    rollout_error,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import workloads_of

#: Value of ``failure.caused_by`` for failures of single workloads.
WORKLOADS = "workloads"


def judge_failures(
    context: RestartContext, sentence: str, batch: Sequence[Workload], problems: Sequence[Problem]
) -> None:
    """Record failed workloads of a batch, if the restart can continue without them.

    Raises:
        RolloutError: the batch has failed, because the revision is or may be the cause, or one failure is enough.
    """
    state = context.state
    of_revision = problems_of_revision(problems)
    if of_revision:
        others = [problem for problem in problems if problem not in of_revision]
        raise batch_error(context, sentence, [*of_revision, *others])
    if context.options.on_workload_failure == STOP:
        raise _stopped(context, sentence, problems)
    failed = state.failed_rollouts | set(workloads_of(problems))
    failed_here = failed & set(batch)
    restarted = len(state.completed) + len(failed - failed_here) + len(batch)
    if too_many(len(failed_here), len(batch)) or too_many(len(failed), restarted):
        sentence = f"{sentence}, and {len(failed)} failed workloads so far are too many to be a coincidence"
        earlier = [problem for problem in state.problems if problem.workload in failed_here]
        raise batch_error(context, sentence, [*earlier, *problems])
    state.failed_rollouts = failed
    _record(context, sentence, problems)


def leave_out(context: RestartContext, sentence: str, problems: Sequence[Problem]) -> None:
    """Record workloads that were not restarted; they prove nothing about the revision.

    Raises:
        RolloutError: ``on_workload_failure`` is ``stop``, so that such a workload fails the batch.
    """
    if problems and context.options.on_workload_failure == STOP:
        raise _stopped(context, sentence, problems)
    if problems:
        _record(context, sentence, problems)


def batch_error(context: RestartContext, sentence: str, problems: Sequence[Problem]) -> RolloutError:
    """Return the failure of a batch with its evidence."""
    return rollout_error(context.client, sentence, problems, context.options.log_lines)


def _stopped(context: RestartContext, sentence: str, problems: Sequence[Problem]) -> RolloutError:
    """Return the failure of a batch that is not attributed to the revision."""
    error = batch_error(context, sentence, problems)
    failed = [str(workload) for workload in workloads_of(problems)]
    error.details.update(caused_by=WORKLOADS, failed_workloads=failed)
    return error


def _record(context: RestartContext, sentence: str, problems: Sequence[Problem]) -> None:
    context.state.problems += problems
    context.state.evidence += collect_evidence(context.client, problems, context.options.log_lines)
    context.task.progress(f"{sentence}, continuing without: {join_limited(problems, SHOWN, '; ')}")


def failed_workloads_summary(context: RestartContext) -> str:
    """Return the sentences with which a task fails at its end, or which follow another failure."""
    state = context.state
    failed = len(state.failed_workloads)
    named = join_limited(state.problems, SHOWN, "; ").rstrip(".")
    end = "were undone" if context.options.on_workload_failure == ROLLBACK else "were left as they are"
    if state.undo_problems:
        end = f"could not be undone: {'; '.join(state.undo_problems).rstrip('.')}"
    return (
        f"{failed} workload{'s'[: failed != 1]} failed independently of the revision: {named}. Restarts that failed "
        f"{end}; successful restarts are kept. Fix the cause and run again."
    )
