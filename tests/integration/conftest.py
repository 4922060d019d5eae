# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of two clusters for the tests of this folder, and the story of one upgrade that several of them look at.

MESHOPS_TEST_LAB names a running lab of two clusters to use instead of one that comes and goes with the tests.
With `-n 2` two processes share the files, each with a lab of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling, Scheduling

from integration.meshes import assert_sound
from integration.meshes import meshes as meshes_of
from integration.objects import injected, labels, pods
from integration.story import SOURCES, Story
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster, Lab

CALM = "calm"
#: Files that look at the same clusters stay together; every other file stands for itself.
#: (The marker xdist_group does nothing with pytest 9: xdist 3.8 writes a node id that pytest no longer reads.)
TOGETHER = {
    "test_check_mode.py": "test_canary.py",
    "test_inventory.py": "test_safety.py",
    "test_report.py": "test_canary.py",
    "test_precheck.py": "test_safety.py",
    "test_precheck_istioctl.py": "test_safety.py",
    "test_precheck_planes.py": "test_safety.py",
    "test_precheck_cost.py": "test_safety.py",
    "test_precheck_workloads.py": "test_safety.py",
    "test_precheck_playbook.py": "test_safety.py",
    "test_precheck_states.py": "test_safety.py",
    "test_budgets.py": "test_early_failures.py",
    "test_percent.py": "test_early_failures.py",
    "test_pods_refused.py": "test_early_failures.py",
    "test_unrestartable.py": "test_early_failures.py",
    "test_stopped_by_precheck.py": "test_safety.py",
    "test_moved_labels.py": "test_safety.py",
    "test_safety_installs.py": "test_safety.py",
    "test_safety_removal.py": "test_safety.py",
}
#: The longest modules begin first, so that the processes end at about the same time.
LONGEST = (
    "test_fleet.py",
    "test_safety.py",
    "test_in_place.py",
    "test_pace.py",
    "test_gates.py",
    "test_rollback.py",
    "test_canary.py",
    "test_helm.py",
    "test_downgrade.py",
    "test_killed.py",
    "test_handover.py",
)


def scope(nodeid: str) -> str:
    """Return the file whose name groups the tests that share clusters."""
    name = nodeid.partition("::")[0].rpartition("/")[2]
    return TOGETHER.get(name, name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest groups first, and the tests of a group one after another."""
    ranks = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(scope(item.nodeid), len(ranks)), scope(item.nodeid)))


class ByClusters(LoadScopeScheduling):
    """Give one process all tests that look at the same clusters, in order."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Share the files between the processes, each with a lab of its own."""
    return ByClusters(config, log)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The lab and what is needed to run the collection against it."""
    folder = tmp_path_factory.mktemp("desk")
    running = os.environ.get("MESHOPS_TEST_LAB")
    if running:
        yield Desk(Lab.attach(running), folder)
        return
    with Lab.start(f"proof-{os.getpid()}", clusters=2) as lab:
        yield Desk(lab, folder)


@pytest.fixture(scope="session")
def story(desk: Desk) -> Story:
    """Two fresh clusters: check mode, the upgrade, and the same run again, with readings between."""
    desk.state = ""
    meshes_of(desk.lab.clusters, SOURCES)
    told = Story.run_story(desk)
    for cluster, source in zip(desk.lab.clusters, SOURCES, strict=True):
        assert_sound(cluster, NEW_VERSION, NEW_REVISION, default=source)
    return told


@pytest.fixture
def meshes(desk: Desk) -> list[Cluster]:
    """The first cluster with Istio 1.30.3 and the population, the second with 1.31.0 and a gateway of its own.

    The tests that share them leave them as they found them.
    """
    calm, bare = desk.lab.clusters

    def with_gateway() -> None:
        bare.reset()
        bare.install_istio(NEW_VERSION, NEW_REVISION, profile="default")

    if desk.state != CALM:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(with_gateway)
            desk.fresh([calm])
            other.result()
        desk.state = CALM
    return desk.lab.clusters


@pytest.fixture
def calm(meshes: list[Cluster]) -> Iterator[Cluster]:
    """The populated cluster, on which nothing that works may break."""
    cluster = meshes[0]
    labelled, running = labels(cluster), pods(cluster)
    yield cluster
    now = labels(cluster)
    assert {name: now.get(name) for name in labelled} == labelled
    after = pods(cluster)
    assert {key: after.get(key) for key in running} == running
    found = injected(cluster, "shop")
    assert (found.version, found.annotated) == (VERSION, REVISION)


@pytest.fixture
def gated(meshes: list[Cluster]) -> Cluster:
    """The cluster with 1.31.0, its CRDs and an ingress gateway that belongs to the revision."""
    return meshes[1]
