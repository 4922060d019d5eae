# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of an object: changes with the id of their run, their undo, and when they cannot be undone (S16)."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import plan_workload_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    JOURNAL,
    PREVIOUS_LABELS,
    PREVIOUS_REVISION,
    UNKNOWN_RUN,
    Change,
    Journal,
    NotRestored,
    Undo,
    find_undo,
    read_label_journal,
    read_tag_journal,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import cannot_be_undone
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import read_workload
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.journals import A, B, C, written

BOTH = (INJECTION, REV)


def journal(*changes: Change) -> Journal:
    """A journal as it is read from a namespace."""
    return read_label_journal({JOURNAL: written(*changes)}, BOTH)


@pytest.mark.parametrize(
    ("changes", "run", "before", "after", "expected"),
    [
        pytest.param([], "r1", A, B, [Change("r1", A, B)], id="a first change"),
        pytest.param([Change("r1", A, B)], "r2", B, C, [Change("r1", A, B), Change("r2", B, C)], id="by another run"),
        pytest.param([Change("r1", A, B)], "r1", B, C, [Change("r1", A, C)], id="twice by one run is one change"),
        pytest.param([Change("r1", A, B)], "r1", B, A, [], id="there and back by one run: no change"),
        pytest.param([Change("r1", A, B)], "r1", C, A, [Change("r1", C, A)], id="another client changed it between"),
        pytest.param(
            [Change(UNKNOWN_RUN, A, None)],
            "r1",
            B,
            C,
            [Change(UNKNOWN_RUN, A, B), Change("r1", B, C)],
            id="older format",
        ),
    ],
)
def test_a_change_is_written_down(
    changes: list[Change], run: str, before: t.Any, after: t.Any, expected: list[Change]
) -> None:
    made = journal(*changes).with_change(run, before, after)
    assert list(made.changes) == expected
    text = made.annotations[JOURNAL]
    assert (json.loads(text) if text else []) == [change.as_dict() for change in expected]
    assert made.annotations[PREVIOUS_LABELS] is None


def test_an_object_remembers_its_last_five_changes() -> None:
    made = Journal()
    for number in range(9):
        made = made.with_change(f"r{number}", {REV: str(number)}, {REV: str(number + 1)})
    assert [change.run for change in made.changes] == ["r4", "r5", "r6", "r7", "r8"]


LIFE = [Change("r1", A, B), Change("r2", B, C)]


@pytest.mark.parametrize(
    ("changes", "now", "run", "expected"),
    [
        pytest.param(LIFE, C, "r2", B, id="the last run"),
        pytest.param(LIFE, C, None, B, id="the newest change"),
        pytest.param(LIFE[:1], B, "r1", A, id="the run before it, once that is undone"),
        pytest.param(LIFE, C, "r1", "run r2 changed it again", id="not while a later change stands"),
        pytest.param(LIFE, A, "r2", "it was changed since: run r2 left istio.io/rev=1-31-0", id="F1: moved by hand"),
        pytest.param(LIFE, {}, "r2", "it was changed since", id="taken out of the mesh by hand"),
        pytest.param(LIFE, B, "r2", None, id="it is there already"),
        pytest.param(LIFE, C, "r3", None, id="F1: a run that did not touch it"),
        pytest.param([], C, None, None, id="nothing is remembered"),
        pytest.param([Change("r1", {}, C)], C, "r1", {}, id="back to no label"),
    ],
)
def test_undo_touches_only_what_the_run_left(
    changes: list[Change], now: t.Any, run: str | None, expected: t.Any
) -> None:
    found = find_undo(journal(*changes), now, run)
    if isinstance(found, Undo):
        assert found.state == expected
        assert len(found.journal.changes) == len(changes) - 1
    elif isinstance(found, NotRestored):
        assert found.reason.startswith(str(expected))
        assert not found.failed
    else:
        assert expected is None


def test_only_the_labels_that_choose_an_injector_are_ever_given_back() -> None:
    """A namespace's annotations are their owner's to write."""
    text = written(Change("r1", {REV: b.OLD, "pod-security.kubernetes.io/enforce": "privileged"}, C))
    found = find_undo(read_label_journal({JOURNAL: text}, BOTH), C, "r1")
    assert isinstance(found, Undo)
    assert found.state == B


@pytest.mark.parametrize(
    ("annotations", "state"),
    [({PREVIOUS_REVISION: b.OLD}, {"revision": b.OLD}), ({JOURNAL: "[" * 150_000}, None), ({}, None)],
)
def test_the_journal_of_a_tag(annotations: dict[str, str], state: dict[str, str] | None) -> None:
    found = find_undo(read_tag_journal(annotations), {"revision": b.NEW}, None)
    assert (found.state if isinstance(found, Undo) else None) == state


AFTER = b.mesh_of([*b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.revision_tag("prod", b.NEW)])


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        pytest.param(Change("r", B, C), True, id="its revision is gone"),
        pytest.param(Change("r", {INJECTION: "enabled"}, C), True, id="the default leads where it is now"),
        pytest.param(Change("r", {REV: "prod"}, C), True, id="the tag leads where it is now"),
        pytest.param(Change("r", {}, C), False, id="it was outside the mesh"),
        pytest.param(Change("r", {INJECTION: "disabled"}, C), False, id="it had opted out of the mesh"),
        pytest.param(Change("r", C, {REV: "1-31-1"}), True, id="what it was moved to is gone"),
        pytest.param(
            Change("r", {"revision": b.OLD}, {"revision": b.NEW}), True, id="a tag of a revision that is gone"
        ),
        pytest.param(Change("r", {"revision": b.NEW}, {"revision": b.OLD}), False, id="a tag of one that runs"),
    ],
)
def test_the_past_ends_with_its_revision(change: Change, ends: bool) -> None:
    assert cannot_be_undone(AFTER, change) is ends


def test_pods_without_a_label_follow_the_default_so_their_past_ends_with_it() -> None:
    assert cannot_be_undone(AFTER, Change("r", {}, C), of_pods=True)


OLDER = {PREVIOUS_LABELS: json.dumps({REV: b.OLD})}


@pytest.mark.parametrize(
    ("label", "led_to", "goes"),
    [(b.NEW, b.NEW, True), (b.NEW, "", True), (b.NEW, "1-29-2", False), ("prod", b.NEW, False)],
)
def test_what_the_older_format_remembers_goes_back_only_from_where_the_run_led(
    label: str, led_to: str, goes: bool
) -> None:
    made = b.deployed("wiki", "tools", pod_labels={REV: label})
    made[0]["metadata"]["annotations"] = OLDER
    found = plan_workload_undo(read_workload("Deployment", made[0]), UNKNOWN_RUN, b.mesh_of(b.two_planes()), led_to)
    assert isinstance(found, Undo if goes else NotRestored)


def test_every_memory_is_read_and_written_by_the_journal_alone() -> None:
    """No other file writes such an annotation: it would have no run and no end."""
    keys = ("meshops.istio/journal", "meshops.istio/previous-labels", "meshops.istio/previous-revision")
    found = {
        path.name
        for path in (ROOT / "plugins" / "module_utils").rglob("*.py")
        if any(f'"{key}"' in path.read_text(encoding="utf-8") for key in keys)
    }
    assert found == {"journal.py"}
