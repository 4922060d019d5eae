# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook in_place replaces the control plane of two meshes, one without and one with a revision."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import (
    IN_PLACE,
    MESH,
    PATCH_VERSION,
    TWO_REPLICAS,
    Probe,
    assert_sound,
    meshes,
    suffix,
)
from integration.objects import INJECTION, REV, Pod, changed, labels
from integration.safety import no_write, refusal
from integration.story import Reading
from integration.support import NEW_VERSION, UNREVISIONED, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
REVISIONS = (UNREVISIONED, "stable")
WRONG_TAG = "9.9.9"


@dataclass(frozen=True)
class Step:
    """A run on both clusters, with a probe on each, and the readings around it."""

    play: Play
    probes: dict[str, Probe]
    writes: dict[str, list[Json]]
    before: dict[str, Reading]
    after: dict[str, Reading]


def step(desk: Desk, *flags: str, **variables: Any) -> Step:
    """Run the playbook in_place."""
    clusters = desk.lab.clusters
    hosts = {one.name: {"istio_revision": revision} for one, revision in zip(clusters, REVISIONS, strict=True)}
    before = {one.name: Reading.of(one) for one in clusters}
    marks = {one.name: one.audit_mark() for one in clusters}
    with contextlib.ExitStack() as stack:
        probes = {one.name: stack.enter_context(Probe(one)) for one in clusters}
        play = desk.play(clusters, *flags, playbook=IN_PLACE, hosts=hosts, **variables)
    writes = {one.name: one.writes_since(marks[one.name]) for one in clusters}
    return Step(play, probes, writes, before, {one.name: Reading.of(one) for one in clusters})


@dataclass(frozen=True)
class InPlace:
    """A wrong image tag, check mode, one minor version up, the same again, and a patch version up."""

    wrong: Step
    checked: Step
    upgraded: Step
    again: Step
    patched: Step


@pytest.fixture(scope="module")
def story(desk: Desk) -> InPlace:
    """Two istiods on each cluster, upgraded in place."""
    desk.state = ""
    meshes(desk.lab.clusters, REVISIONS, sets=TWO_REPLICAS)
    wrong = step(desk, istio_version=NEW_VERSION, istio_tag=WRONG_TAG, istio_timeout=5)
    checked = step(desk, "--check", "--diff", istio_version=NEW_VERSION)
    upgraded = step(desk, istio_version=NEW_VERSION)
    again = step(desk, istio_version=NEW_VERSION)
    for cluster, revision in zip(desk.lab.clusters, REVISIONS, strict=True):
        assert_sound(cluster, NEW_VERSION, revision)
    return InPlace(wrong, checked, upgraded, again, patch(desk))


def patch(desk: Desk) -> Step:
    """A patch version up, after somebody has upgraded the control plane and restarted one namespace already."""
    cluster = desk.lab.clusters[0]
    options: Json = {"version": PATCH_VERSION, "strategy": "in_place", "timeout": 60}
    assert "failed" not in desk.tool(cluster, "istio_revision", revision=UNREVISIONED, **options)
    assert desk.tool(cluster, "rollout_restart", namespaces=["shop"])["restarted"] == [
        "Deployment shop/cart",
        "Deployment shop/web",
    ]
    return step(desk, istio_version=PATCH_VERSION)


@pytest.fixture(params=[0, 1], ids=["unrevisioned", "revisioned"])
def cluster(request: pytest.FixtureRequest, desk: Desk) -> Cluster:
    """Each cluster of the lab."""
    return desk.lab.clusters[request.param]


def revision_of(desk: Desk, cluster: Cluster) -> str:
    return REVISIONS[desk.lab.clusters.index(cluster)]


def test_check_mode_writes_nothing_and_lists_what_the_run_does(story: InPlace, cluster: Cluster) -> None:
    story.checked.play.require_success()
    assert story.checked.writes[cluster.name] == []
    assert changed(story.checked.before[cluster.name].objects, story.checked.after[cluster.name].objects) == {}

    def restarted(play: Play) -> list[str]:
        return [text for result in play.of(cluster, "rollout_restart") for text in result["restarted"]]

    assert restarted(story.checked.play) == restarted(story.upgraded.play)
    assert len(restarted(story.upgraded.play)) == 12
    (promised,) = story.checked.play.of(cluster, "istio_revision")
    listed = {(one["kind"], one["namespace"], one["name"]) for one in promised["changes"]}
    happened = changed(story.upgraded.before[cluster.name].objects, story.upgraded.after[cluster.name].objects)
    assert listed == {key for key in happened if key[1] in ("", "istio-system")}


def test_the_mesh_is_upgraded_and_labels_stay(story: InPlace, cluster: Cluster) -> None:
    story.upgraded.play.require_success()
    before, after = story.upgraded.before[cluster.name], story.upgraded.after[cluster.name]
    for name in MESH:
        assert before.objects["Namespace", "", name] == after.objects["Namespace", "", name]
    assert {pod.version for pod in followers(before.pods).values()} == {VERSION}
    assert {pod.version for pod in followers(after.pods).values()} == {NEW_VERSION}
    assert all(pod.ready for pod in followers(after.pods).values())


def followers(found: dict[tuple[str, str], Pod]) -> dict[tuple[str, str], Pod]:
    """The pods that a rollout replaces."""
    owned = {key: pod for key, pod in found.items() if pod.owner and not pod.owner.startswith("Job/")}
    return {key: pod for key, pod in owned.items() if key[0] in MESH}


def test_the_second_run_changes_nothing(story: InPlace, cluster: Cluster) -> None:
    story.again.play.require_success()
    assert story.again.play.recap[cluster.name]["changed"] == 0
    assert story.again.writes[cluster.name] == []
    assert story.again.before[cluster.name].pods == story.again.after[cluster.name].pods


@pytest.mark.parametrize("name", ["wrong", "checked", "upgraded", "again", "patched"])
def test_pods_can_be_created_throughout(story: InPlace, cluster: Cluster, name: str) -> None:
    probe: Probe = getattr(story, name).probes[cluster.name]
    assert probe.problems == []
    assert len(probe.versions) > 10


def test_a_patch_version_restarts_only_what_is_stale(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    story.patched.play.require_success()
    before, after = (followers(one[cluster.name].pods) for one in (story.patched.before, story.patched.after))
    assert {pod.version for pod in after.values()} == {PATCH_VERSION}
    same = {key[0] for key in before if before[key] == after.get(key)}
    assert same == ({"shop"} if cluster is desk.lab.clusters[0] else set())


def test_a_wrong_image_tag_fails_and_leaves_a_mesh_that_works(story: InPlace, cluster: Cluster) -> None:
    assert story.wrong.play.returncode == 2
    message = story.wrong.play.failure(cluster)
    assert "did not come up: Deployment istiod" in message
    assert f'ImagePullBackOff (Back-off pulling image "lab.invalid/istio/pilot:{WRONG_TAG}")' in message
    assert "The old istiod serves on and injects what it did before" in message
    assert set(story.wrong.probes[cluster.name].versions) == {VERSION}
    before, after = story.wrong.before[cluster.name], story.wrong.after[cluster.name]
    assert followers(before.pods) == followers(after.pods)
    prechecks = story.checked.play.of(cluster, "istio_precheck")
    codes = {found["code"]: found["severity"] for found in prechecks[0]["findings"]}
    assert codes["MU004"] == "warning", "it is what the next run mends"


def test_settings_of_the_user_stay(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    end = suffix(revision_of(desk, cluster))
    after = story.patched.after[cluster.name].objects
    assert "accessLogFile: /dev/stdout" in after["ConfigMap", "istio-system", f"istio{end}"]["data"]["mesh"]
    assert after["Deployment", "istio-system", f"istiod{end}"]["spec"]["replicas"] == 2
    assert '"traceSampling": 7' in after["ConfigMap", "istio-system", f"values{end}"]["data"]["merged-values"]


def test_a_changed_setting_is_refused_and_can_be_accepted(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    assert story.patched
    options: Json = {"revision": revision_of(desk, cluster), "version": PATCH_VERSION, "strategy": "in_place"}
    values = {"pilot": {"traceSampling": 9}}
    with no_write(cluster):
        message = refusal(desk.tool(cluster, "istio_revision", values=values, **options), "SafetyError")
        accepted = desk.tool(
            cluster, "istio_revision", check=True, values=values, accept_settings=["pilot.traceSampling"], **options
        )
    assert "pilot.traceSampling: 7 -> 9" in message
    assert accepted["changed"] is True
    assert accepted["settings"]["user"] == {"pilot.traceSampling": [7, 9]}


def test_a_trap_left_by_plain_istioctl_is_named_and_healed(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    assert story.patched
    revision = revision_of(desk, cluster)
    own = None if revision == UNREVISIONED else revision
    failed = cluster.install_istio(PATCH_VERSION, own, sets=TWO_REPLICAS, tag=WRONG_TAG, timeout="1s", check=False)
    assert failed.returncode == 1
    options: Json = {"version": PATCH_VERSION, "strategy": "in_place"}
    found = {row["code"]: row for row in desk.tool(cluster, "istio_precheck", revision=revision, **options)["findings"]}
    assert f"already get the proxy image tag {WRONG_TAG}" in found["MU007"]["message"]
    assert found["MU007"]["severity"] == "warning"
    healed = desk.tool(cluster, "istio_revision", revision=revision, timeout=60, **options)
    assert "failed" not in healed, healed.get("msg")
    assert_sound(cluster, PATCH_VERSION, revision)


def test_s11_the_default_is_not_taken_back_by_the_way(desk: Desk, story: InPlace) -> None:
    assert story.patched
    cluster = desk.lab.clusters[0]
    cluster.install_istio(PATCH_VERSION, "other")
    cluster.istioctl(PATCH_VERSION, "tag", "set", "default", "--revision", "other", "--overwrite", "-y")
    options: Json = {"revision": UNREVISIONED, "version": PATCH_VERSION, "strategy": "in_place"}
    with no_write(cluster):
        message = refusal(desk.tool(cluster, "istio_revision", **options), "SafetyError")
        planned = desk.tool(cluster, "istio_revision", check=True, take_default=True, **options)
    assert "The tag default points at other" in message
    assert "Set take_default=true if that is meant" in message
    assert "istio-revision-tag-default" in {one["name"] for one in planned["changes"]}
    assert labels(cluster)["shop"][INJECTION] == "enabled"
    assert REV not in labels(cluster)["shop"]
