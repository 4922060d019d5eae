# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module rollout_restart: paced, gated restarts of what is stale."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils import _prove
from ansible_collections.meshops.istio.plugins.module_utils._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils._errors import (
    MeshError,
    ParameterError,
    RolloutError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils._moves import undo
from ansible_collections.meshops.istio.plugins.module_utils._planned import PLANNED_SPEC, is_planned, planned_snapshot
from ansible_collections.meshops.istio.plugins.module_utils._proxies import EXTRA
from ansible_collections.meshops.istio.plugins.module_utils._restart import Restarter
from ansible_collections.meshops.istio.plugins.module_utils._rollout import batches
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._tool import Outcome, Run, Tool
from ansible_collections.meshops.istio.plugins.module_utils._tool_namespace_revision import apply
from ansible_collections.meshops.istio.plugins.module_utils._tracker import Tracker
from ansible_collections.meshops.istio.plugins.module_utils._workloads import Workload, unrestartable

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "only": {"type": "str", "choices": ["stale", "all"], "default": "stale"},
        "batch_size": {"type": "int", "default": 10},
        "batch_timeout": {"type": "int", "default": 300},
        "budget_timeout": {"type": "int", "default": 120},
        "on_failure": {"type": "str", "choices": ["rollback", "hold"], "default": "rollback"},
        "restore_labels": {"type": "bool", "default": False},
        **PLANNED_SPEC,
    }
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse numbers that can never be right, before any request."""
    for option in ("batch_size", "batch_timeout"):
        if params[option] < 1:
            raise ParameterError(f"Parameter {option}: {params[option]} is not a number above 0.")
    if params["budget_timeout"] < 0:
        raise ParameterError(f"Parameter budget_timeout: {params['budget_timeout']} is below 0.")


def targets(snapshot: Snapshot, namespaces: list[str], only: str) -> dict[Workload, int]:
    """Return the workloads to restart, with the number of their stale pods (``only=all``: with any number)."""
    stale = snapshot.stale_workloads(namespaces)
    if only == "stale":
        found = {snapshot.workloads[key]: len(pods) for key, pods in stale.items()}
    else:
        inside = set(namespaces)
        rows = (w for w in snapshot.workloads.values() if w.namespace in inside and w.replicas > 0)
        found = {workload: len(stale.get(workload.key, ())) for workload in rows}
    return {workload: count for workload, count in found.items() if unrestartable(workload) is None}


def refuse_harm(snapshot: Snapshot, namespaces: list[str], only: str) -> None:
    """Refuse restarts that would take workloads down or out of the mesh, before the first one.

    Raises:
        ParameterError: a namespace does not exist.
        SafetyError: new pods of a namespace would be rejected, or would lose their proxy.
    """
    missing = sorted(set(namespaces) - set(snapshot.namespaces))
    if missing:
        raise ParameterError(f"Parameter namespaces: the cluster has no namespace {', '.join(missing)}.")
    for pod, judgement in snapshot.judgements:
        if pod.namespace not in namespaces:
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
    params, began = run.params, time.monotonic()
    names = list(dict.fromkeys(params["namespaces"]))
    snapshot = planned_snapshot(run, pods=True)
    refuse_harm(snapshot, names, params["only"])
    found = targets(snapshot, names, params["only"])
    order = batches(found, params["batch_size"], snapshot.budgets_of)
    _prove_targets(run, snapshot, found)
    values: dict[str, t.Any] = {
        "restarted": [str(workload) for batch in order for workload in batch],
        "batches": [[str(workload) for workload in batch] for batch in order],
        "unrestartable": [stuck.as_dict() for stuck in snapshot.stuck(names)],
        "seconds": 0.0,
    }
    if order and not run.check_mode:
        _carry_out(run, snapshot, order)
    values["seconds"] = round(time.monotonic() - began, 1)
    return Outcome(
        actions=[f"restart {w} ({found[w]} stale pod{'s'[: found[w] != 1]})" for batch in order for w in batch],
        before={"stale_pods": {str(w): count for w, count in sorted(found.items(), key=lambda item: item[0].key)}},
        after={"stale_pods": {}},
        values=values,
    )


def _carry_out(run: Run, snapshot: Snapshot, order: list[list[Workload]]) -> None:
    everything = [workload for batch in order for workload in batch]
    with Tracker(run.client, {workload.key for workload in everything}) as tracker:
        restarter = Restarter(run, snapshot, tracker)
        for number, batch in enumerate(order, 1):
            try:
                restarter.batch(f"batch {number} of {len(order)}", batch)
            except MeshError as exc:
                done = [str(workload) for earlier in order[: number - 1] for workload in earlier]
                raise _give_up(run, snapshot, restarter, everything, exc, done) from exc


def _give_up(
    run: Run, snapshot: Snapshot, restarter: Restarter, everything: list[Workload], exc: MeshError, done: list[str]
) -> RolloutError:
    """Return the failure of the task, after going back if that is asked for."""
    details = {**exc.details, "completed_before": done, "rolled_back": False}
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
