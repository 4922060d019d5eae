# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The patch of the canary percentage and its undo, with the journal of the workload (S2, S16)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import (
    CanaryPercentage,
    plan_canary,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, PREVIOUS_LABELS
from unit.support import builders as b
from unit.support.percentage import FREE, OLD, SHOP, TRUE, change, moved, names, plan_percent, written

WAS_OLD = '{"istio.io/rev": "1-30-3"}'


@pytest.mark.parametrize(
    ("made", "percent", "patch"),
    [
        pytest.param((OLD, None), 100, (b.NEW, written(change("r1", b.OLD, b.NEW))), id="moved"),
        pytest.param(
            (TRUE, None), 100, (b.NEW, written(change("r1", None, b.NEW))), id="moved, without a label before"
        ),
        pytest.param((OLD, None), 0, None, id="never moved"),
        pytest.param(({REV: b.NEW}, '{"istio.io/rev": "prod"}'), 100, None, id="there"),
        pytest.param(({REV: b.NEW}, None), 100, None, id="there without a move"),
        pytest.param(({REV: b.NEW}, None), 0, None, id="there without a move, and stays"),
        pytest.param(({REV: b.NEW}, '{"istio.io/rev": "prod"}'), 0, ("prod", None), id="back"),
        pytest.param(({REV: b.NEW, **TRUE}, "{}"), 0, (None, None), id="back to no label"),
        pytest.param(
            ({REV: "prod"}, WAS_OLD),
            100,
            (b.NEW, written(change("unknown", b.OLD, "prod"), change("r1", "prod", b.NEW))),
            id="S16: moved on, and both moves are remembered",
        ),
        pytest.param((OLD, WAS_OLD), 0, None, id="moved to another revision, and stays"),
    ],
)
def test_the_patch_and_its_undo(made: tuple[b.Json, str | None], percent: int, patch: t.Any) -> None:
    objects = b.deployed(pod_labels=made[0])
    if made[1] is not None:
        objects[0]["metadata"]["annotations"] = {PREVIOUS_LABELS: made[1]}
    found = list(plan_percent(percent, *objects).label_changes.values())
    if patch is None:
        assert found == []
        return

    def of(label: str | None, journal: str | None, previous: str | None = None) -> b.Json:
        annotations = {PREVIOUS_LABELS: previous, JOURNAL: journal}
        return {
            "metadata": {"uid": objects[0]["metadata"]["uid"], "annotations": annotations},
            "spec": {"template": {"metadata": {"labels": {REV: label}}}},
        }

    assert [one.patch("r1") for one in found] == [of(*patch)]
    assert [one.back() for one in found] == [of(made[0].get(REV), None, made[1])]


@pytest.mark.parametrize("label", ["1-31-0", "prod", "1-30-3", None])
def test_without_a_revision_all_workloads_are_moved_back(label: str | None) -> None:
    made = moved(b.deployed(), label, WAS_OLD)
    found = plan_canary(b.snapshot_of([*FREE, *made]), SHOP, CanaryPercentage(0))
    back = [(one.after, one.undone.changes) for one in found.label_changes.values() if one.undone]
    assert back == ([] if label == b.OLD else [(b.OLD, ())])


RUNS = [change("r1", b.OLD, "prod"), change("r2", "prod", b.NEW)]


@pytest.mark.parametrize(
    ("label", "run", "after", "stays"),
    [
        pytest.param(b.NEW, "r2", "prod", None, id="the last run"),
        pytest.param(b.NEW, None, "prod", None, id="the newest change"),
        pytest.param(b.NEW, "r1", None, "run r2 changed it again", id="not the run before it"),
        pytest.param("prod", "r2", None, None, id="there is nothing to undo"),
        pytest.param(b.OLD, "r2", None, "it was changed since", id="another client changed it"),
        pytest.param(b.NEW, "r3", None, None, id="a run that did not change it"),
    ],
)
def test_s16_only_changes_of_the_run_are_undone(
    label: str, run: str | None, after: str | None, stays: str | None
) -> None:
    made = moved(b.deployed(), label, None)
    made[0]["metadata"]["annotations"] = {JOURNAL: written(*RUNS)}
    found = plan_canary(b.snapshot_of([*FREE, *made]), SHOP, CanaryPercentage(0, run=run))
    assert [one.after for one in found.label_changes.values()] == ([after] if after else [])
    assert [one.cause.reason.startswith(str(stays)) for one in found.unmovable] == ([True] if stays else [])


@pytest.mark.parametrize("text", ["[]", "[" * 150_000, '{"istio.io/rev": 7}', '{"istio.io/rev": "a b"}', "null"])
@pytest.mark.parametrize("percent", [0, 100])
def test_f18_a_journal_that_cannot_be_read_does_not_block_other_workloads(text: str, percent: int) -> None:
    odd = moved(b.deployed("odd", pod_labels={REV: b.NEW}), b.NEW, text)
    found = plan_percent(percent, *odd, *b.deployed("good", pod_labels=OLD))
    assert [(one.name, one.cause.code) for one in found.unmovable] == [("odd", "unreadable")]
    assert [change.workload.name for change in found.label_changes.values()] == (["good"] if percent else [])


@pytest.mark.parametrize(
    ("previous", "code", "reason"),
    [
        (
            '{"istio.io/rev": "gone"}',
            "previous_revision_gone",
            "with istio.io/rev=gone new pods of Deployment shop/web would get no",
        ),
        ("[" * 150_000, "unreadable", "its annotation meshops.istio/previous-labels cannot be read"),
    ],
)
def test_s16_a_workload_that_cannot_be_moved_back_does_not_block_others(previous: str, code: str, reason: str) -> None:
    stays = moved(b.deployed("cart", revision=b.NEW), b.NEW, previous)
    goes = moved(b.deployed(revision=b.NEW), b.NEW, WAS_OLD)
    found = plan_canary(b.snapshot_of([*FREE, *stays, *goes]), SHOP, CanaryPercentage(0))
    assert names(found.label_changes) == {"web"}
    assert [(one.name, one.cause.code) for one in found.unmovable] == [("cart", code)]
    assert found.unmovable[0].cause.reason.startswith(reason.replace("shop/web", "shop/cart"))
