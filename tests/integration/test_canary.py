# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook canary upgrades two real meshes, with and without a revision, and finalizes them when it is asked to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import assert_sound, drop_unrestartable, suffix
from integration.objects import INJECTION, REV, changed, injected
from integration.story import SOURCES, Reading, Story
from integration.support import NEW_REVISION, NEW_VERSION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
MOVED = ("batch", "catalog", "ingress", "logging", "orders", "payments", "search", "shop")
BEHIND_TAG = "reports"
VERIFY = "meshops.istio.verify"
DEFAULT_OBJECTS = (
    ("MutatingWebhookConfiguration", "", "istio-revision-tag-default"),
    ("ValidatingWebhookConfiguration", "", "istiod-default-validator"),
    ("Service", "istio-system", "istiod-revision-tag-default"),
)
#: Unanswered questions of a survey.
EMPTY = dict.fromkeys(("istio_revision", "istio_waves", "istio_allow", "istio_gates", "istio_failure_budget"), "")
LATECOMER = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late", "labels": {INJECTION: "enabled"}}}


@pytest.fixture(params=[0, 1], ids=["revisioned", "unrevisioned"])
def cluster(request: pytest.FixtureRequest, desk: Desk) -> Cluster:
    """Each cluster of the lab."""
    return desk.lab.clusters[request.param]


@pytest.fixture
def source(desk: Desk, cluster: Cluster) -> str:
    """The revision that its mesh came with."""
    return SOURCES[desk.lab.clusters.index(cluster)]


def assert_upgraded(before: Reading, after: Reading) -> None:
    """Everything that could follow has followed, everything else is the very same pod."""
    stayed = {key for key, pod in before.pods.items() if pod.owner.startswith("Job/") or not pod.owner}
    assert {key[0] for key in stayed} == {"batch", "orders"}
    injectable = {key: pod for key, pod in after.pods.items() if key[0] in (*MOVED, BEHIND_TAG) and key not in stayed}
    assert len(injectable) == 26
    for key, pod in injectable.items():
        found = (pod.version, pod.annotated, pod.injected_by, pod.ready)
        assert found == (NEW_VERSION, NEW_REVISION, NEW_REVISION, True), key
    assert not {pod.uid for pod in injectable.values()} & {pod.uid for pod in before.pods.values()}
    old = {key: pod for key, pod in before.pods.items() if key in stayed or key[0] not in (*MOVED, BEHIND_TAG)}
    assert {key[0] for key in old} >= {"batch", "orders", "legacy", "istio-system"}
    assert {key: after.pods.get(key) for key in old} == old
    for name in MOVED:
        found = after.objects["Namespace", "", name]["metadata"]["labels"]
        assert (found.get(REV), found.get(INJECTION)) == (NEW_REVISION, None), name
    assert after.objects["Namespace", "", BEHIND_TAG]["metadata"]["labels"][REV] == "prod"
    tag = after.objects["MutatingWebhookConfiguration", "", "istio-revision-tag-prod"]
    assert tag["metadata"]["labels"][REV] == NEW_REVISION


def test_both_meshes_are_upgraded(story: Story, cluster: Cluster) -> None:
    story.upgraded.play.require_success()
    assert_upgraded(story.before[cluster.name], story.upgraded.after[cluster.name])


def test_nobody_took_the_default_and_the_old_revision_stays(story: Story, cluster: Cluster, source: str) -> None:
    before, after = story.before[cluster.name].objects, story.upgraded.after[cluster.name].objects
    for key in (*DEFAULT_OBJECTS, ("Deployment", "istio-system", f"istiod{suffix(source)}")):
        assert before[key] == after[key]
    assert before[DEFAULT_OBJECTS[0]]["metadata"]["labels"][REV] == source


def test_what_cannot_be_restarted_is_listed_with_its_remedy(story: Story, cluster: Cluster) -> None:
    rows = [row for result in story.upgraded.play.of(cluster, "rollout_restart") for row in result["unrestartable"]]
    assert sorted((row["kind"], row["namespace"], row["name"], row["code"]) for row in rows) == [
        ("Job", "batch", "reindex", "job"),
        ("Pod", "batch", "migration-shell", "bare_pod"),
    ]
    assert all(row["remedy"] for row in rows)
    dummy, verified = story.upgraded.play.of(cluster, "istio_precheck")
    assert {row["name"] for row in verified["unrestartable"]} == {"reindex", "migration-shell"}


def test_gateways_and_tags_come_after_the_namespaces(story: Story, cluster: Cluster) -> None:
    order = [text for result in story.upgraded.play.of(cluster, "rollout_restart") for text in result["restarted"]]
    assert order[-2:] == ["Deployment reports/monthly", "Deployment ingress/ingressgateway"]
    assert len(order) == 12


def test_the_second_run_changes_nothing_and_writes_nothing(story: Story, cluster: Cluster) -> None:
    story.again.play.require_success()
    assert story.again.play.recap[cluster.name]["changed"] == 0
    assert story.again.writes[cluster.name] == []
    before, after = story.upgraded.after[cluster.name], story.again.after[cluster.name]
    assert changed(before.objects, after.objects) == {}
    assert before.pods == after.pods


def test_what_is_done_is_left_alone_after_one_reading(story: Story, cluster: Cluster) -> None:
    story.left.play.require_success()
    assert [one.action for one in story.left.play.ours(cluster)] == ["meshops.istio.istio_info"]
    assert story.left.writes[cluster.name] == []


def test_verify_tells_an_upgraded_mesh_from_another(desk: Desk, story: Story, cluster: Cluster) -> None:
    story.again.play.require_success()
    passed = desk.play([cluster], playbook=VERIFY, istio_version=NEW_VERSION, istio_revision="")
    passed.require_success()
    assert passed.recap[cluster.name]["changed"] == 0
    failed = desk.play([cluster], playbook=VERIFY, istio_version=NEW_VERSION, istio_revision="1-31-1")
    assert "MU137 revision 1-31-1: No control plane of this revision runs in the cluster." in failed.output


def finalize(desk: Desk, *flags: str) -> Play:
    """Ask for everything, in the words of a survey."""
    answers = {"istio_finalize": "true", "istio_batch_size": "10", **EMPTY}
    return desk.play(desk.lab.clusters, *flags, **answers)


@dataclass(frozen=True)
class Finalized:
    """Finalize in check mode, for real, and again; with the writes that the first and the last one made."""

    checked: Play
    play: Play
    again: Play
    writes: dict[str, list[Json]]


@pytest.fixture(scope="module")
def refused(desk: Desk, story: Story) -> Any:
    """Finalize while a Job and a bare pod still have their proxies of the old revision."""
    story.again.play.require_success()
    readings = {one.name: Reading.of(one) for one in desk.lab.clusters}
    return finalize(desk), readings


def test_finalize_refuses_while_something_needs_the_old_revision(refused: Any, cluster: Cluster, source: str) -> None:
    play, readings = refused
    assert play.returncode == 2
    (result,) = play.failed(cluster)
    assert f"Revision {source} on cluster {cluster.name} is still needed and was not removed" in result["msg"]
    found = {(one["code"], one["object"]) for one in result["failure"]["blockers"]}
    assert found == {("live_proxy", "Job batch/reindex"), ("live_proxy", "Pod batch/migration-shell")}
    before, after = readings[cluster.name], Reading.of(cluster)
    assert changed(before.objects, after.objects) == {}
    assert after.pods == before.pods


@pytest.fixture(scope="module")
def finalized(desk: Desk, refused: Any) -> Finalized:
    """The Job and the bare pod are gone, and a namespace came late; finalize, and finalize again."""
    for one in desk.lab.clusters:
        drop_unrestartable(one)
        one.apply([LATECOMER])
    assert all(injected(one, "late").version == VERSION for one in desk.lab.clusters)
    marks = {one.name: one.audit_mark() for one in desk.lab.clusters}
    checked = finalize(desk, "--check")
    writes = written(desk, marks)
    play = finalize(desk)
    marks = {one.name: one.audit_mark() for one in desk.lab.clusters}
    again = finalize(desk)
    return Finalized(checked, play, again, {k: v + writes[k] for k, v in written(desk, marks).items()})


def written(desk: Desk, marks: dict[str, Any]) -> dict[str, list[Json]]:
    """The writes on each cluster since a mark."""
    return {one.name: one.writes_since(marks[one.name]) for one in desk.lab.clusters}


def test_finalize_moves_the_default_and_removes_the_old_revision(
    desk: Desk, finalized: Finalized, cluster: Cluster, source: str
) -> None:
    finalized.play.require_success()
    after = Reading.of(cluster)
    gone = [f"{name}{suffix(source)}" for name in ("istiod", "istio", "values", "istio-sidecar-injector")]
    assert not [key for key in after.objects if key[2] in gone or VERSION.replace(".", "-") in key[2]]
    assert [row["revision"] for row in desk.tool(cluster, "istio_info")["control_planes"]] == [NEW_REVISION]
    assert_sound(cluster, NEW_VERSION, NEW_REVISION)
    late = injected(cluster, "late")
    assert (late.version, late.annotated) == (NEW_VERSION, NEW_REVISION)
    assert {pod.annotated for pod in after.pods.values() if pod.image and not pod.done} == {NEW_REVISION}


def test_finalize_in_check_mode_says_what_it_then_does(finalized: Finalized, cluster: Cluster, source: str) -> None:
    finalized.checked.require_success()
    said, done = (
        [(one.task, one.result["actions"]) for one in play.ours(cluster) if one.result["changed"]]
        for play in (finalized.checked, finalized.play)
    )
    assert said == done
    assert [action for dummy, actions in said for action in actions] == [
        f"move namespace late: {INJECTION}=enabled -> istio.io/rev={NEW_REVISION}",
        f"move tag default: {source} -> {NEW_REVISION}",
        f"remove revision {source} ({VERSION})",
    ]


def test_finalize_again_changes_nothing_and_check_mode_never_does(finalized: Finalized, cluster: Cluster) -> None:
    finalized.again.require_success()
    assert finalized.again.recap[cluster.name]["changed"] == 0
    assert finalized.writes[cluster.name] == []
