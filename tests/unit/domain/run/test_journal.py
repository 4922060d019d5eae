# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S16: what a run changed is remembered with its id, undone only as it was left, and forgotten when it ends."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import plan_workload_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    begin_record,
    end_record,
    is_unfinished_rollback,
    run_id,
    run_to_undo,
    undoable_run,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import (
    add_known,
    cannot_be_undone,
    describe_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.journal_cleanup import (
    forget_unreachable_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE as REVISION
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import run_of, task

A, B, C = ({REV: name} for name in ("1-29-2", b.OLD, b.NEW))
BOTH = (INJECTION, REV)


def written(*changes: Change) -> str:
    """The text that a journal has."""
    return json.dumps([change.as_dict() for change in changes])


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


def run(process: str, before: t.Any = None, **options: str) -> b.Json:
    """The record of a run that begins."""
    given = RunOptions(**{"strategy": "canary", "version": "1.31.0", "revision": b.NEW, **t.cast("t.Any", options)})
    return begin_record(before, given, "anna", process, "2026-03-01T00:00:00Z")


def test_a_run_has_one_id_on_all_clusters_and_hands_it_on_to_one_with_the_same_aim() -> None:
    first = run("p1")
    aim = {"strategy": "canary", "version": "1.31.0", "revision": b.NEW}
    assert first["id"] == run_id("p1", aim) == run("p1", before=run("p0", version="1.30.3"))["id"]
    for state in ("stopped", "failed", "done"):
        assert run("p2", before=end_record(first, state, "now"))["id"] == first["id"], state
    assert run("p2", before=end_record(first, "failed", "now"), version="1.31.1")["id"] != first["id"]
    assert run("p1", before=first, version="1.31.1")["id"] != first["id"], "two playbooks in one ansible-playbook"
    nameless = run("p1", version="", revision="")
    assert run("p2", before=end_record(nameless, "done", "now"), version="", revision="")["id"] != nameless["id"]


def test_a_rollback_undoes_the_last_run_that_was_none() -> None:
    first = end_record(run("p1"), "done", "now")
    assert undoable_run(first) == (first["id"], b.NEW)
    back = end_record(run("p2", before=first, strategy="rollback", version="", revision=""), "done", "now")
    assert (back["undoes"], undoable_run(back)) == (first["id"], (first["id"], b.NEW))
    again = run("p3", before=back, strategy="rollback", version="", revision="", undoes="other")
    assert (again["undoes"], undoable_run(again)) == ("other", (first["id"], b.NEW))
    assert undoable_run(None) == ("", "")
    assert undoable_run({"strategy": "canary", "revision": b.NEW, "state": "done"}) == (UNKNOWN_RUN, b.NEW)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, ("r2", b.NEW)),
        ("r2", ("r2", b.NEW)),
        ("r1", ("r1", b.OLD)),
        ("r0", ("r0", "")),
        (UNKNOWN_RUN, (UNKNOWN_RUN, "")),
    ],
)
def test_which_run_is_undone(asked: str | None, expected: tuple[str, str]) -> None:
    record = {"id": "r2", "undoable": "r2", "undoable_revision": b.NEW, "previous": {"id": "r1", "revision": b.OLD}}
    assert run_to_undo(record, asked) == expected
    rows = describe_undo(b.snapshot_of(b.two_planes()), *expected)
    assert add_known(record, rows)["known"] is (asked not in ("r0", UNKNOWN_RUN))


PLANES = [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.revision_tag("prod", b.NEW)]
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


def test_a_rollback_restarts_what_is_behind_only_if_it_was_begun() -> None:
    stale = b.deployed("web", "shop", revision=b.NEW)
    snapshot = b.snapshot_of([*b.two_planes(), b.namespace("shop", B), *stale])
    assert describe_undo(snapshot, "r1", b.NEW)["stale_namespaces"] == []
    assert describe_undo(snapshot, "r1", b.NEW, resumed=True)["stale_namespaces"] == ["shop"]
    assert describe_undo(snapshot, "r1", "1-29-2", resumed=True)["stale_namespaces"] == []
    begun_record = {"strategy": "rollback", "state": "running", "undoes": "r1"}
    assert is_unfinished_rollback(begun_record, "r1")
    assert not is_unfinished_rollback({**begun_record, "state": "done"}, "r1")
    assert not is_unfinished_rollback(begun_record, "r2")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The state after a canary: a namespace, a workload and a tag record its run."""
    prod = b.revision_tag("prod", b.NEW)
    prod[0]["metadata"]["annotations"] = {JOURNAL: written(Change("r1", {"revision": b.OLD}, {"revision": b.NEW}))}
    space = b.namespace("shop", C, {JOURNAL: written(Change("r1", B, C))})
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), *prod, *b.namespaces(), space, b.namespace("tools", {})]
    wiki = b.deployed("wiki", "tools", pod_labels={**C, INJECT: "true"}, revision=b.NEW)
    wiki[0]["metadata"]["annotations"] = {JOURNAL: written(Change("r1", B, C))}
    with FakeApi(*objects, *wiki) as found:
        yield found


def remembering(api: FakeApi) -> list[str]:
    """The objects with a journal."""
    return sorted(
        f"{one['kind']} {one['metadata']['name']}"
        for one in api.objects
        if (one["metadata"].get("annotations") or {}).get(JOURNAL)
    )


def test_what_would_be_undone_is_told_for_every_kind_of_object(api: FakeApi) -> None:
    rows = task(api, INFO, record=True, run_id="r1")["undo"]
    assert (rows["run_id"], rows["recorded_runs"], rows["not_restored"]) == ("r1", {"r1": 3}, [])
    assert [row["name"] for row in rows["namespaces"]] == ["shop"]
    assert [(row["name"], row["before"], row["after"]) for row in rows["tags"]] == [("prod", b.OLD, b.NEW)]
    assert [(row["workload"], row["before"]) for row in rows["workloads"]] == [("Deployment tools/wiki", b.OLD)]
    assert rows["summary"] == "a rollback would undo run r1: 1 namespace, 1 tag, 1 workload"
    strange = task(api, INFO, record=True, run_id="r9")["undo"]
    assert (strange["known"], strange["summary"]) == (
        False,
        "run r9 has not changed this cluster, so there is nothing to undo",
    )


def test_a_retired_revision_is_forgotten_by_every_kind_of_object(api: FakeApi) -> None:
    assert remembering(api) == [
        "Deployment wiki",
        "MutatingWebhookConfiguration istio-revision-tag-prod",
        "Namespace shop",
    ]
    run = run_of(api, REVISION, revision=b.OLD, state="absent")
    snapshot = run.snapshot(pods=True)
    assert forget_unreachable_states(run, snapshot, b.OLD) == []
    assert len(remembering(api)) == 3, "nothing is forgotten while the revision is there"
    gone = b.plane(b.OLD)
    names = {(one["kind"], one["metadata"]["name"]) for one in gone}
    api.objects = [one for one in api.objects if (one["kind"], one["metadata"]["name"]) not in names]
    assert forget_unreachable_states(run, snapshot, b.OLD) == []
    assert remembering(api) == []


def test_every_memory_is_read_and_written_by_the_journal_alone() -> None:
    """No other file writes such an annotation: it would have no run and no end."""
    keys = ("meshops.istio/journal", "meshops.istio/previous-labels", "meshops.istio/previous-revision")
    found = {
        path.name
        for path in (ROOT / "plugins" / "module_utils").rglob("*.py")
        if any(f'"{key}"' in path.read_text(encoding="utf-8") for key in keys)
    }
    assert found == {"journal.py"}
