# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module rollout_restart: restarts workloads with stale proxies in batches that must pass gates."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import existing_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import apply_planned_steps
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.admission import POD_REFUSED
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    require_known_codes as require_codes,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import ORDERS
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import (
    ALL,
    HOLD,
    ROLLBACK,
    STALE,
    STOP,
    RestartOptions,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import describe_plan
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.targets import resolve_selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.broken_workloads import (
    LAST,
    LEAVE,
    leave_broken,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import find_run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import with_answers
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.owner_chains import with_owner_chains
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.engine import execute
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.gate_options import (
    GATES_SPEC,
    check_gates,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.label_guard import LabelGuard
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.preparation import prepare_restart
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.restart_errors import (
    failed_namespaces_error,
    with_failed_namespaces,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.result import (
    empty_result,
    restart_result,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import RestartState
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import PLANNED_SPEC
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "scope": {"type": "str", "choices": [STALE, ALL], "default": STALE},
        "kinds": {"type": "list", "elements": "str", "choices": [*COLLECTIONS], "default": []},
        "names": {"type": "list", "elements": "str", "default": []},
        "label_selector": {"type": "str"},
        "field_selector": {"type": "str"},
        "revision": {"type": "str"},
        "percent": {"type": "int"},
        "source_revision": {"type": "str"},
        "run_id": {"type": "str"},
        "batch_size": {"type": "str", "default": "10"},
        "max_pods": {"type": "int"},
        "max_unavailable": {"type": "str"},
        "order": {"type": "str", "choices": [*ORDERS], "default": "name"},
        "pause": {"type": "int", "default": 0},
        "not_after": {"type": "str"},
        "deadline": {"type": "int"},
        "batch_timeout": {"type": "int", "default": 300},
        "budget_timeout": {"type": "int", "default": 120},
        "on_failure": {"type": "str", "choices": [ROLLBACK, HOLD], "default": ROLLBACK},
        "on_workload_failure": {"type": "str", "choices": [ROLLBACK, HOLD, STOP]},
        "broken_workloads": {"type": "str", "choices": [LAST, LEAVE], "default": LAST},
        "skip_missing": {"type": "bool", "default": False},
        "restore_labels": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str", "default": []},
        "gates": GATES_SPEC,
        "log_lines": {"type": "int", "default": 10},
        **PLANNED_SPEC,
    }
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse options that can never be right, before any request.

    Raises:
        ParameterError: with the option.
    """
    for option in ("batch_timeout", "deadline"):
        if params[option] is not None and params[option] < 1:
            raise ParameterError(f"Parameter {option}: {params[option]} is not a number above 0.")
    for option in ("budget_timeout", "pause", "log_lines"):
        if params[option] < 0:
            raise ParameterError(f"Parameter {option}: {params[option]} is below 0.")
    RestartOptions.from_params(params, datetime.datetime.now(datetime.UTC))
    check_gates(params["gates"])
    require_codes(params["allow"])


def run(task: TaskContext) -> TaskResult:
    """Plan a restart and execute it batch by batch; check mode only shows the plan.

    Raises:
        RolloutError: a batch or some workloads failed; with the evidence.
        SafetyError: the restart would do harm, so nothing was restarted.
        MeshError: the cluster cannot be read, or another client works on it.
    """
    began, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
    options = RestartOptions.from_params(task.params, now)
    if not options.selection.namespaces:
        return empty_result(options)
    snapshot = task.snapshot(pods=True, ask=False)
    options, left_out = resolve_options(task, snapshot, options)
    snapshot = with_answers(task.client, snapshot, options.selection.namespaces, everything=True, settle=True)
    snapshot = apply_planned_steps(task.warn_unread_policies(snapshot), task.planned)
    snapshot = leave_broken(with_owner_chains(task.client, snapshot), options.broken_workloads)
    guard = LabelGuard(
        task, snapshot, frozenset(options.selection.namespaces), accepts_refusals=POD_REFUSED.code in options.allow
    )
    prepared = prepare_restart(guard, options, now)
    plan, options, warnings = prepared.plan, prepared.options, prepared.warnings
    if task.check_mode:
        for line in describe_plan(plan, options.pause):
            task.progress(line)
        state = RestartState(batches_started=plan.startable)
    else:
        try:
            state = execute(task, plan, options, guard, began)
        except RolloutError as exc:
            raise with_failed_namespaces(exc, guard.failed) from exc
    if guard.failed:
        raise failed_namespaces_error(guard.failed, plan, state)
    return restart_result(plan, state, options, [*left_out, *warnings], began)


def resolve_options(task: TaskContext, snapshot: Snapshot, options: RestartOptions) -> tuple[RestartOptions, list[str]]:
    """Return the options with the names of namespaces for patterns, and with the id of the run that is undone.

    With ``skip_missing``, the namespaces that are gone are left out; there is a warning about each.

    Raises:
        ParameterError: namespaces or workloads do not exist.
        MeshError: the record of the last run cannot be read.
    """
    given, cluster = options.selection, task.client.connection.label
    present, left_out = existing_namespaces(snapshot, given.namespaces, skip_missing=options.skip_missing)
    selection = resolve_selection(snapshot, dataclasses.replace(given, namespaces=tuple(present)), cluster)
    canary = options.canary
    if canary and canary.run:
        run_id, led_to = find_run_to_undo(task, canary.run)
        canary = dataclasses.replace(canary, run=run_id, led_to=led_to)
    warnings = [f"Namespace {name} is left out: {reason}." for name, reason in left_out.items()]
    return dataclasses.replace(options, selection=selection, canary=canary), warnings


CORE = ModuleCore("rollout_restart", SPEC, run, check)
