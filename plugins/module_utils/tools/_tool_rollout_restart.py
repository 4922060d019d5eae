# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module rollout_restart: paced, gated restarts of what is stale."""

from __future__ import annotations

import datetime
import time
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    MeshError,
    ParameterError,
    RolloutError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._moves import undo
from ansible_collections.meshops.istio.plugins.module_utils.domain._pace import (
    ORDERS,
    batches,
    described,
    oversized,
    read_pace,
    window_end,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._proxies import EXTRA, RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.domain._selection import Selection, read_selection
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot, WorkloadKey
from ansible_collections.meshops.istio.plugins.module_utils.domain._workloads import (
    COLLECTIONS,
    Workload,
    under_way,
    unrestartable,
)
from ansible_collections.meshops.istio.plugins.module_utils.tools import _prove
from ansible_collections.meshops.istio.plugins.module_utils.tools._gate_options import GATES_SPEC, check_gates
from ansible_collections.meshops.istio.plugins.module_utils.tools._planned import (
    PLANNED_SPEC,
    is_planned,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.tools._restart import Restarter
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Outcome, Run, Tool
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool_namespace_revision import apply
from ansible_collections.meshops.istio.plugins.module_utils.tools._tracker import Tracker

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "only": {"type": "str", "choices": ["stale", "all"], "default": "stale"},
        "kinds": {"type": "list", "elements": "str", "choices": [*COLLECTIONS], "default": []},
        "names": {"type": "list", "elements": "str", "default": []},
        "label_selector": {"type": "str"},
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
        "restore_labels": {"type": "bool", "default": False},
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
    if params["not_after"] is not None:
        window_end(params["not_after"], datetime.datetime.now(datetime.UTC))
    check_gates(params["gates"])


def targets(snapshot: Snapshot, selection: Selection, only: str) -> dict[Workload, int]:
    """Return the workloads to restart, with the number of their stale pods (``only=all``: with any number)."""
    stale = snapshot.stale_workloads(selection.namespaces)
    chosen = [w for w in snapshot.workloads.values() if selection.selects(w) and unrestartable(w) is None]
    return {
        workload: len(stale.get(workload.key, ()))
        for workload in chosen
        if workload.key in stale or (only == "all" and workload.replicas > 0)
    }


def resumable(snapshot: Snapshot, found: Iterable[Workload]) -> dict[WorkloadKey, str | None]:
    """Return the workloads whose restart an earlier task began, with the stamp of their template from before it.

    Only pods of the old template are stale then, and they are on their way out.
    """
    stale = snapshot.stale_workloads()
    return {
        workload.key: min(pod.annotations.get(RESTARTED_AT) or "" for pod in stale[workload.key]) or None
        for workload in found
        if workload.key in stale and under_way(workload, stale[workload.key])
    }


def refuse_harm(snapshot: Snapshot, selection: Selection) -> None:
    """Refuse restarts that would take workloads down or out of the mesh, before the first one.

    Raises:
        ParameterError: a namespace or a workload does not exist.
        SafetyError: new pods of a namespace would be rejected, or would lose their proxy.
    """
    missing = sorted(set(selection.namespaces) - set(snapshot.namespaces))
    if missing:
        raise ParameterError(f"Parameter namespaces: the cluster has no namespace {', '.join(missing)}.")
    selection.require_names(snapshot.workloads.values())
    for pod, judgement in snapshot.judgements:
        workload = snapshot.workload_of(pod)
        if pod.namespace not in selection.namespaces or (workload and not selection.selects(workload)):
            continue
        if judgement.verdict.rejected:
            raise SafetyError(
                f"Nothing was restarted: new pods of namespace {pod.namespace} would be rejected "
                f"({judgement.verdict.rejected})."
            )
        if judgement.condition == EXTRA and "dangling" in judgement.verdict.reason:
            raise SafetyError(
                f"Nothing was restarted: pod {pod.namespace}/{pod.name} would come back without a proxy, because "
                f"{judgement.verdict.reason}. Label the namespace with a revision or tag that exists."
            )


def _prove_targets(run: Run, snapshot: Snapshot, found: Mapping[Workload, int]) -> None:
    """A restart leads to the revision that a workload resolves to: that one must be proven (safety rule S3)."""
    revisions = {j.verdict.revision for p, j in snapshot.judgements if (w := snapshot.workload_of(p)) and w in found}
    for revision in sorted(filter(None, revisions)):
        if not is_planned(run, revision):
            _prove.require(run.client, snapshot.mesh, snapshot.namespaces, revision)
    if run.check_mode:
        return
    first = {workload.namespace: workload for workload in sorted(found, key=lambda w: w.key, reverse=True)}
    for namespace, workload in first.items():
        wanted = snapshot.verdict(namespace, workload.template_labels).revision
        _prove.require_injection(run.client, namespace, workload.template_labels, wanted)


def run(run: Run) -> Outcome:
    """Restart what is stale, batch by batch; on failure stop, go back if asked to, and fail with the evidence."""
    params, began, now = run.params, time.monotonic(), datetime.datetime.now(datetime.UTC)
    selection, pace = read_selection(params), read_pace(params)
    end = None if params["not_after"] is None else window_end(params["not_after"], now)
    values: dict[str, t.Any] = {
        "restarted": [],
        "resumed": [],
        "batches": [],
        "plan": [],
        "not_after": f"{end.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" if end else "",
        "stopped_early": False,
        "remaining": [],
        "unrestartable": [],
        "changed_meanwhile": [],
        "seconds": 0.0,
    }
    if not selection.namespaces:
        return Outcome(values=values)
    snapshot = planned_snapshot(run, pods=True)
    refuse_harm(snapshot, selection)
    found = targets(snapshot, selection, params["only"])
    order = batches(found, pace, snapshot)
    resumed = resumable(snapshot, found)
    _prove_targets(run, snapshot, found)
    started = 0 if end and now >= end else len(order)
    if started and not run.check_mode:
        started, values["changed_meanwhile"] = _carry_out(run, snapshot, order, resumed, began, end)
    done = [workload for workload in _flat(order[:started]) if workload.key not in resumed]
    remaining = _flat(order[started:])
    warnings = oversized(found, pace, snapshot)
    if remaining:
        warnings.append(
            f"The time to restart workloads ended at {values['not_after']}: {len(remaining)} of {len(found)} were not "
            "restarted; the next run goes on with them."
        )
    values.update(
        restarted=[str(workload) for workload in done],
        resumed=[str(workload) for workload in _flat(order[:started]) if workload.key in resumed],
        batches=[[str(workload) for workload in batch] for batch in order[:started]],
        plan=[described(batch, snapshot) for batch in order],
        stopped_early=bool(remaining),
        remaining=[str(workload) for workload in remaining],
        unrestartable=[stuck.as_dict() for stuck in snapshot.stuck(selection.namespaces)],
        seconds=round(time.monotonic() - began, 1),
    )
    return Outcome(
        actions=[f"restart {w} ({found[w]} stale pod{'s'[: found[w] != 1]})" for w in done],
        before={"stale_pods": {str(w): found[w] for w in sorted(done, key=lambda w: w.key)}},
        after={"stale_pods": {}},
        values=values,
        warnings=warnings,
    )


def _flat(order: list[list[Workload]]) -> list[Workload]:
    return [workload for batch in order for workload in batch]


def _carry_out(
    run: Run,
    snapshot: Snapshot,
    order: list[list[Workload]],
    resumed: Mapping[WorkloadKey, str | None],
    began: float,
    end: datetime.datetime | None,
) -> tuple[int, list[str]]:
    """Return how many batches were restarted before the time for it ended, and what others changed meanwhile."""
    everything = _flat(order)
    with Tracker(run.client, {workload.key for workload in everything}) as tracker:
        pods = sum(workload.replicas for workload in everything)
        restarter = Restarter(run, snapshot, tracker, pods, resumed)
        for number, batch in enumerate(order, 1):
            pause = run.params["pause"] if number > 1 else 0
            if end and datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=pause) >= end:
                return number - 1, restarter.changed_meanwhile
            _keep_deadline(run, order, number, time.monotonic() + pause - began)
            if pause:
                run.progress(f"pausing for {pause} s before batch {number} of {len(order)}")
                time.sleep(pause)
            try:
                restarter.batch(f"batch {number} of {len(order)}", batch)
            except MeshError as exc:
                done = [str(workload) for workload in _flat(order[: number - 1])]
                raise _give_up(run, snapshot, restarter, everything, exc, done) from exc
        return len(order), restarter.changed_meanwhile


def _keep_deadline(run: Run, order: list[list[Workload]], number: int, seconds: float) -> None:
    """Nothing is wrong with what was restarted, so it stays restarted."""
    deadline = run.params["deadline"]
    if deadline is None or seconds < deadline:
        return
    done, rest = ([str(workload) for workload in _flat(part)] for part in (order[: number - 1], order[number - 1 :]))
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
    """Undo the moves of this wave's namespaces; returns problems, so that the rest still goes back."""
    try:
        snapshot = run.snapshot()
        steps = [step for name in run.params["namespaces"] if (step := undo(snapshot.mesh, snapshot.namespaces[name]))]
        for step in steps:
            run.progress(str(step))
        apply(run.client, steps, run.client.connection.label)
    except MeshError as exc:
        return [exc.message]
    return []


TOOL = Tool("rollout_restart", SPEC, run, check)
