# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook downgrade takes a mesh down by one minor version, however it came up, and never its CRDs."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import (
    DOWNGRADE,
    MERGE,
    MESH,
    SETTINGS,
    Probe,
    assert_sound,
    crd_versions,
    drop_unrestartable,
    mesh,
)
from integration.objects import INJECTION, REV, changed, labels
from integration.story import Reading
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, UNREVISIONED, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: Only the CRDs of 1.31 know http2KeepAlive.
KEPT = {"trafficPolicy": {"connectionPool": {"http": {"http2KeepAlive": {"interval": "30s", "timeout": "5s"}}}}}
RULES = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules"


def rule() -> Json:
    """A DestinationRule that a downgrade of CRDs would damage."""
    spec = {"host": "web", **KEPT}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web"},
        "spec": spec,
    }


def upgraded_in_place(cluster: Cluster) -> None:
    """One control plane without a revision, that became 1.31.0 where it was."""
    mesh(cluster, UNREVISIONED)
    cluster.install_istio(NEW_VERSION, sets=SETTINGS)


def upgraded_by_canary(desk: Desk, cluster: Cluster) -> None:
    """Revision 1-31-0 with all tags, and the revision 1-30-3 that it came from retired."""
    mesh(cluster, REVISION)
    drop_unrestartable(cluster)
    desk.play([cluster], istio_finalize=True).require_success()


@dataclass(frozen=True)
class Step:
    """A run on some clusters, and what was written on each."""

    play: Play
    writes: dict[str, list[Json]]
    after: dict[str, Reading]
    probes: dict[str, Probe]


def step(desk: Desk, clusters: Iterable[Cluster], *flags: str, **variables: Any) -> Step:
    """Run the playbook downgrade."""
    clusters = list(clusters)
    marks = {one.name: one.audit_mark() for one in clusters}
    probes = {one.name: Probe(one) for one in clusters}
    for probe in probes.values():
        probe.__enter__()
    play = desk.play(clusters, *flags, playbook=DOWNGRADE, istio_version=VERSION, **variables)
    for probe in probes.values():
        probe.__exit__()
    writes = {one.name: one.writes_since(marks[one.name]) for one in clusters}
    return Step(play, writes, {one.name: Reading.of(one) for one in clusters}, probes)


@dataclass(frozen=True)
class Down:
    """Both meshes before, in check mode, downgraded, and asked for the same again."""

    before: dict[str, Reading]
    crds: dict[str, dict[str, str]]
    checked: Step
    downgraded: Step
    again: Step


@pytest.fixture(scope="module")
def story(desk: Desk) -> Down:
    """The first mesh was upgraded in place, the second one by canary."""
    first, second = clusters = desk.lab.clusters
    desk.state = ""
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(upgraded_in_place, first), pool.submit(upgraded_by_canary, desk, second)]
        for job in jobs:
            job.result()
    drop_unrestartable(first)
    assert not desk.tool(first, "rollout_restart", namespaces=list(MESH)).get("failed")
    for one in clusters:
        one.wait_ready()
        one.request("POST", RULES, rule())
    before = {one.name: Reading.of(one) for one in clusters}
    crds = {one.name: crd_versions(one) for one in clusters}
    checked = step(desk, clusters, "--check", "--diff")
    downgraded = step(desk, clusters)
    return Down(before, crds, checked, downgraded, step(desk, clusters))


@pytest.fixture(params=[0, 1], ids=["in-place", "canary"])
def cluster(request: pytest.FixtureRequest, desk: Desk) -> Cluster:
    """Each cluster of the lab, by its path of upgrade."""
    return desk.lab.clusters[request.param]


def test_the_mesh_is_downgraded_and_the_newer_revision_is_gone(story: Down, cluster: Cluster) -> None:
    story.downgraded.play.require_success()
    after = story.downgraded.after[cluster.name]
    assert {pod.version for pod in story.before[cluster.name].pods.values() if pod.image and not pod.done} == {
        NEW_VERSION
    }
    assert {(pod.version, pod.annotated) for pod in after.pods.values() if pod.image and not pod.done} == {
        (VERSION, REVISION)
    }
    istiods = [key[2] for key in after.objects if key[0] == "Deployment" and key[2].startswith("istiod")]
    assert istiods == [f"istiod-{REVISION}"]
    assert not [key for key in after.objects if NEW_REVISION in key[2]]


def test_everything_works_afterwards(story: Down, cluster: Cluster) -> None:
    story.downgraded.play.require_success()
    assert_sound(cluster, VERSION, REVISION)
    assert {labels(cluster)[name].get(REV) for name in MESH} == {REVISION, "prod"}
    assert {labels(cluster)[name].get(INJECTION) for name in MESH} == {None}


def test_s10_crds_stay_and_a_field_that_only_they_know_survives_a_write(story: Down, cluster: Cluster) -> None:
    assert set(story.crds[cluster.name].values()) == {NEW_VERSION}
    assert crd_versions(cluster) == story.crds[cluster.name]
    before, after = story.before[cluster.name].objects, story.downgraded.after[cluster.name].objects
    for key in before:
        assert key[0] != "CustomResourceDefinition" or before[key] == after[key]
    patch = {"metadata": {"annotations": {"note": "written meanwhile"}}}
    assert cluster.request("PATCH", f"{RULES}/web", patch, content_type=MERGE)["spec"] == {"host": "web", **KEPT}


def test_check_mode_writes_nothing_and_lists_what_the_run_does(story: Down, cluster: Cluster) -> None:
    story.checked.play.require_success()
    assert story.checked.writes[cluster.name] == []
    assert changed(story.before[cluster.name].objects, story.checked.after[cluster.name].objects) == {}

    def told(play: Play) -> list[Any]:
        ours = (one for one in play.ours(cluster) if not one.action.endswith(("istio_precheck", "istio_info")))
        return [(one.task, one.result["changed"], one.result["actions"]) for one in ours]

    assert told(story.checked.play) == told(story.downgraded.play)
    assert [row for row in told(story.checked.play) if row[1]]


def test_the_second_run_changes_nothing(story: Down, cluster: Cluster) -> None:
    story.again.play.require_success()
    assert story.again.play.recap[cluster.name]["changed"] == 0
    assert story.again.writes[cluster.name] == []


@pytest.mark.parametrize("name", ["checked", "downgraded", "again"])
def test_pods_can_be_created_throughout(story: Down, cluster: Cluster, name: str) -> None:
    assert getattr(story, name).probes[cluster.name].problems == []
