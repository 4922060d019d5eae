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
    DOWNGRADE,
    ENABLED,
    IN_PLACE,
    MESH,
    PATCH_VERSION,
    TWO_REPLICAS,
    Probe,
    assert_sound,
    crd_versions,
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
PROFILES = ("default", "minimal")
#: Components of profile default.
GATEWAY = "istio-ingressgateway-"
WRONG_TAG = "9.9.9"


@dataclass(frozen=True)
class Step:
    """A run on both clusters, with a probe on each, and the readings around it."""

    play: Play
    probes: dict[str, Probe]
    writes: dict[str, list[Json]]
    before: dict[str, Reading]
    after: dict[str, Reading]


def step(desk: Desk, *flags: str, playbook: str = IN_PLACE, **variables: Any) -> Step:
    """Run a playbook in place."""
    clusters = desk.lab.clusters
    hosts = {one.name: {"istio_revision": revision} for one, revision in zip(clusters, REVISIONS, strict=True)}
    before = {one.name: Reading.of(one) for one in clusters}
    marks = {one.name: one.audit_mark() for one in clusters}
    with contextlib.ExitStack() as stack:
        probes = {one.name: stack.enter_context(Probe(one)) for one in clusters}
        play = desk.play(clusters, *flags, playbook=playbook, hosts=hosts, **variables)
    writes = {one.name: one.writes_since(marks[one.name]) for one in clusters}
    return Step(play, probes, writes, before, {one.name: Reading.of(one) for one in clusters})


@dataclass(frozen=True)
class Hop:
    """Check mode, the run, and the same again; everything is in order in between."""

    checked: Step
    done: Step
    again: Step

    @classmethod
    def run_story(cls, desk: Desk, version: str, **options: Any) -> Hop:
        checked = step(desk, "--check", "--diff", istio_version=version, **options)
        done = step(desk, istio_version=version, **options)
        if done.play.returncode == 0:
            for cluster, revision in zip(desk.lab.clusters, REVISIONS, strict=True):
                assert_sound(cluster, version, revision)
        return cls(checked, done, step(desk, istio_version=version, **options))


@dataclass(frozen=True)
class InPlace:
    """A wrong image tag, one minor version up, and a patch version up."""

    wrong: Step
    minor: Hop
    patch: Hop


@pytest.fixture(scope="module")
def story(desk: Desk) -> InPlace:
    """Two istiods on each cluster, upgraded in place."""
    desk.state = ""
    meshes(desk.lab.clusters, REVISIONS, PROFILES, sets=TWO_REPLICAS)
    wrong = step(desk, istio_version=NEW_VERSION, istio_tag=WRONG_TAG, istio_timeout=5)
    minor = Hop.run_story(desk, NEW_VERSION)
    begin_patch(desk)
    return InPlace(wrong, minor, Hop.run_story(desk, PATCH_VERSION))


def begin_patch(desk: Desk) -> None:
    """Another client upgrades the first control plane and restarts one namespace."""
    cluster = desk.lab.clusters[0]
    options: Json = {"version": PATCH_VERSION, "strategy": "in_place", "timeout": 120}
    assert "failed" not in desk.tool(cluster, "istio_revision", revision=UNREVISIONED, **options)
    assert desk.tool(cluster, "rollout_restart", namespaces=["shop"])["restarted"] == [
        "Deployment shop/cart",
        "Deployment shop/web",
    ]


@pytest.fixture(scope="module")
def down(desk: Desk, story: InPlace) -> Hop:
    """The way back by choice; a run before it was killed when it had replaced the first control plane."""
    story.patch.again.play.require_success()
    options: Json = {"version": VERSION, "strategy": "downgrade", "timeout": 120}
    assert "failed" not in desk.tool(desk.lab.clusters[0], "istio_revision", revision=UNREVISIONED, **options)
    return Hop.run_story(desk, VERSION, playbook=DOWNGRADE, istio_downgrade_strategy="in_place")


@pytest.fixture(params=["minor", "patch", "down"])
def hop(request: pytest.FixtureRequest, story: InPlace) -> Hop:
    """Each of the three changes of version."""
    found: Hop = getattr(story, request.param, None) or request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[0, 1], ids=["unrevisioned", "revisioned"])
def cluster(request: pytest.FixtureRequest, desk: Desk) -> Cluster:
    """Each cluster of the lab."""
    return desk.lab.clusters[request.param]


def revision_of(desk: Desk, cluster: Cluster) -> str:
    return REVISIONS[desk.lab.clusters.index(cluster)]


def followers(found: dict[tuple[str, str], Pod]) -> dict[tuple[str, str], Pod]:
    """The pods that a rollout replaces."""
    owned = {key: pod for key, pod in found.items() if pod.owner and not pod.owner.startswith("Job/")}
    return {key: pod for key, pod in owned.items() if key[0] in MESH or key[1].startswith(GATEWAY)}


def versions(reading: Reading) -> set[str]:
    """The proxies of what a rollout replaces."""
    return {pod.version for pod in followers(reading.pods).values()}


def test_the_meshes_are_upgraded_and_labels_stay(story: InPlace, cluster: Cluster) -> None:
    story.minor.done.play.require_success()
    before, after = story.minor.done.before[cluster.name], story.minor.done.after[cluster.name]
    for name in MESH:
        assert before.objects["Namespace", "", name] == after.objects["Namespace", "", name]
    assert (versions(before), versions(after)) == ({VERSION}, {NEW_VERSION})
    assert all(pod.ready for pod in followers(after.pods).values())


def test_a_patch_version_restarts_only_what_is_stale(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    done = story.patch.done
    done.play.require_success()
    before, after = (followers(one[cluster.name].pods) for one in (done.before, done.after))
    assert versions(done.after[cluster.name]) == {PATCH_VERSION}
    same = {key[0] for key in before if before[key] == after.get(key)}
    assert same == ({"shop", "istio-system"} if cluster is desk.lab.clusters[0] else set())


def test_a_wrong_image_tag_fails_and_leaves_a_mesh_that_works(story: InPlace, cluster: Cluster) -> None:
    assert story.wrong.play.returncode == 2
    message = story.wrong.play.failure(cluster)
    assert "did not come up: Deployment istiod" in message
    assert f'ImagePullBackOff (Back-off pulling image "lab.invalid/istio/pilot:{WRONG_TAG}")' in message
    assert "The previous istiod is still serving and injecting its own version" in message
    assert set(story.wrong.probes[cluster.name].versions) == {VERSION}
    before, after = story.wrong.before[cluster.name], story.wrong.after[cluster.name]
    assert followers(before.pods) == followers(after.pods)
    prechecks = story.minor.checked.play.of(cluster, "istio_precheck")
    codes = {found["code"]: found["severity"] for found in prechecks[0]["findings"]}
    assert codes["MU004"] == "warning", "the next run fixes it"


def test_settings_of_the_user_stay(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    end = suffix(revision_of(desk, cluster))
    after = story.patch.again.after[cluster.name].objects
    assert "accessLogFile: /dev/stdout" in after["ConfigMap", "istio-system", f"istio{end}"]["data"]["mesh"]
    assert after["Deployment", "istio-system", f"istiod{end}"]["spec"]["replicas"] == 2
    assert '"traceSampling": 7' in after["ConfigMap", "istio-system", f"values{end}"]["data"]["merged-values"]


def test_a_changed_setting_is_refused_and_can_be_accepted(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    assert story.patch
    options: Json = {"revision": revision_of(desk, cluster), "version": PATCH_VERSION, "strategy": "in_place"}
    values = {"pilot": {"traceSampling": 9}}
    with no_write(cluster):
        message = refusal(desk.tool(cluster, "istio_revision", values=values, **options), "SafetyError")
        accepted = desk.tool(
            cluster,
            "istio_revision",
            check=True,
            values=values,
            allow_setting_changes=["pilot.traceSampling"],
            **options,
        )
    assert "pilot.traceSampling: 7 -> 9" in message
    assert accepted["changed"] is True
    assert accepted["settings"]["user"] == {"pilot.traceSampling": [7, 9]}


def test_a_trap_left_by_plain_istioctl_is_named_and_healed(desk: Desk, story: InPlace, cluster: Cluster) -> None:
    assert story.patch
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


def test_check_mode_writes_nothing_and_lists_what_the_run_does(hop: Hop, cluster: Cluster) -> None:
    hop.checked.play.require_success()
    assert hop.checked.writes[cluster.name] == []
    assert changed(hop.checked.before[cluster.name].objects, hop.checked.after[cluster.name].objects) == {}

    def told(play: Play) -> list[Any]:
        ours = (one for one in play.ours(cluster) if not one.action.endswith(("istio_precheck", "istio_info")))
        return [(one.task, one.result["changed"], one.result["actions"]) for one in ours]

    assert told(hop.checked.play) == told(hop.done.play)
    assert [row for row in told(hop.checked.play) if row[1]]
    (promised,) = hop.checked.play.of(cluster, "istio_revision")
    listed = {(one["kind"], one["namespace"], one["name"]) for one in promised["changes"]}
    happened = changed(hop.done.before[cluster.name].objects, hop.done.after[cluster.name].objects)
    assert listed == {key for key in happened if key[1] in ("", "istio-system")}


def test_the_second_run_changes_nothing(hop: Hop, cluster: Cluster) -> None:
    hop.done.play.require_success()
    hop.again.play.require_success()
    assert hop.again.play.recap[cluster.name]["changed"] == 0
    assert hop.again.writes[cluster.name] == []
    assert hop.again.before[cluster.name].pods == hop.again.after[cluster.name].pods


def test_pods_can_be_created_throughout(story: InPlace, hop: Hop, cluster: Cluster) -> None:
    for told in (story.wrong, hop.checked, hop.done, hop.again):
        probe = told.probes[cluster.name]
        assert probe.problems == []
        assert len(probe.versions) > 3


def test_a_downgrade_in_place_by_choice(down: Hop, cluster: Cluster) -> None:
    down.done.play.require_success()
    before, after = down.done.before[cluster.name], down.done.after[cluster.name]
    assert {pod.version for key, pod in before.pods.items() if key[0] in ENABLED} == {PATCH_VERSION}
    assert versions(after) == {VERSION}
    assert set(crd_versions(cluster).values()) == {PATCH_VERSION}
    for name in MESH:
        assert before.objects["Namespace", "", name] == after.objects["Namespace", "", name]


def test_a_gateway_of_the_control_plane_goes_with_it(desk: Desk, story: InPlace, down: Hop) -> None:
    first, second = desk.lab.clusters
    for done, version in ((story.minor.done, NEW_VERSION), (story.patch.again, PATCH_VERSION), (down.done, VERSION)):
        found = {pod.version for key, pod in done.after[first.name].pods.items() if key[1].startswith(GATEWAY)}
        assert found == {version}
        assert not [key for key in done.after[second.name].pods if key[1].startswith(GATEWAY)]


def test_s11_the_default_is_not_taken_back_by_the_way(desk: Desk, story: InPlace) -> None:
    assert story.patch
    cluster = desk.lab.clusters[0]
    cluster.install_istio(PATCH_VERSION, "other")
    cluster.istioctl(PATCH_VERSION, "tag", "set", "default", "--revision", "other", "--overwrite", "-y")
    options: Json = {"revision": UNREVISIONED, "version": PATCH_VERSION, "strategy": "in_place"}
    with no_write(cluster):
        message = refusal(desk.tool(cluster, "istio_revision", **options), "SafetyError")
        planned = desk.tool(cluster, "istio_revision", check=True, allow_default_change=True, **options)
    assert "The tag default points at other" in message
    assert "Set allow_default_change=true to allow that" in message
    assert "istio-revision-tag-default" in {one["name"] for one in planned["changes"]}
    assert labels(cluster)["shop"][INJECTION] == "enabled"
    assert REV not in labels(cluster)["shop"]
