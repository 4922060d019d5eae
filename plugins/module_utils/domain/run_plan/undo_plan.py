# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan what a rollback would undo in a cluster, and decide which journal entries can no longer be undone."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    plan_tag_undo,
    plan_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import plan_workload_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.movable import undo_loss, unmovable
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    TARGET,
    Change,
    Journal,
    NotRestored,
    Undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


class UndoRow(t.TypedDict):
    """The undo of a run in the result of istio_info; ``known`` is added where the record of the last run was read."""

    run_id: str | None
    namespaces: list[Json]
    tags: list[Json]
    workloads: list[Json]
    not_restored: list[Json]
    stale_namespaces: list[str]
    recorded_runs: dict[str, int]
    summary: str
    known: t.NotRequired[bool]


def describe_undo(snapshot: Snapshot, run: str, led_to: str = "", *, resumed: bool = False) -> UndoRow:
    """Return what undoing a run would restore, and what it would leave as it is, with the reasons.

    Args:
        run: id of the run; empty if there is no run to undo.
        led_to: the revision that the run led to, empty if it is unknown.
        resumed: whether a rollback of the run has begun and not completed.
    """
    rows: UndoRow = {
        "run_id": run or None,
        "namespaces": [],
        "tags": [],
        "workloads": [],
        "not_restored": [],
        "stale_namespaces": _stale_namespaces(snapshot, led_to) if resumed else [],
        "recorded_runs": _recorded_runs(snapshot),
        "summary": "",
    }
    if run:
        _add_namespaces(snapshot, run, led_to, rows)
        _add_tags(snapshot, run, led_to, rows)
        _add_workloads(snapshot, run, led_to, rows)
    rows["summary"] = summarize_undo(rows)
    return rows


def summarize_undo(rows: UndoRow) -> str:
    """Return in one line what a rollback would undo."""
    if not rows["run_id"]:
        return "no run has changed this cluster, so there is nothing to undo"
    if not rows.get("known", True):
        return f"run {rows['run_id']} has not changed this cluster, so there is nothing to undo"
    changed = {"namespace": rows["namespaces"], "tag": rows["tags"], "workload": rows["workloads"]}
    counts = [f"{len(names)} {kind}{'s' * (len(names) > 1)}" for kind, names in changed.items() if names]
    kept = f"; {len(rows['not_restored'])} would stay as they are" if rows["not_restored"] else ""
    return f"a rollback would undo run {rows['run_id']}: {', '.join(counts) or 'nothing is left of it'}{kept}"


def _add_namespaces(snapshot: Snapshot, run: str, led_to: str, rows: UndoRow) -> None:
    for name, namespace in sorted(snapshot.namespaces.items()):
        restored = plan_undo(snapshot.mesh, namespace, run, led_to)
        if isinstance(restored, NamespaceMove):
            rows["namespaces"].append({"name": name, "before": restored.after, "after": restored.before})
        elif restored:
            rows["not_restored"].append(_kept_row(str(ObjectRef("", "Namespace", name)), name, restored))


def _add_tags(snapshot: Snapshot, run: str, led_to: str, rows: UndoRow) -> None:
    for tag, revision in sorted(snapshot.mesh.tags.items()):
        restored = plan_tag_undo(snapshot.mesh, tag, run, led_to)
        if isinstance(restored, Undo):
            rows["tags"].append({"name": tag, "before": restored.state[TARGET], "after": revision})
        elif restored:
            rows["not_restored"].append(_kept_row(f"Tag {tag}", "", restored))


def _add_workloads(snapshot: Snapshot, run: str, led_to: str, rows: UndoRow) -> None:
    """Add the workloads. Labels of pods count only if the namespace has none, or loses its own by the rollback."""
    unlabelled = {row["name"] for row in rows["namespaces"] if not row["before"]}
    for ref, workload in sorted(snapshot.workloads.items()):
        restored = plan_workload_undo(workload, run, snapshot.mesh, led_to)
        if restored is None or workload.namespace not in snapshot.namespaces:
            continue
        if isinstance(restored, Undo):
            restored = _keep_reason(snapshot, workload, restored, unlabelled) or restored
        if isinstance(restored, NotRestored):
            rows["not_restored"].append(_kept_row(str(workload), ref[0], restored))
        else:
            row = {"namespace": ref[0], "workload": str(workload), "before": restored.state.get(REVISION_LABEL)}
            rows["workloads"].append({**row, "after": workload.template_labels.get(REVISION_LABEL)})


def _keep_reason(snapshot: Snapshot, workload: Workload, restored: Undo, unlabelled: set[str]) -> NotRestored | None:
    """Return why the previous label of a workload cannot be restored, or None."""
    namespace, reason = snapshot.namespaces[workload.namespace], unmovable(workload)
    if reason:
        return NotRestored(f"{reason.reason}; {reason.remedy}", failed=True)
    if namespace.name in unlabelled:
        return None
    if {REVISION_LABEL, INJECTION_LABEL} & set(namespace.labels):
        return NotRestored(f"a label of namespace {namespace.name} selects the revision for all its pods")
    loss = undo_loss(snapshot, workload, restored)
    return NotRestored(loss, failed=True) if loss else None


def _kept_row(name: str, namespace: str, kept: NotRestored) -> Json:
    return {"namespace": namespace, "message": f"{name}: {kept.reason}", "failed": kept.failed}


def _stale_namespaces(snapshot: Snapshot, led_to: str) -> list[str]:
    """Return the namespaces with stale pods on a revision, which an interrupted rollback did not restart."""
    stale_pods = (pod for pod, status in snapshot.proxy_statuses if status.stale)
    return sorted({pod.namespace for pod in stale_pods if pod.revision == led_to or not led_to})


def journals(snapshot: Snapshot) -> list[Journal]:
    """Return the journals of all namespaces, tags and workloads that were read."""
    return [
        *(namespace.journal for namespace in snapshot.namespaces.values()),
        *(injector.journal for injector in snapshot.mesh.injectors if injector.tag),
        *(workload.journal for workload in snapshot.workloads.values()),
    ]


def _recorded_runs(snapshot: Snapshot) -> dict[str, int]:
    """Return the runs in all journals, with the number of objects that each has changed."""
    return dict(sorted(collections.Counter(run for journal in journals(snapshot) for run in journal.runs()).items()))


def add_known(record: Mapping[str, t.Any] | None, rows: UndoRow) -> UndoRow:
    """Return a copy of the plan with whether the cluster has recorded the run."""
    known_rows: UndoRow = {**rows, "known": not rows["run_id"] or is_recorded(record, rows)}
    return {**known_rows, "summary": summarize_undo(known_rows)}


def is_recorded(record: Mapping[str, t.Any] | None, rows: UndoRow) -> bool:
    """Return whether a cluster has recorded a run: in a journal or in the record of its last run."""
    last = dict(record or {})
    ids = {run.get(key) for run in (last, last.get("previous") or {}) for key in ("id", "undoes", "undoable")}
    return rows["run_id"] in {*rows["recorded_runs"], *ids}


def cannot_be_undone(mesh: Mesh, change: Change, *, of_pods: bool = False) -> bool:
    """Return whether a change cannot be undone any more: its previous revision is gone, or is the current one.

    A removed revision may be the previous revision of changes, so the caller checks them after each removal.

    Args:
        of_pods: whether it is a change of the label of pods, which follow the default without one.
    """
    if TARGET in change.before or TARGET in (change.after or {}):
        return not mesh.runs(change.before.get(TARGET, ""))
    before = selected_name(change.before) or (DEFAULT if of_pods and not change.before else None)
    after = selected_name(change.after or {})
    after_is_gone = after is not None and mesh.resolve(after) is None
    if before is None:
        # The object was outside the mesh, which is always possible.
        return after_is_gone
    previous = mesh.resolve(before)
    return after_is_gone or previous is None or (after is not None and previous == mesh.resolve(after))
