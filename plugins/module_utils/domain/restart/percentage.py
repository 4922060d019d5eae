# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a percentage of the workloads that select their revision by labels of their pods (a canary)."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import require_injector
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import with_labels
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import (
    RevisionLabelChange,
    label_patch,
    plan_workload_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.movable import (
    proxy_loss,
    selects_revision,
    undo_loss,
    unmovable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import NotRestored, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartablePods
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import Unrestartable
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: Codes of workloads that are not moved back: changed since, or their previous revision is gone.
KEPT, GONE = "changed_since", "previous_revision_gone"


@dataclasses.dataclass(frozen=True)
class CanaryPercentage:
    """The percentage of the workloads of each namespace that are to select a revision or tag.

    With a source, only workloads count that select it or did before they were moved. With a run, 0 percent undoes the
    moves of that run; ``led_to`` is the revision that the run led to.
    """

    percent: int
    revision: str = ""
    source: str | None = None
    run: str | None = None
    led_to: str = ""

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> CanaryPercentage | None:
        """Return the percentage of a task, or None if it moves no workloads.

        Raises:
            ParameterError: the options do not go together.
        """
        percent, revision, source = (params[name] for name in ("percent", "revision", "source_revision"))
        if params["run_id"] and percent is not None and percent > 0:
            raise ParameterError("Parameter run_id requires percent=0, which undoes the moves of that run.")
        if percent is None:
            alone = next((name for name in ("revision", "source_revision") if params[name] is not None), None)
            if alone:
                raise ParameterError(f"Parameter {alone} requires percent, the percentage of workloads to move.")
            return None
        if not 0 <= percent <= 100:
            raise ParameterError(f"Parameter percent: {percent} is not a number from 0 to 100.")
        if percent and not revision:
            raise ParameterError("Parameter revision is missing: it is the revision that percent moves workloads to.")
        return cls(percent, revision or "", source, params["run_id"])


class MovableWorkloads(t.TypedDict):
    """The workloads of a namespace that can be moved by label: their number, and those that percent selects."""

    namespace: str
    workloads: int
    selected: list[str]


@dataclasses.dataclass(frozen=True)
class CanaryPlan:
    """The label changes of a percentage, the cluster as it will be with them, and workloads that cannot be moved.

    ``restartable`` are the only workloads that may be restarted: those that are selected, that leave the selection,
    and that were begun before; None without a percentage. ``begun`` are the workloads whose move, or its undo, an
    earlier task began, each with the patch that undoes the move.
    """

    snapshot: Snapshot
    restartable: frozenset[ObjectRef] | None = None
    label_changes: Mapping[ObjectRef, RevisionLabelChange] = dataclasses.field(default_factory=dict)
    begun: Mapping[ObjectRef, Json | None] = dataclasses.field(default_factory=dict)
    unmovable: Sequence[UnrestartablePods] = ()
    movable_workloads: Sequence[MovableWorkloads] = ()

    def with_unmovable(self, unrestartable: Iterable[UnrestartablePods]) -> list[UnrestartablePods]:
        """Return the unmovable and the unrestartable workloads; each workload only once for the same reason."""
        listed = {(pods.namespace, pods.kind, pods.name, pods.cause.code) for pods in self.unmovable}
        others = (p for p in unrestartable if (p.namespace, p.kind, p.name, p.cause.code) not in listed)
        return [*self.unmovable, *others]


def plan_canary(snapshot: Snapshot, selection: Selection, canary: CanaryPercentage | None) -> CanaryPlan:
    """Return the label changes by which the percentage of the selected workloads selects the revision.

    Raises:
        SafetyError: a label of a namespace selects the revision of its pods, or a workload would lose its proxy.
    """
    if canary is None:
        return CanaryPlan(snapshot)
    _refuse_labelled(snapshot, selection)
    if canary.percent:
        require_injector(snapshot.mesh, canary.revision)
    candidates = [
        w for w in snapshot.workloads.values() if selection.selects(w) and selects_revision(snapshot, w, canary.source)
    ]
    fixed = {w: reason for w in candidates if (reason := unmovable(w) or snapshot.unrestartable_reason(w))}
    movable = [workload for workload in candidates if workload not in fixed]
    selected = select_percentage(movable, canary.percent)
    changes = (_label_change(snapshot.mesh, w, canary, selected=w.ref in selected) for w in movable)
    by_ref = {change.workload.ref: change for change in changes if change}
    kept = [] if canary.percent else _kept(snapshot, movable, by_ref, canary)
    for workload, dummy in kept:
        by_ref.pop(workload.ref, None)
    _refuse_loss(snapshot, by_ref.values())
    begun = _begun(snapshot, [workload for workload in movable if workload.ref not in by_ref])
    labels = {w.ref: by_ref[w.ref].after if w.ref in by_ref else w.template_labels.get(REVISION_LABEL) for w in movable}
    reported = [
        (w, reason)
        for w, reason in fixed.items()
        if canary.percent or w.journal.unreadable or _was_moved(snapshot.mesh, w, canary)
    ]
    return CanaryPlan(
        with_labels(snapshot, labels),
        frozenset({*selected, *by_ref, *begun}),
        by_ref,
        begun,
        [_unmovable_pods(snapshot, workload, reason) for workload, reason in (*kept, *reported)],
        _movable_workloads(movable, selected),
    )


def _refuse_labelled(snapshot: Snapshot, selection: Selection) -> None:
    for name in selection.namespaces:
        labels = snapshot.namespaces[name].labels
        key = next((key for key in (INJECTION_LABEL, REVISION_LABEL) if key in labels), None)
        if key is not None:
            raise SafetyError(
                f"Nothing was restarted: label {key}={labels[key]} of namespace {name} selects the revision for all "
                "its pods, so Istio ignores pod labels there and a percentage cannot be applied. Move the whole "
                "namespace with namespace_revision, or leave it out."
            )


def _was_moved(mesh: Mesh, workload: Workload, canary: CanaryPercentage) -> bool:
    return isinstance(plan_workload_undo(workload, canary.run, mesh, canary.led_to), Undo)


def select_percentage(workloads: Iterable[Workload], percent: int) -> set[ObjectRef]:
    """Return the workloads of each namespace that are moved: those with the lowest hashes, rounded up; gateways last.

    A larger percentage contains every smaller one, and each run and each cluster selects the same workloads.
    """
    groups: dict[str, list[Workload]] = collections.defaultdict(list)
    for workload in workloads:
        groups[workload.namespace].append(workload)
    selected = set()
    for group in groups.values():
        count = -(-len(group) * percent // 100)
        selected |= {workload.ref for workload in sorted(group, key=_hash_order)[:count]}
    return selected


def _hash_order(workload: Workload) -> tuple[bool, str]:
    name = f"{workload.namespace}/{workload.kind}/{workload.name}"
    return (workload.gateway, hashlib.sha256(name.encode()).hexdigest())


def _label_change(
    mesh: Mesh, workload: Workload, canary: CanaryPercentage, *, selected: bool
) -> RevisionLabelChange | None:
    """Return the change by which a workload selects the revision, or again the label that it had before.

    A workload that leaves the percentage of a revision is moved back; one that was moved to another revision, such as
    by the last upgrade, is not.
    """
    before = workload.template_labels.get(REVISION_LABEL)
    if selected:
        return None if before == canary.revision else RevisionLabelChange(workload, before, canary.revision)
    undo = plan_workload_undo(workload, canary.run, mesh, canary.led_to)
    if isinstance(undo, Undo) and canary.revision in ("", before):
        return RevisionLabelChange(workload, before, undo.state.get(REVISION_LABEL), undo.journal)
    return None


def _kept(
    snapshot: Snapshot,
    workloads: Iterable[Workload],
    changes: Mapping[ObjectRef, RevisionLabelChange],
    canary: CanaryPercentage,
) -> list[tuple[Workload, Unrestartable]]:
    """Return the workloads that are not moved back, each with the reason; they do not keep the others from it."""
    kept = []
    for workload in workloads:
        undo = plan_workload_undo(workload, canary.run, snapshot.mesh, canary.led_to)
        loss = ""
        if workload.ref in changes and isinstance(undo, Undo):
            loss = undo_loss(snapshot, workload, undo)
        if isinstance(undo, NotRestored):
            kept.append((workload, Unrestartable(KEPT, undo.reason, "move it yourself if it is to be moved back")))
        elif loss:
            remedy = "install that revision again, or move it to another one"
            kept.append((workload, Unrestartable(GONE, loss, remedy)))
    return kept


def _refuse_loss(snapshot: Snapshot, changes: Iterable[RevisionLabelChange]) -> None:
    losses = (proxy_loss(snapshot, change.workload, change.after) for change in changes)
    loss = next(filter(None, losses), "")
    if loss:
        raise SafetyError(f"Nothing was restarted: {loss}.")


def _begun(snapshot: Snapshot, workloads: Iterable[Workload]) -> dict[ObjectRef, Json | None]:
    """Return the workloads with pods that do not have the label of the template yet, each with its undo patch.

    Such pods are being replaced. A move back leaves no trace in the workload, so it has no undo patch.
    """
    candidates = {workload.ref: workload for workload in workloads if not workload.stalled}
    begun: dict[ObjectRef, Json | None] = {}
    for pod, dummy in snapshot.proxy_statuses:
        owner = snapshot.workload_of(pod)
        if (
            owner
            and owner.ref in candidates
            and pod.labels.get(REVISION_LABEL) != owner.template_labels.get(REVISION_LABEL)
        ):
            begun[owner.ref] = None
            undo = plan_workload_undo(owner, None, snapshot.mesh)
            if isinstance(undo, Undo):
                begun[owner.ref] = label_patch(owner, undo.state.get(REVISION_LABEL), undo.journal.annotations)
    return begun


def _unmovable_pods(snapshot: Snapshot, workload: Workload, reason: Unrestartable) -> UnrestartablePods:
    pods = sum(snapshot.workload_of(pod) is workload for pod, dummy in snapshot.proxy_statuses)
    return UnrestartablePods(workload.namespace, workload.kind, workload.name, pods, reason)


def _movable_workloads(workloads: Iterable[Workload], selected: set[ObjectRef]) -> list[MovableWorkloads]:
    groups: dict[str, list[Workload]] = collections.defaultdict(list)
    for workload in sorted(workloads, key=lambda workload: workload.ref):
        groups[workload.namespace].append(workload)
    return [
        {"namespace": name, "workloads": len(group), "selected": [str(w) for w in group if w.ref in selected]}
        for name, group in groups.items()
    ]
