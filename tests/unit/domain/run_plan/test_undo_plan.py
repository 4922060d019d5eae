# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of an undo: the run that is undone, and the namespaces that are restarted (S16)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    is_unfinished_rollback,
    run_to_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import add_known, describe_undo
from unit.support import builders as b
from unit.support.journals import B


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
