# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollback gives namespaces and tags back what they had before a canary, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import MESH, ROLLBACK, assert_sound, mesh
from integration.objects import INJECTION, changed
from integration.story import Reading
from integration.support import CANARY, NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: Follows the new revision neither there nor back.
STAYS = "logging"


@dataclass(frozen=True)
class Back:
    """A canary that left one namespace out, then the rollback in check mode, for real, and again."""

    cluster: Cluster
    before: Reading
    moved: Reading
    late: Play
    checked: Play
    undone: Play
    after: Reading
    again: Play
    writes: dict[str, list[Json]]


@pytest.fixture(scope="module")
def back(desk: Desk) -> Back:
    """There and back."""
    cluster, desk.state = desk.lab.clusters[1], ""
    mesh(cluster, REVISION)
    before = Reading.of(cluster)
    desk.play([cluster], playbook=CANARY, istio_exclude_namespaces=[STAYS]).require_success()
    cluster.wait_ready()
    moved, mark = Reading.of(cluster), cluster.audit_mark()
    late = desk.play(
        [cluster], playbook=ROLLBACK, istio_not_after="2026-01-01T00:00:00Z", istio_exclude_namespaces=["rep*"]
    )
    writes = {"late": cluster.writes_since(mark)}
    checked = desk.play([cluster], "--check", "--diff", playbook=ROLLBACK)
    writes["checked"] = cluster.writes_since(mark)
    undone = desk.play([cluster], "--diff", playbook=ROLLBACK)
    cluster.wait_ready()
    after, mark = Reading.of(cluster), cluster.audit_mark()
    again = desk.play([cluster], playbook=ROLLBACK)
    writes["again"] = cluster.writes_since(mark)
    return Back(cluster, before, moved, late, checked, undone, after, again, writes)


def test_labels_and_tags_are_exactly_as_before(back: Back) -> None:
    back.undone.require_success()
    kinds = ("Namespace", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Service")
    then, now = ({key: one.objects[key] for key in one.objects if key[0] in kinds} for one in (back.before, back.after))
    left = changed(then, now)
    assert {key[2] for key in left if left[key] != "create"} == set()
    assert all(NEW_REVISION in key[2] for key in left), "only what the new revision consists of is new"
    assert now["Namespace", "", "catalog"]["metadata"]["labels"][INJECTION] == "enabled"


def test_the_canary_had_moved_them(back: Back) -> None:
    versions = {key[0]: pod.version for key, pod in back.moved.pods.items() if pod.owner.startswith("ReplicaSet/")}
    assert {versions[name] for name in ("shop", "catalog", "reports", "ingress")} == {NEW_VERSION}
    assert versions[STAYS] == VERSION


def test_only_what_had_moved_is_restarted(back: Back) -> None:
    restarted = [text for result in back.undone.of(back.cluster, "rollout_restart") for text in result["restarted"]]
    assert len(restarted) == 10
    assert not [text for text in restarted if f" {STAYS}/" in text]
    for key, pod in back.before.pods.items():
        if key[0] in (STAYS, "legacy", "batch"):
            assert back.after.pods[key] == pod
    rolled = {key: pod for key, pod in back.after.pods.items() if key[0] in MESH and pod.image}
    assert {(pod.version, pod.annotated) for pod in rolled.values()} == {(VERSION, REVISION)}
    assert_sound(back.cluster, VERSION, REVISION)


def test_limits_hold_for_the_way_back(back: Back) -> None:
    back.late.require_success()
    assert back.writes["late"] == []
    said = " ".join(back.late.output.split())
    assert "Tag prod is not moved back, because it is followed by reports (istio_exclude_namespaces names it)." in said
    assert "The maintenance window ended at 2026-01-01T00:00:00Z. The next run undoes the rest." in said


def test_check_mode_writes_nothing_and_says_what_the_run_does(back: Back) -> None:
    back.checked.require_success()
    assert back.writes["checked"] == []

    def told(play: Play) -> list[Any]:
        ours = [
            one.result for one in play.ours(back.cluster) if not one.action.endswith(("istio_info", "istio_run_record"))
        ]
        single = [one for result in ours for one in result.get("results", [result])]
        return [(one["changed"], one["actions"], one.get("diff")) for one in single]

    assert told(back.checked) == told(back.undone)
    assert len(told(back.checked)) == 6


def test_the_second_run_changes_nothing(back: Back) -> None:
    back.again.require_success()
    assert back.again.recap[back.cluster.name]["changed"] == 0
    assert back.writes["again"] == []


def test_the_new_revision_stays_for_another_try(desk: Desk, back: Back) -> None:
    info = desk.tool(back.cluster, "istio_info", record=True)
    assert [row["revision"] for row in info["control_planes"]] == [REVISION, NEW_REVISION]
    assert info["undo"]["recorded_runs"] == {}, "nothing is left to undo"
