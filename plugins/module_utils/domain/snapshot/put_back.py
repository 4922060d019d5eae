# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a run has moved and another client has set back: namespaces, tags, and labels of pod templates.

The journal of each object says what a run moved, and where to. GitOps controllers and admission policies write the
labels that they know again, in the same request or much later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.git_owners import marked_owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    REVISION_LABEL,
    SELECTING_LABELS,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    TARGET,
    Change,
    Journal,
    State,
    describe_state,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace, selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Kinds of objects that runs move, beside workloads.
NAMESPACE, TAG = "namespace", "tag"
#: A restart would only follow the old label.
REMEDY = "change the labels at their source, such as in Git or in the policy, or exclude the namespace; then run again"


@dataclasses.dataclass(frozen=True)
class PutBack:
    """An object that a run has moved and that leads elsewhere now, and the client that wrote it."""

    ref: ObjectRef
    change: Change
    now: State
    writer: str

    @property
    def reason(self) -> str:
        """The event, as a part of a sentence about the object."""
        moved_to = describe_state(self.change.after or {})
        begun = " or was about to move it" if TARGET in self.now and self.now == self.change.before else ""
        return (
            f"run {self.change.run} moved it to {moved_to}{begun}, and {self.writer} has set it back: now it has "
            f"{describe_state(self.now)}"
        )


@dataclasses.dataclass(frozen=True)
class MovedBy:
    """Which moves count: those of one run, or those to one revision; without either, all."""

    run: str | None = None
    revision: str | None = None


def put_back(snapshot: Snapshot, moved: MovedBy) -> list[PutBack]:
    """Return everything that was moved and leads elsewhere now."""
    return [
        *put_back_namespaces(snapshot.mesh, snapshot.namespaces.values(), moved),
        *put_back_tags(snapshot.mesh, moved),
        *_put_back_workloads(snapshot, moved),
    ]


def put_back_namespaces(mesh: Mesh, namespaces: Iterable[Namespace], moved: MovedBy) -> Iterator[PutBack]:
    """Yield the namespaces that were moved and lead elsewhere now."""

    def leads_to(state: State) -> str | None:
        name = selected_name(state)
        return mesh.resolve(name) if name else None

    for namespace in namespaces:
        now = {key: namespace.labels[key] for key in SELECTING_LABELS if key in namespace.labels}
        change = _lost_change(namespace.journal, now, leads_to, moved)
        if change:
            yield PutBack(cluster_object(NAMESPACE, namespace.name), change, now, writer_of(namespace, change, now))


def writer_of(namespace: Namespace, change: Change, now: State) -> str:
    """Return the client that wrote the labels of a namespace after a change, with its owner if that is marked."""
    after = change.after or {}
    writer = namespace.writers.of_change([key for key in now if now[key] != after.get(key)])
    owner = marked_owner(namespace.labels, namespace.annotations)
    return f"{writer} ({owner} owns it)" if owner else writer


def put_back_tags(mesh: Mesh, moved: MovedBy) -> Iterator[PutBack]:
    """Yield the tags that were moved and point elsewhere now."""
    for injector in mesh.injectors:
        now = {TARGET: injector.revision}
        change = _lost_change(injector.journal, now, lambda state: state.get(TARGET), moved) if injector.tag else None
        if change:
            writer = injector.writers.of_change([REVISION_LABEL])
            yield PutBack(cluster_object(TAG, injector.tag), change, now, writer)


def _put_back_workloads(snapshot: Snapshot, moved: MovedBy) -> Iterator[PutBack]:
    def leads_to(state: State) -> str | None:
        return snapshot.mesh.resolve(state.get(REVISION_LABEL) or DEFAULT)

    for workload in snapshot.workloads.values():
        label = workload.template_labels.get(REVISION_LABEL)
        now = {} if label is None else {REVISION_LABEL: label}
        change = _lost_change(workload.journal, now, leads_to, moved)
        if change:
            yield PutBack(workload.ref, change, now, workload.writers.of_change(now))


def _lost_change(
    journal: Journal, now: State, leads_to: Callable[[State], str | None], moved: MovedBy
) -> Change | None:
    """Return the newest change of an object if its result is lost, or None."""
    change = journal.changes[-1] if journal.changes else None
    if change is None or change.after is None or now == change.after:
        return None
    target = leads_to(change.after)
    if moved.run not in (None, change.run) or moved.revision not in (None, target):
        return None
    return None if target is not None and leads_to(now) == target else change
