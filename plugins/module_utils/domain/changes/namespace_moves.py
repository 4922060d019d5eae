# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of namespaces and tags, and how each of them goes back."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import dangling_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    REVISION_LABEL,
    SELECTING_LABELS,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    TARGET,
    Journal,
    Kept,
    State,
    Undo,
    undo_of,
    words,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace, selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


@dataclasses.dataclass(frozen=True)
class Move:
    """One namespace with its injection labels before and after; ``undone`` is its journal once a change is undone."""

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

    def back(self, namespace: Namespace, run: str) -> Move:
        """Return the move that puts a namespace back which the same run has moved a moment ago."""
        journal = namespace.journal
        undone = journal.with_change(run, self.after, self.before)
        return Move(self.namespace, self.after, self.before, namespace.resource_version, journal, undone)

    def __str__(self) -> str:
        return f"move namespace {self.namespace}: {words(self.before)} -> {words(self.after)}"


def injection_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that choose an injector, as far as they are there."""
    return {key: labels[key] for key in SELECTING_LABELS if key in labels}


def both(state: State) -> dict[str, str | None]:
    """Return a state as a diff shows it: None where a label is absent."""
    return {key: state.get(key) for key in SELECTING_LABELS}


def move(namespace: Namespace, target: str) -> Move | None:
    """Return the move of a namespace to a revision or tag, or None if it is there."""
    before, after = injection_labels(namespace.labels), {REVISION_LABEL: target}
    if before == after:
        return None
    return Move(namespace.name, before, after, namespace.resource_version, namespace.journal)


def require_owner(mesh: Mesh, target: str) -> None:
    """Refuse a label that would start pods without a proxy, silently (safety rule S2).

    Raises:
        SafetyError: no injector owns the name.
    """
    if mesh.injector(target) is None:
        owned = sorted({i.owns for i in mesh.injectors if not i.deactivated})
        raise SafetyError(
            f"No injector owns the name {target!r}: pods that ask for it would start without a proxy. "
            f"Revisions and tags that are there: {', '.join(owned) or 'none'}."
        )


def undo(mesh: Mesh, namespace: Namespace, run: str | None, led_to: str = "") -> Move | Kept | None:
    """Return the move back to the labels from before a run, exactly; why there is none; or None if nothing is to undo.

    Args:
        run: id of the run, None for the newest change.
        led_to: the revision that the run led to, for changes that were remembered without a state after them.
    """
    now = injection_labels(namespace.labels)
    found = undo_of(namespace.journal, now, run)
    if not isinstance(found, Undo):
        return found
    leads = mesh.resolve(name) if (name := selected_name(now)) else None
    if found.unproven and led_to and leads != led_to:
        return Kept(f"it was changed since: the last run led to {led_to}, now it has {words(now)}")
    gone = dangling_name(mesh, found.state)
    if gone is not None:
        return Kept(
            f"it cannot go back to {words(found.state)}: no injector owns {gone!r} any more; install that revision "
            "again or move the namespace to another one",
            failed=True,
        )
    return Move(namespace.name, now, found.state, namespace.resource_version, namespace.journal, found.journal)


def undos(
    snapshot: Snapshot, names: Iterable[str], run_id: str | None, led_to: str = ""
) -> tuple[list[Move], dict[str, Kept]]:
    """Return the moves that undo what a run did to the namespaces, and why the others keep their labels.

    Each namespace goes for itself: one that cannot go back keeps no other from going.
    """
    there = [snapshot.namespaces[name] for name in dict.fromkeys(names) if name in snapshot.namespaces]
    found = {namespace.name: undo(snapshot.mesh, namespace, run_id, led_to) for namespace in there}
    kept = {name: one for name, one in found.items() if isinstance(one, Kept)}
    return [one for one in found.values() if isinstance(one, Move)], kept


def tag_undo(mesh: Mesh, tag: str, run: str | None, led_to: str = "") -> Undo | Kept | None:
    """Return the state that a tag goes back to, as `undo` does for a namespace."""
    own = mesh.injector_of_tag(tag)
    if own is None:
        return None
    found = undo_of(own.journal, {TARGET: own.revision}, run)
    if not isinstance(found, Undo):
        return found
    if found.unproven and led_to and own.revision != led_to:
        return Kept(f"it was changed since: the last run led to {led_to}, now it points at {own.revision}")
    target = found.state.get(TARGET, "")
    if not mesh.runs(target):
        return Kept(f"it cannot go back to {target}: there is no such revision any more", failed=True)
    return found
