# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the journal of an object: the changes by runs, and whether each can be undone (safety rule S16).

The journal is an annotation of the object itself, written in the same patch as the change. It holds the run, and the
state before and after it. A change is undone only while the object has the state that the run left.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import (
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
#: Annotations of the older format: the labels, or the target of a tag, before the last change.
PREVIOUS_LABELS = "meshops.istio/previous-labels"
PREVIOUS_REVISION = "meshops.istio/previous-revision"
#: The run of a change that is recorded in the older format.
UNKNOWN_RUN = "unknown"
#: Number of changes in a journal.
MAX_CHANGES = 5
#: Key in the state of a tag.
TARGET = "revision"

#: The part of an object that runs change: injection labels, or {TARGET: revision} of a tag. Absent labels have no key.
State = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Change:
    """One change: the run, and the state before and after it; ``after`` is missing in the older format."""

    run: str
    before: State
    after: State | None

    def as_dict(self) -> dict[str, object]:
        """Return the JSON-ready form for the annotation."""
        return {"run": self.run, "before": dict(self.before), "after": None if self.after is None else dict(self.after)}


@dataclasses.dataclass(frozen=True)
class Journal:
    """The changes of one object, the newest last, and the annotations that they were read from."""

    changes: tuple[Change, ...] = ()
    raw: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    #: The annotation that cannot be read, and the reason.
    unreadable: tuple[str, str] | None = None

    @property
    def annotations(self) -> dict[str, str | None]:
        """The annotations of this journal, for a merge patch that removes those of the older format."""
        text = json.dumps([change.as_dict() for change in self.changes]) if self.changes else None
        return {**dict.fromkeys(self.raw), JOURNAL: text}

    def report_unreadable(self, read: Reader) -> None:
        """Report a journal that cannot be read: any client may have written the annotation."""
        if self.unreadable:
            read.refuse(f"annotation {self.unreadable[0]}", self.unreadable[1])

    def runs(self) -> set[str]:
        """Return the runs that changed the object."""
        return {change.run for change in self.changes}

    def with_change(self, run: str, before: State, after: State) -> Journal:
        """Return the journal with one more change; several changes by one run count as one."""
        changes = [c if c.after is not None else dataclasses.replace(c, after=before) for c in self.changes]
        if changes and changes[-1].run == run:
            last = changes.pop()
            before = last.before if last.after == before else before
        if before != after:
            changes.append(Change(run, dict(before), dict(after)))
        return dataclasses.replace(self, changes=tuple(changes[-MAX_CHANGES:]), unreadable=None)

    def without_change(self, change: Change) -> Journal:
        """Return the journal without a change that is undone."""
        return dataclasses.replace(self, changes=tuple(other for other in self.changes if other is not change))

    def without_obsolete(self, is_obsolete: Callable[[Change], bool]) -> Journal:
        """Return the journal without the obsolete changes, which cannot be undone any more, and those before them."""
        last = max((count for count, change in enumerate(self.changes, 1) if is_obsolete(change)), default=0)
        return dataclasses.replace(self, changes=self.changes[last:])


@dataclasses.dataclass(frozen=True)
class Undo:
    """The undo of a change: the state to restore, and the journal after it."""

    state: State
    journal: Journal
    #: The change is recorded in the older format, so it is unknown whether the object still has the state after it.
    unproven: bool = False


@dataclasses.dataclass(frozen=True)
class NotRestored:
    """The reason why a change is not undone; ``failed``: it should be undone, but cannot."""

    reason: str
    failed: bool = False


def read_label_journal(annotations: Mapping[str, str], labels: tuple[str, ...]) -> Journal:
    """Return the journal of a namespace or a workload; other labels than these are ignored."""
    return _read(annotations, PREVIOUS_LABELS, read_json_map, labels)


def read_tag_journal(annotations: Mapping[str, str]) -> Journal:
    """Return the journal of a tag."""
    return _read(annotations, PREVIOUS_REVISION, lambda text: {TARGET: text}, (TARGET,))


def _read(
    annotations: Mapping[str, str], key: str, read_older: Callable[[str], State], keys: tuple[str, ...]
) -> Journal:
    raw = {JOURNAL: annotations.get(JOURNAL), key: annotations.get(key)}

    def parse_state(state: object) -> State:
        values = {name: value for name, value in as_map(state).items() if name in keys}
        valid = all(isinstance(value, str) and VALUE.fullmatch(value) for value in values.values())
        if not isinstance(state, Mapping) or not valid:
            raise ValueError(f"{shown(state)} is not a state that a run writes")
        return {name: values[name] for name in keys if name in values}

    def parse_change(row: object) -> Change:
        run, after = as_text(as_map(row).get("run")), as_map(row).get("after")
        if not VALUE.fullmatch(run) or not run:
            raise ValueError(f"{shown(row)} is not a change that a run writes")
        return Change(run, parse_state(as_map(row).get("before")), None if after is None else parse_state(after))

    try:
        changes = [parse_change(row) for row in _rows(raw[JOURNAL])]
        if raw[key] and not changes:
            changes = [Change(UNKNOWN_RUN, parse_state(read_older(str(raw[key]))), None)]
    except ValueError as exc:
        return Journal(raw=raw, unreadable=(JOURNAL if raw[JOURNAL] else key, shown(exc)))
    return Journal(tuple(changes[-MAX_CHANGES:]), raw)


def _rows(text: str | None) -> list[object]:
    rows = read_json(text) if text else []
    if not isinstance(rows, list):
        raise ValueError("it is not a list")
    return rows


def find_undo(journal: Journal, now: State, run: str | None) -> Undo | NotRestored | None:
    """Return the undo of a run's change, the reason why it is not undone, or None if there is nothing to undo.

    Args:
        now: the current state of the object.
        run: id of the run, or None for the newest change of any run.
    """
    if journal.unreadable:
        return NotRestored("its annotation {} cannot be read: {}".format(*journal.unreadable), failed=True)
    changes = [change for change in journal.changes if run is None or change.run == run]
    if not changes:
        return None
    change = changes[-1]
    later = journal.changes[journal.changes.index(change) + 1 :]
    if later:
        return NotRestored(f"run {later[-1].run} changed it again")
    if now == change.before:
        return None
    if change.after is not None and now != change.after:
        after = describe_state(change.after)
        return NotRestored(f"it was changed since: run {change.run} left {after}, now it has {describe_state(now)}")
    return Undo(change.before, journal.without_change(change), unproven=change.after is None)


def describe_state(state: State) -> str:
    """Return a state as a text for messages."""
    if TARGET in state:
        return state[TARGET]
    return ", ".join(f"{key}={value}" for key, value in state.items()) or "no injection label"
