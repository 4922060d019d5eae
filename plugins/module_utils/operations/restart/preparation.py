# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a restart, and proves that it may begin, before the first write.

With restore_labels, the namespaces were moved for this restart. Then one that must not be restarted fails alone: it
gets its previous labels back, and the others go on. If nothing may be restarted, all of them get their labels back.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    MeshError,
    ProofError,
    RolloutError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan, plan_restart
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.put_back import REMEDY
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.label_guard import LabelGuard
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.namespace_label_undo import (
    restore_labels,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.restart_errors import is_access_error
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.safety import (
    Asked,
    require_configuration_kept,
    require_ready_targets,
)


@dataclasses.dataclass(frozen=True)
class PreparedRestart:
    """A restart that may begin: its options without the namespaces that failed alone, its plan, and warnings."""

    options: RestartOptions
    plan: RestartPlan
    warnings: list[str]


def prepare_restart(guard: LabelGuard, options: RestartOptions, now: datetime.datetime) -> PreparedRestart:
    """Return the restart that may begin; the guard has the namespaces that failed alone.

    Raises:
        MeshError: nothing may be restarted.
    """
    guard.check_start()
    put_back = set(guard.failed)
    if put_back and not options.restore_labels:
        reasons = "; ".join(guard.failed[name] for name in sorted(put_back))
        raise SafetyError(f"Nothing was restarted: {reasons}. {REMEDY.capitalize()}.")
    try:
        prepared = _plan(guard, options, now, put_back)
    except MeshError as exc:
        raise _after_restoring(guard, options, exc, set(options.selection.namespaces) - put_back) from exc
    restored = set(guard.failed) - put_back
    if restored and not guard.task.check_mode:
        problems = restore_labels(guard.task, options, restored)
        for name in restored:
            guard.failed[name] += _outcome([problems[key] for key in ("", name) if key in problems])
    return prepared


def _plan(guard: LabelGuard, options: RestartOptions, now: datetime.datetime, put_back: set[str]) -> PreparedRestart:
    """Return the plan without the namespaces that failed alone, to which it may add some.

    Args:
        put_back: the namespaces whose labels another client has set back, to which it may add some.
    """
    task, snapshot, asked = guard.task, guard.snapshot, Asked()
    while True:
        left = tuple(name for name in options.selection.namespaces if name not in guard.failed)
        rest = dataclasses.replace(options, selection=dataclasses.replace(options.selection, namespaces=left))
        try:
            plan = plan_restart(snapshot, rest, now)
            refused = require_ready_targets(task, plan, asked)
        except (ProofError, SafetyError) as exc:
            if not task.check_mode:
                put_back |= guard.check_again()
            if not options.restore_labels or "namespace" not in exc.details:
                raise
            guard.fail(exc.details["namespace"], exc.message.rstrip("."))
            continue
        if refused and not guard.accepts_refusals:
            if options.restore_labels and _fail_refused(guard, plan, refused):
                continue
            plan = plan_restart(snapshot, rest, now, refused)
        return PreparedRestart(rest, plan, require_configuration_kept(task, plan, rest))


def _fail_refused(guard: LabelGuard, plan: RestartPlan, refused: Mapping[Workload, Refusal]) -> bool:
    """Fail the namespaces in which nothing can be restarted, because the API server refuses all their new pods."""
    startable = {workload.namespace for workload in plan.stale_pods if workload not in refused}
    alone = {workload.namespace: str(refusal) for workload, refusal in refused.items()}
    for name in sorted(set(alone) - startable):
        guard.fail(name, f"namespace {name}: the API server refuses all of its new pods: {alone[name].rstrip('.')}")
    return bool(set(alone) - startable)


def _after_restoring(
    guard: LabelGuard, options: RestartOptions, exc: MeshError, namespaces: Collection[str]
) -> MeshError:
    """Return the failure of a restart that does not begin, once the labels of its namespaces are restored."""
    if not options.restore_labels or guard.task.check_mode or is_access_error(exc):
        return exc
    outcome = _outcome(restore_labels(guard.task, options, namespaces).values())
    kind = type(exc) if isinstance(exc, (ProofError, SafetyError)) else RolloutError
    return kind(f"{exc.message.rstrip('.')}{outcome}.", exc.details)


def _outcome(problems: Collection[str]) -> str:
    """Return the end of a sentence about namespaces whose labels were to be restored."""
    return f"; {'; '.join(problems)}" if problems else "; its labels are as before"
