# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback would undo in a cluster, and when a journal has nothing to say any more."""

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
    Kept,
    Undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def undoing(snapshot: Snapshot, run: str, led_to: str = "", *, resumed: bool = False) -> Json:
    """Return what undoing a run would give back, and what it would leave as it is, and why.

    Args:
        run: id of the run; empty where there is none to undo.
        led_to: the revision that the run led to, empty where nobody knows.
        resumed: whether a rollback of it was begun and not ended.
    """
    rows: Json = {"run_id": run or None, "namespaces": [], "tags": [], "workloads": [], "not_restored": []}
    if run:
        _namespaces(snapshot, run, led_to, rows)
        _tags(snapshot, run, led_to, rows)
        _workloads(snapshot, run, led_to, rows)
    rows["stale_namespaces"] = _behind(snapshot, led_to) if resumed else []
    rows["recorded_runs"] = _runs(snapshot)
    return {**rows, "summary": summary(rows)}


def summary(rows: Mapping[str, t.Any]) -> str:
    """Return in one line what a rollback would undo."""
    if not rows["run_id"]:
        return "no run has changed this cluster, so there is nothing to undo"
    if not rows.get("known", True):
        return f"run {rows['run_id']} has not changed this cluster, so there is nothing to undo"
    kinds = ("namespaces", "tags", "workloads")
    found = [f"{n} {kind[:-1] if n == 1 else kind}" for kind in kinds if (n := len(rows[kind]))]
    left = f"; {len(rows['not_restored'])} would stay as they are" if rows["not_restored"] else ""
    return f"a rollback would undo run {rows['run_id']}: {', '.join(found) or 'nothing is left of it'}{left}"


def _namespaces(snapshot: Snapshot, run: str, led_to: str, rows: Json) -> None:
    for namespace in sorted(snapshot.namespaces.values(), key=lambda found: found.name):
        back = plan_undo(snapshot.mesh, namespace, run, led_to)
        if isinstance(back, NamespaceMove):
            rows["namespaces"].append({"name": namespace.name, "before": back.after, "after": back.before})
        elif back:
            rows["not_restored"].append(_left(str(ObjectRef("", "Namespace", namespace.name)), namespace.name, back))


def _tags(snapshot: Snapshot, run: str, led_to: str, rows: Json) -> None:
    for tag, now in sorted(snapshot.mesh.tags.items()):
        back = plan_tag_undo(snapshot.mesh, tag, run, led_to)
        if isinstance(back, Undo):
            rows["tags"].append({"name": tag, "before": back.state[TARGET], "after": now})
        elif back:
            rows["not_restored"].append(_left(f"Tag {tag}", "", back))


def _workloads(snapshot: Snapshot, run: str, led_to: str, rows: Json) -> None:
    """A label of pods counts only where the namespace has none, also if it loses its own by the rollback."""
    free = {row["name"] for row in rows["namespaces"] if not row["before"]}
    for key, workload in sorted(snapshot.workloads.items()):
        back = plan_workload_undo(workload, run, snapshot.mesh, led_to)
        if back is None or workload.namespace not in snapshot.namespaces:
            continue
        namespace, why = snapshot.namespaces[workload.namespace], unmovable(workload)
        if isinstance(back, Undo) and why:
            back = Kept(f"{why.reason}; {why.remedy}", failed=True)
        if (
            isinstance(back, Undo)
            and {REVISION_LABEL, INJECTION_LABEL} & set(namespace.labels)
            and namespace.name not in free
        ):
            back = Kept(f"namespace {namespace.name} chooses for its pods by a label of its own")
        if isinstance(back, Undo) and namespace.name not in free and (lost := undo_loss(snapshot, workload, back)):
            back = Kept(lost, failed=True)
        if isinstance(back, Kept):
            rows["not_restored"].append(_left(str(workload), key[0], back))
        else:
            row = {"namespace": key[0], "workload": str(workload), "before": back.state.get(REVISION_LABEL)}
            rows["workloads"].append({**row, "after": workload.template_labels.get(REVISION_LABEL)})


def _left(name: str, namespace: str, kept: Kept) -> Json:
    return {"namespace": namespace, "message": f"{name}: {kept.why}", "failed": kept.failed}


def _behind(snapshot: Snapshot, led_to: str) -> list[str]:
    """Return the namespaces with stale pods on a revision: what a rollback that was interrupted did not restart."""
    stale = (pod for pod, found in snapshot.proxy_statuses if found.stale)
    return sorted({pod.namespace for pod in stale if pod.revision == led_to or not led_to})


def journals(snapshot: Snapshot) -> list[Journal]:
    """Return the journals of all namespaces, tags and workloads that were read."""
    return [
        *(namespace.journal for namespace in snapshot.namespaces.values()),
        *(injector.journal for injector in snapshot.mesh.injectors if injector.tag),
        *(workload.journal for workload in snapshot.workloads.values()),
    ]


def _runs(snapshot: Snapshot) -> dict[str, int]:
    """Return the runs that anything remembers, with the number of objects that each changed."""
    return dict(sorted(collections.Counter(run for journal in journals(snapshot) for run in journal.runs()).items()))


def with_known(record: Mapping[str, t.Any] | None, rows: Json) -> Json:
    """Return the same with whether the run is one of this cluster."""
    found = {**rows, "known": not rows["run_id"] or known(record, rows)}
    return {**found, "summary": summary(found)}


def known(record: Mapping[str, t.Any] | None, rows: Mapping[str, t.Any]) -> bool:
    """Return whether a run is one of this cluster: something remembers it, or the record names it."""
    found = dict(record or {})
    names = {one.get(key) for one in (found, found.get("previous") or {}) for key in ("id", "undoes", "undoable")}
    return rows["run_id"] in {*rows["recorded_runs"], *names}


def over(mesh: Mesh, change: Change, *, of_pods: bool = False) -> bool:
    """Return whether a change has no way back any more: its past is gone, or leads where the object leads now.

    The past of a revision ends with it, so this is asked once a revision is retired.

    Args:
        of_pods: whether it is about the label of a workload's pods, which follow the default without one.
    """
    if TARGET in change.before or TARGET in (change.after or {}):
        return not mesh.runs(change.before.get(TARGET, ""))
    name = selected_name(change.before) or (DEFAULT if of_pods and not change.before else None)
    after = selected_name(change.after or {})
    gone = after is not None and mesh.resolve(after) is None
    if name is None:
        # it was outside the mesh, and that is always there
        return gone
    leads = mesh.resolve(name)
    return gone or leads is None or (after is not None and leads == mesh.resolve(after))
