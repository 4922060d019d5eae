# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans moves of namespaces to a revision, and the moves that undo those of namespaces and tags."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.own_namespaces import (
    owning_mesh,
    require_own_namespaces,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    IGNORED_NAMESPACES,
    dangling_name,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    INJECTION_LABEL,
    REVISION_LABEL,
    SELECTING_LABELS,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import owner_hint
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    TARGET,
    Journal,
    NotRestored,
    State,
    Undo,
    describe_state,
    find_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.default_injection import default_injection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace, selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import (
    expand_namespaces,
    is_pattern,
)


@dataclasses.dataclass(frozen=True)
class NamespaceMove:
    """The labels of a namespace before and after; ``undone`` is its journal after an undo, else None."""

    namespace: str
    before: State
    after: State
    resource_version: str
    journal: Journal = dataclasses.field(default_factory=Journal)
    undone: Journal | None = None

    def patch(self, run: str) -> dict[str, t.Any]:
        """Return one merge patch that changes both labels and the journal together (safety rules S2, S16)."""
        journal = self.undone or self.journal.with_change(run, self.before, self.after)
        return {
            "metadata": {
                "resourceVersion": self.resource_version,
                "labels": {key: self.after.get(key) for key in SELECTING_LABELS},
                "annotations": journal.annotations,
            }
        }

    @property
    def change(self) -> str:
        """The namespace, with its labels before and after."""
        return f"namespace {self.namespace}: {describe_state(self.before)} -> {describe_state(self.after)}"

    def __str__(self) -> str:
        return f"move {self.change}"


def selecting_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return those of the labels that select an injector."""
    return {key: labels[key] for key in SELECTING_LABELS if key in labels}


def label_state(state: State) -> dict[str, str | None]:
    """Return a state as a diff shows it, with None for an absent label."""
    return {key: state.get(key) for key in SELECTING_LABELS}


def plan_move(namespace: Namespace, target: str) -> NamespaceMove | None:
    """Return the move of a namespace to a revision or tag, or None if its labels are right."""
    before, after = selecting_labels(namespace.labels), {REVISION_LABEL: target}
    if before == after:
        return None
    return NamespaceMove(namespace.name, before, after, namespace.resource_version, namespace.journal)


def plan_moves(
    snapshot: Snapshot, patterns: Sequence[str], target: str, *, enroll: bool, cluster: str
) -> list[NamespaceMove]:
    """Return the moves that bring namespaces to a revision or tag.

    Args:
        snapshot: the cluster.
        patterns: names and patterns of namespaces.
        target: the revision or tag.
        enroll: whether to move namespaces outside the mesh too.
        cluster: display name of the cluster, for messages.

    Raises:
        ParameterError: a namespace does not exist, or a pattern matches none.
        SafetyError: no injector owns the target, or a namespace is outside the mesh or of another one.
    """
    require_own_namespaces(snapshot, patterns)
    names = matching_namespaces(snapshot, patterns, cluster)
    namespaces = [snapshot.namespaces[name] for name in names if not owning_mesh(snapshot, name)]
    require_injector(snapshot.mesh, target)
    outside = set() if enroll else {n.name for n in namespaces if is_outside(snapshot, n)}
    # A pattern matches only namespaces of the mesh, if only these may be moved.
    named = [n.name for n in namespaces if n.name in outside and n.name in patterns]
    if named:
        raise SafetyError(
            f"Namespaces {', '.join(named)} are not in the mesh (no {INJECTION_LABEL}=enabled, no {REVISION_LABEL}, or "
            "opted out); moving them would inject their next pods. Set enroll=true if that is intended."
        )
    return [move for n in namespaces if n.name not in outside and (move := plan_move(n, target))]


def is_outside(snapshot: Snapshot, namespace: Namespace) -> bool:
    """Return whether no label of a namespace selects a revision and no injector injects it by default."""
    return namespace.revision_label is None and default_injection(snapshot, namespace.name) is None


def existing_namespaces(
    snapshot: Snapshot, names: Sequence[str], *, skip_missing: bool
) -> tuple[list[str], dict[str, str]]:
    """Return the names and patterns that can be looked for, and the others with the reason why they are left out.

    A namespace that is being deleted gets no new pods. Unless ``skip_missing``, names without a namespace remain, so
    that they are refused.
    """
    left_out: dict[str, str] = {}
    for name in names:
        namespace = snapshot.namespaces.get(name)
        if namespace is None and skip_missing and not is_pattern(name):
            left_out[name] = "it does not exist any more"
        elif namespace is not None and namespace.terminating:
            left_out[name] = "it is being deleted"
    return [name for name in names if name not in left_out], left_out


def matching_namespaces(snapshot: Snapshot, patterns: Sequence[str], cluster: str) -> list[str]:
    """Return the namespaces that names and patterns match; system namespaces never match.

    Raises:
        ParameterError: a namespace does not exist, or a pattern matches none.
    """
    staying = {name for name, namespace in snapshot.namespaces.items() if not namespace.terminating}
    return expand_namespaces("namespaces", patterns, staying - IGNORED_NAMESPACES, cluster)


def require_injector(mesh: Mesh, target: str) -> None:
    """Refuse a label by which pods would silently start without a proxy (safety rule S2).

    Raises:
        SafetyError: no injector owns the name.
    """
    if mesh.injector(target) is None:
        owned = sorted({i.selected_name for i in mesh.injectors if not i.deactivated})
        raise SafetyError(
            f"No injector owns the name {target!r}: pods that select it would start without a proxy. "
            f"Existing revisions and tags: {', '.join(owned) or 'none'}.{owner_hint(mesh, target)}"
        )


def plan_undo(
    mesh: Mesh, namespace: Namespace, run: str | None, led_to: str = ""
) -> NamespaceMove | NotRestored | None:
    """Return the move back to the exact labels from before a run, the reason against it, or None without a change.

    Args:
        run: id of the run, None for the newest change.
        led_to: the revision that the run led to, for changes that were recorded without a state after them.
    """
    now = selecting_labels(namespace.labels)
    change = find_undo(namespace.journal, now, run)
    if not isinstance(change, Undo):
        return change
    revision = mesh.resolve(name) if (name := selected_name(now)) else None
    if change.unproven and led_to and revision != led_to:
        return NotRestored(f"it was changed since: the last run led to {led_to}, now it has {describe_state(now)}")
    dangling = dangling_name(mesh, change.state)
    if dangling is not None:
        return NotRestored(
            f"it cannot be restored to {describe_state(change.state)}: no injector owns {dangling!r} any more; "
            "install that revision again or move the namespace to another one",
            failed=True,
        )
    return NamespaceMove(
        namespace.name, now, change.state, namespace.resource_version, namespace.journal, change.journal
    )


def plan_undos(
    snapshot: Snapshot, names: Iterable[str], run_id: str | None, led_to: str = ""
) -> tuple[list[NamespaceMove], dict[str, NotRestored]]:
    """Return the moves that undo the changes of a run to the namespaces, and why the others keep their labels.

    The namespaces are independent: one that cannot be restored does not prevent the others.
    """
    existing = [snapshot.namespaces[name] for name in dict.fromkeys(names) if name in snapshot.namespaces]
    undos = {namespace.name: plan_undo(snapshot.mesh, namespace, run_id, led_to) for namespace in existing}
    kept = {name: undo for name, undo in undos.items() if isinstance(undo, NotRestored)}
    return [undo for undo in undos.values() if isinstance(undo, NamespaceMove)], kept


def plan_tag_undo(mesh: Mesh, tag: str, run: str | None, led_to: str = "") -> Undo | NotRestored | None:
    """Return the state that a tag is restored to, the reason against it, or None without a change."""
    injector = mesh.injector_of_tag(tag)
    if injector is None:
        return None
    change = find_undo(injector.journal, {TARGET: injector.revision}, run)
    if not isinstance(change, Undo):
        return change
    if change.unproven and led_to and injector.revision != led_to:
        return NotRestored(f"it was changed since: the last run led to {led_to}, now it points at {injector.revision}")
    target = change.state.get(TARGET, "")
    if not mesh.runs(target):
        return NotRestored(f"it cannot be restored to {target}: that revision does not exist any more", failed=True)
    return change
