# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the rollouts of a batch, and detects early that one will not complete."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.observation import note_foreign_change
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_checks import RolloutChecks
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import judge_failures

#: Events arrive in groups; checking after each event costs more than it shows.
CHECK_SECONDS = 0.2
#: Checks of pods cost more than checks of workloads, and a rollout can be late without any event.
FULL_CHECK_SECONDS = 1.0


def wait_for_rollouts(
    context: RestartContext,
    label: str,
    batch: list[Workload],
    *,
    judged: bool = True,
    progress: Progress | None = None,
) -> list[Problem]:
    """Return when all rollouts are complete, with the problems of those that will not complete.

    A template that another client changes meanwhile starts another rollout, which replaces ours: it is waited for too,
    and noted in the state. A deleted workload is waited for no longer, and noted.

    Args:
        judged: whether failures may fail the batch; an undo waits for all others in any case.
        progress: the progress lines to write to, if not those of the restart.

    Raises:
        RolloutError: the failures are a failure of the batch, not only of some workloads.
        MeshError: a workload seems to make no progress, and cannot be read.
    """
    return _RolloutWait(context, label, batch, judged, progress or context.progress).run() if batch else []


class _RolloutWait:
    """One wait for the rollouts of a batch."""

    def __init__(
        self, context: RestartContext, label: str, batch: list[Workload], judged: bool, progress: Progress
    ) -> None:
        self._context = context
        self._label = label
        self._batch = batch
        self._judged = judged
        self._progress = progress
        self._checks = RolloutChecks(context)
        self._complete: set[ObjectRef] = set()
        self._failed: set[ObjectRef] = set()
        self._problems: list[Problem] = []

    def run(self) -> list[Problem]:
        """Check until no rollout is pending; the changed workloads soon, all of them and their pods each second."""
        self._progress.begin()
        interval = min([FULL_CHECK_SECONDS, *map(self._checks.patience, self._batch)])
        full_check, checked_at = True, 0.0
        changed: set[ObjectRef] = set()
        while True:
            self._check(changed, full_check=full_check)
            pending = [w for w in self._batch if w.ref not in self._complete and w.ref not in self._failed]
            if full_check:
                checked_at = time.monotonic()
                self._show(pending)
                if not pending:
                    self._progress.rest()
                    return self._problems
            if pending:
                # Sleep first, so that the last event of a rollout is checked as soon as it arrives.
                time.sleep(min(CHECK_SECONDS, interval))
                changed = self._context.tracker.touched(min(0.5, interval))
            full_check = not pending or time.monotonic() - checked_at >= interval

    def _check(self, changed: set[ObjectRef], *, full_check: bool) -> None:
        workloads = [w for w in self._batch if (full_check or w.ref in changed) and w.ref not in self._failed]
        for workload in workloads:
            if note_foreign_change(self._context, workload):
                self._checks.stall.forget(workload.ref)
        self._complete.difference_update(workload.ref for workload in workloads)
        self._complete.update(workload.ref for workload in workloads if self._checks.is_complete(workload))
        incomplete = [workload for workload in workloads if workload.ref not in self._complete]
        for workload in incomplete if full_check and self._judged else ():
            self._checks.replace_broken_before(workload)
        for sentence, problems in self._find_problems(incomplete, full_check=full_check):
            if self._judged:
                judge_failures(self._context, sentence, self._batch, problems)
            self._problems += problems
            self._failed.update(problem.workload.ref for problem in problems if problem.workload)

    def _find_problems(self, workloads: list[Workload], *, full_check: bool) -> Iterator[tuple[str, list[Problem]]]:
        """Yield the problems that keep rollouts from completing, with the sentence that introduces them."""
        checks = self._checks
        failures = {w.ref: checks.failure_of(w) or (checks.broken_pods(w) if full_check else []) for w in workloads}
        if any(failures.values()):
            yield f"{self._label} failed", [problem for problems in failures.values() for problem in problems]
        stalled: dict[float, list[Problem]] = {}
        for workload in workloads if full_check else ():
            if not failures[workload.ref] and checks.is_stalled(workload):
                stalled.setdefault(checks.patience(workload), []).extend(checks.unfinished(workload))
        for seconds, problems in stalled.items():
            yield f"{self._label} made no progress for {seconds:.0f} s", problems

    def _show(self, pending: list[Workload]) -> None:
        names = [f"{workload.namespace}/{workload.name}" for workload in pending]
        tracked = (pod for w in pending for pod in self._context.tracker.pods_of(w.ref))
        ready = sum(pod.new and pod.state.pod.ready for pod in tracked)
        ready += sum(w.replicas for w in self._batch if w.ref in self._complete)
        self._progress.step(self._label, len(self._complete), len(self._batch), ready, names)
