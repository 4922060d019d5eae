# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs changed at an object, and whether a change can be undone (safety rule S16).

The journal is an annotation of the object itself, written together with the change: what was there before, what is
there after it, and which run did it. A change is undone only while the object is as that run left it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import (
    Reader,
    as_map,
    as_text,
    read_json,
    read_json_map,
    shown,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import VALUE

#: Annotation of a namespace, a workload, or the webhook configuration of a tag.
JOURNAL = "meshops.istio/journal"
#: Annotations of the format before the journal: the labels, or the target of a tag, before the last change.
PREVIOUS_LABELS = "meshops.istio/previous-labels"
PREVIOUS_REVISION = "meshops.istio/previous-revision"
#: The run of a change that was remembered in the format before the journal.
UNKNOWN_RUN = "unknown"
#: How many changes an object remembers.
MOST_CHANGES = 5
#: Key of the state of a tag.
TARGET = "revision"

#: What a run changes at an object: its injection labels, or {TARGET: revision} of a tag. What is absent has no key.
State = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Change:
    """One change: by which run, and the state before and after it; ``after`` is None where nobody wrote it down."""

    run: str
    before: State
    after: State | None

    def as_dict(self) -> dict[str, object]:
        """Return the JSON-ready form that the annotation has."""
        return {"run": self.run, "before": dict(self.before), "after": None if self.after is None else dict(self.after)}


@dataclasses.dataclass(frozen=True)
class Journal:
    """The changes of one object, the newest last, and the annotations that they were read from."""

    changes: tuple[Change, ...] = ()
    raw: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    #: The annotation that cannot be read, and why.
    unreadable: tuple[str, str] | None = None

    @property
    def annotations(self) -> dict[str, str | None]:
        """The annotations that keep this journal, for a merge patch; those of the older format go."""
        text = json.dumps([change.as_dict() for change in self.changes]) if self.changes else None
        return {**dict.fromkeys(self.raw), JOURNAL: text}

    def report(self, read: Reader) -> None:
        """Note that the journal cannot be read, as anybody may have written there."""
        if self.unreadable:
            read.refuse(f"annotation {self.unreadable[0]}", self.unreadable[1])

    def runs(self) -> set[str]:
        """Return the runs that changed the object."""
        return {change.run for change in self.changes}

    def with_change(self, run: str, before: State, after: State) -> Journal:
        """Return the journal after one more change; what one run changes twice is one change."""
        changes = [c if c.after is not None else dataclasses.replace(c, after=before) for c in self.changes]
        if changes and changes[-1].run == run:
            last = changes.pop()
            before = last.before if last.after == before else before
        if before != after:
            changes.append(Change(run, dict(before), dict(after)))
        return dataclasses.replace(self, changes=tuple(changes[-MOST_CHANGES:]), unreadable=None)

    def without(self, change: Change) -> Journal:
        """Return the journal once a change is undone."""
        return dataclasses.replace(self, changes=tuple(one for one in self.changes if one is not change))

    def without_past(self, ended: Callable[[Change], bool]) -> Journal:
        """Return the journal without the changes that nothing leads back from any more, and those before them."""
        last = max((place for place, change in enumerate(self.changes, 1) if ended(change)), default=0)
        return dataclasses.replace(self, changes=self.changes[last:])


@dataclasses.dataclass(frozen=True)
class Undo:
    """How a change is undone: the state to give back, and the journal from then on."""

    state: State
    journal: Journal
    #: The change was remembered in the older format, so that nobody knows whether the object is still as it was left.
    unproven: bool = False


@dataclasses.dataclass(frozen=True)
class Kept:
    """Why an object keeps its state although a run changed it; ``failed``: it should not, but cannot go back."""

    why: str
    failed: bool = False


def read_label_journal(annotations: Mapping[str, str], labels: tuple[str, ...]) -> Journal:
    """Return the journal of a namespace or a workload; only these labels are read, whatever somebody wrote there."""

    def older(text: str) -> State:
        return read_json_map(text)

    return _read(annotations, PREVIOUS_LABELS, older, labels)


def read_tag_journal(annotations: Mapping[str, str]) -> Journal:
    """Return the journal of a tag."""
    return _read(annotations, PREVIOUS_REVISION, lambda text: {TARGET: text}, (TARGET,))


def _read(annotations: Mapping[str, str], key: str, older: Callable[[str], State], keys: tuple[str, ...]) -> Journal:
    raw = {JOURNAL: annotations.get(JOURNAL), key: annotations.get(key)}

    def only(state: object) -> State:
        found = {name: value for name, value in as_map(state).items() if name in keys}
        right = all(isinstance(value, str) and VALUE.fullmatch(value) for value in found.values())
        if not isinstance(state, Mapping) or not right:
            raise ValueError(f"{shown(state)} is not what a run writes")
        return {name: found[name] for name in keys if name in found}

    def change(row: object) -> Change:
        run, after = as_text(as_map(row).get("run")), as_map(row).get("after")
        if not VALUE.fullmatch(run) or not run:
            raise ValueError(f"{shown(row)} is not what a run writes")
        return Change(run, only(as_map(row).get("before")), None if after is None else only(after))

    try:
        changes = [change(row) for row in _rows(raw[JOURNAL])]
        if raw[key] and not changes:
            changes = [Change(UNKNOWN_RUN, only(older(str(raw[key]))), None)]
    except ValueError as exc:
        return Journal(raw=raw, unreadable=(JOURNAL if raw[JOURNAL] else key, shown(exc)))
    return Journal(tuple(changes[-MOST_CHANGES:]), raw)


def _rows(text: str | None) -> list[object]:
    found = read_json(text) if text else []
    if not isinstance(found, list):
        raise ValueError("it is no list")
    return found


def undo_of(journal: Journal, now: State, run: str | None) -> Undo | Kept | None:
    """Return how the change of a run is undone, why it is not, or None where there is nothing to undo.

    Args:
        now: the state that the object has.
        run: id of the run; None stands for the newest change, whoever made it.
    """
    if journal.unreadable:
        return Kept("its annotation {} cannot be read: {}".format(*journal.unreadable), failed=True)
    found = [change for change in journal.changes if run is None or change.run == run]
    if not found:
        return None
    change = found[-1]
    later = journal.changes[journal.changes.index(change) + 1 :]
    if later:
        return Kept(f"run {later[-1].run} changed it again")
    if now == change.before:
        return None
    if change.after is not None and now != change.after:
        return Kept(f"it was changed since: run {change.run} left {words(change.after)}, now it has {words(now)}")
    return Undo(change.before, journal.without(change), unproven=change.after is None)


def words(state: State) -> str:
    """Return a state as messages name it."""
    if TARGET in state:
        return state[TARGET]
    return ", ".join(f"{key}={value}" for key, value in state.items()) or "no injection label"
