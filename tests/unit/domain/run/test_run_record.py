# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a run: its id on all clusters, and the run that a rollback undoes (S16)."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    begin_record,
    end_record,
    run_id,
    undoable_run,
)
from unit.support import builders as b


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
