# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module rollout_restart: paced, gated restarts of what is stale."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import datetime
import time
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    require_known_codes as require_codes,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import (
    ORDERS,
    batches,
    described,
    oversized,
    planned,
    read_pace,
    window_end,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.estimates import batch_seconds, starts
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import plan, read_share
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import read_selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.targets import (
    known,
    refuse_harm,
    resumable,
    targets,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS, Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import kept_configuration
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.undone_run import undone_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.batches import carry_out, flat
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.gate_options import (
    GATES_SPEC,
    check_gates,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import (
    PLANNED_SPEC,
    is_planned,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

PROOFS_AT_ONCE = 8

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "only": {"type": "str", "choices": ["stale", "all"], "default": "stale"},
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
        "on_failure": {"type": "str", "choices": ["rollback", "hold"], "default": "rollback"},
        "on_workload_failure": {"type": "str", "choices": ["rollback", "hold", "stop"]},
        "restore_labels": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str", "default": []},
        "gates": GATES_SPEC,
        "log_lines": {"type": "int", "default": 10},
        **PLANNED_SPEC,
    }
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse what can never be right, before any request."""
    for option in ("batch_timeout", "deadline"):
        if params[option] is not None and params[option] < 1:
            raise ParameterError(f"Parameter {option}: {params[option]} is not a number above 0.")
    for option in ("budget_timeout", "pause", "log_lines"):
        if params[option] < 0:
            raise ParameterError(f"Parameter {option}: {params[option]} is below 0.")
    read_pace(params)
    read_selection(params)
    read_share(params)
    if params["not_after"] is not None:
        window_end(params["not_after"], datetime.datetime.now(datetime.UTC))
    check_gates(params["gates"])
    require_codes(params["allow"])


def _prove_targets(task: TaskContext, snapshot: Snapshot, found: Mapping[Workload, int]) -> None:
    """A restart leads to the revision that a workload resolves to: that one must be proven (safety rule S3)."""
    revisions = {
        j.injection.revision for p, j in snapshot.proxy_statuses if (w := snapshot.workload_of(p)) and w in found
    }
    revisions |= {snapshot.injection_of(w.namespace, w.template_labels).revision for w in found if w.replicas == 0}
    for revision in sorted(filter(None, revisions)):
        if not is_planned(task, revision):
            readiness.require(task.client, snapshot.mesh, snapshot.namespaces, revision)
    if task.check_mode:
        return

    def prove(workload: Workload) -> None:
        wanted = snapshot.injection_of(workload.namespace, workload.template_labels).revision
        readiness.require_injection(task.client, workload.namespace, workload.template_labels, wanted)

    first = {workload.namespace: workload for workload in sorted(found, key=lambda w: w.ref, reverse=True)}
    with concurrent.futures.ThreadPoolExecutor(max_workers=PROOFS_AT_ONCE) as pool:
        list(pool.map(prove, first.values()))


def _kept(task: TaskContext, snapshot: Snapshot, choices: Iterable[Choice]) -> list[str]:
    """Refuse, or on the way back warn of, configuration that would stop to apply to workloads that move."""
    mesh, moved = snapshot.mesh, collections.defaultdict(set)
    for choice in choices:
        source, target = (mesh.resolve(name or DEFAULT) for name in (choice.before, choice.after))
        if source not in (None, target):
            moved[str(source)].add(choice.workload.namespace)
    target, back = task.params["revision"] or "", not task.params["percent"]
    return kept_configuration.require_kept(
        task, mesh, moved, mesh.resolve(target) or "what they asked for before", back=back
    )


def run(task: TaskContext) -> TaskResult:
    """Restart what is stale, batch by batch; on failure stop, go back if asked to, and fail with the evidence."""
    params, began, now = task.params, time.monotonic(), datetime.datetime.now(datetime.UTC)
    selection, pace = read_selection(params), read_pace(params)
    end = None if params["not_after"] is None else window_end(params["not_after"], now)
    values: dict[str, t.Any] = {
        "restarted": [],
        "resumed": [],
        "moved": [],
        "share": [],
        "batches": [],
        "plan": [],
        "not_after": f"{end.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" if end else "",
        "stopped_early": False,
        "remaining": [],
        "unrestartable": [],
        "changed_meanwhile": [],
        "gone": [],
        "still_unavailable": [],
        "seconds": 0.0,
    }
    if not selection.namespaces:
        return TaskResult(values=values)
    snapshot = planned_snapshot(task, pods=True)
    selection = known(snapshot, selection, task.client.connection.label)
    wanted = read_share(params)
    if wanted and wanted.run:
        undone, led_to = undone_run(task)
        wanted = dataclasses.replace(wanted, run=undone, led_to=led_to)
    share = plan(snapshot, selection, wanted)
    snapshot = share.snapshot
    found = targets(snapshot, selection, params["only"], share)
    refuse_harm(snapshot, selection, found if params["only"] == "all" else ())
    order = batches(found, pace, snapshot)
    resumed = {
        key: back for key, back in {**resumable(snapshot, found), **share.begun}.items() if key not in share.choices
    }
    _prove_targets(task, snapshot, found)
    kept = _kept(task, snapshot, share.choices.values())
    usual, soak = starts(snapshot), params["gates"]["soak"]
    rows = [described(batch, snapshot, batch_seconds(batch, usual, soak)) for batch in order]
    stuck = [
        *share.all_stuck(snapshot.stuck(selection.namespaces, everything=params["only"] == "all")),
        *snapshot.asleep(selection.namespaces),
    ]
    if task.check_mode:
        for line in (*planned(rows, params["pause"]), *map(str, stuck)):
            task.progress(line)
    started, gone = 0 if end and now >= end else len(order), list[Workload]()
    if started and not task.check_mode:
        carried = carry_out(task, snapshot, order, resumed, share.choices, began, end)
        started, gone = carried.batches, carried.gone
        values.update(
            changed_meanwhile=carried.changed,
            gone=[str(workload) for workload in gone],
            still_unavailable=[{"workload": name, "pods": pods} for name, pods in carried.still_down.items()],
        )
    begun = [workload for workload in flat(order[:started]) if workload not in gone]
    done = [workload for workload in begun if workload.ref not in resumed]
    remaining = flat(order[started:])
    warnings = [*kept, *oversized(found, pace, snapshot)]
    warnings += [
        f"{one['workload']} was restarted, but {'; '.join(one['pods'])} did not come up and had not been up before."
        for one in values["still_unavailable"]
    ]
    if remaining:
        warnings.append(
            f"The time to restart workloads ended at {values['not_after']}: {len(remaining)} of {len(found)} were not "
            "restarted; the next run goes on with them."
        )
    moved = [choice for workload in done if (choice := share.choices.get(workload.ref))]
    values.update(
        restarted=[str(workload) for workload in done],
        resumed=[str(workload) for workload in begun if workload.ref in resumed],
        moved=[choice.as_dict() for choice in moved],
        share=share.rows,
        batches=[[str(workload) for workload in batch] for batch in order[:started]],
        plan=rows,
        stopped_early=bool(remaining),
        remaining=[str(workload) for workload in remaining],
        unrestartable=[one.as_dict() for one in stuck],
        seconds=round(time.monotonic() - began, 1),
    )
    return TaskResult(
        actions=[_said(workload, found[workload], share.choices.get(workload.ref)) for workload in done],
        before={
            "stale_pods": {str(w): found[w] for w in sorted(done, key=lambda w: w.ref)},
            "revision_label": {str(choice.workload): choice.before for choice in moved},
        },
        after={"stale_pods": {}, "revision_label": {str(choice.workload): choice.after for choice in moved}},
        values=values,
        warnings=warnings,
    )


def _said(workload: Workload, stale: int, choice: Choice | None) -> str:
    if choice:
        return f"{choice} ({workload.replicas} pod{'s'[: workload.replicas != 1]})"
    return f"restart {workload} ({stale} stale pod{'s'[: stale != 1]})"


CORE = ModuleCore("rollout_restart", SPEC, run, check)
