# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five clusters in three rings: what breaks where, what stays untouched then, and how the next run goes on.

The tests are one story and follow each other. After each run its report is compared with the API servers.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from integration.meshes import break_it
from integration.objects import REV, labels, pods, until
from integration.support import COLLECTION, NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play, Running
from lab import Cluster, Lab

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: No server listens there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none"}
SPACES = ("frail", "shop")
FRAIL = "/apis/apps/v1/namespaces/frail/deployments/web"
#: Version, mesh (5), namespaces, CRDs (2), pods, lock and record; and the owners of Jobs, which are never restarted.
BRIEF = 13
LEASES = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases"


def deployment(namespace: str) -> Json:
    """Two pods that are ready soon."""
    own = {"app": "web"}
    template = {"metadata": {"labels": own}, "spec": {"containers": [{"name": "app", "image": "lab.invalid/app:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": own}, "template": template}
    place = {"name": "web", "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place, "spec": spec}


@dataclass
class Fleet:
    """Ring 0 has the cluster a, ring 1 has b and c, ring 2 has d and e."""

    desk: Desk
    marks: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.a, self.b, self.c, self.d, self.e = self.clusters

    @property
    def clusters(self) -> list[Cluster]:
        """All that there are."""
        return self.desk.lab.clusters

    def inventory(self, *, lost: bool) -> Json:
        """The clusters in rings; a lost one in the last ring."""
        found = self.desk.inventory(self.clusters)
        rings: list[list[str]] = [[self.a.name], [self.b.name, self.c.name], [self.d.name, self.e.name]]
        if lost:
            found["all"]["hosts"]["lost"] = LOST
            rings[2].append("lost")
        found["all"]["children"] = {
            f"istio_ring_{number}": {"hosts": {name: {} for name in rings[number]}} for number in (2, 0, 1)
        }
        return found

    def start(self, *flags: str, lost: bool = False, **variables: Any) -> Running:
        """Begin to upgrade all that may begin."""
        self.marks = {one.name: one.audit_mark() for one in self.clusters}
        given = {"istio_skip_up_to_date": True, "istio_wave_size": 1, **variables}
        return self.desk.start(self.clusters, *flags, inventory=self.inventory(lost=lost), **given)

    def play(self, *flags: str, **variables: Any) -> Play:
        """Upgrade all that may begin."""
        return self.start(*flags, **variables).end()

    def untouched(self, *clusters: Cluster) -> bool:
        """Whether no client wrote to clusters since the last run began."""
        return not [write for one in clusters for write in one.writes_since(self.marks[one.name])]

    def versions(self) -> list[set[str]]:
        """Versions of the proxies of each cluster."""
        return [set(counted(one)) for one in self.clusters]

    def states(self, play: Play) -> dict[str, str]:
        """The states of the clusters in the report, which are those that the API servers have."""
        report = play.report()
        for one in self.clusters:
            (row,) = [row for row in report["clusters"] if row["host"] == one.name]
            after = row["after"]
            assert after is None or not after["current"] or after["versions"] == counted(one), one.name
        names = {one.name: letter for one, letter in zip(self.clusters, "abcde", strict=True)}
        return {names.get(row["host"], row["host"]): row["state"] for row in report["clusters"]}


def counted(cluster: Cluster) -> dict[str, int]:
    """Live proxies by version."""
    return dict(collections.Counter(pod.version for pod in pods(cluster, SPACES).values() if not pod.done))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Five meshes of 1.30.3, each with two namespaces."""

    def prepare(cluster: Cluster) -> None:
        cluster.install_istio(VERSION, REVISION)
        own = {"labels": {REV: REVISION}}
        spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **own}} for name in SPACES]
        cluster.apply([*spaces, *map(deployment, SPACES)])
        cluster.wait_ready()

    with Lab.start(f"fleet-{os.getpid()}", clusters=5) as lab:
        with ThreadPoolExecutor(len(lab.clusters)) as pool:
            list(pool.map(prepare, lab.clusters))
        yield Fleet(Desk(lab, tmp_path_factory.mktemp("fleet")))


@contextlib.contextmanager
def locked(cluster: Cluster) -> Iterator[None]:
    """Another run works on a cluster."""
    spec = {"holderIdentity": "carl@nowhere", "leaseDurationSeconds": 300, "renewTime": "2126-01-01T00:00:00.000000Z"}
    lease = {"metadata": {"name": "meshops-istio-run", "namespace": "istio-system"}, "spec": spec}
    cluster.request("POST", LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **lease})
    yield
    cluster.delete(f"{LEASES}/meshops-istio-run")


def test_nothing_begins_where_more_are_out_than_the_budget_allows(fleet: Fleet) -> None:
    play = fleet.play(lost=True)
    assert play.returncode != 0
    assert (
        "istio_ring_2: unreachable: lost: Reading the version of the API server on cluster lost (https" in play.output
    )
    assert "6 clusters: 1 unreachable, 5 not begun" in play.output
    assert play.output.count("1 of 6 clusters failed (lost), the failure budget is 0.") == 1
    assert fleet.untouched(*fleet.clusters)
    assert fleet.states(play) == {**dict.fromkeys("abcde", "untouched"), "lost": "unreachable"}


def test_what_is_good_to_know_is_said_once_for_the_fleet(fleet: Fleet) -> None:
    play = fleet.play("--tags", "precheck").require_success()
    found = [one.result["findings"] for one in play.results if one.action == f"{COLLECTION}istio_precheck"]
    codes = {row["code"] for rows in found for row in rows if row["severity"] == "info"}
    assert len(found) >= 5
    assert codes
    (lines,) = [one.result["msg"] for one in play.results if one.task == "Show the plan"]
    assert {line.split()[1] for line in lines if line.startswith("info ")} == codes
    assert "s  info    " not in play.output
    single = fleet.play("--limit", fleet.a.name, "--tags", "precheck").require_success()
    assert "s  info    " in single.output


def test_a_tag_goes_as_far_as_its_stage(fleet: Fleet) -> None:
    only = ("--limit", fleet.a.name, "--tags")
    play = fleet.play(*only, "precheck").require_success()
    assert fleet.untouched(*fleet.clusters)
    assert f"istio_ring_0: not begun: {fleet.a.name}" in play.output
    play = fleet.play(*only, "control_plane").require_success()
    modules = {one.action.removeprefix(COLLECTION) for one in play.ours(fleet.a)}
    assert modules == {"istio_info", "istio_precheck", "istio_revision", "istio_run_record"}
    left = "Only the stages precheck, control_plane ran, because of --tags. Left to another run: data_plane, verify."
    assert left in " ".join(play.output.split())
    (row,) = [one for one in play.report()["clusters"] if one["host"] == fleet.a.name]
    record = fleet.desk.tool(fleet.a, "istio_info", record=True)["record"]
    assert (row["state"], record["state"]) == ("stopped", "stopped"), "what was skipped is not done"
    assert fleet.versions() == [{VERSION}] * 5
    assert not [one for one in fleet.a.items(LEASES) if one["metadata"]["name"] == "meshops-istio-run"]
    assert fleet.untouched(fleet.b, fleet.c, fleet.d, fleet.e)


def test_a_broken_cluster_in_the_first_ring_stops_all_others(fleet: Fleet) -> None:
    break_it(fleet.a, FRAIL, "proxy-crash")
    play = fleet.play()
    assert "CrashLoopBackOff" in play.failure(fleet.a)
    assert labels(fleet.a)["frail"][REV] == REVISION
    assert fleet.untouched(fleet.b, fleet.c, fleet.d, fleet.e)
    assert fleet.states(play) == {"a": "failed", **dict.fromkeys("bcde", "untouched")}
    assert fleet.versions() == [{VERSION}] * 5


def test_a_broken_cluster_in_the_second_ring_stops_its_neighbour_between_two_waves(fleet: Fleet) -> None:
    break_it(fleet.a, FRAIL, None)
    break_it(fleet.b, FRAIL, "proxy-crash")
    play = fleet.play()
    assert play.recap[fleet.c.name]["failures"] == 0
    assert "1 of 5 clusters failed" in play.output
    assert fleet.untouched(fleet.d, fleet.e)
    assert fleet.versions() == [{NEW_VERSION}, {VERSION}, {VERSION, NEW_VERSION}, {VERSION}, {VERSION}]
    assert labels(fleet.c)["frail"][REV] == NEW_REVISION
    assert labels(fleet.c)["shop"][REV] == REVISION
    assert fleet.states(play) == {"a": "done", "b": "failed", "c": "stopped", "d": "untouched", "e": "untouched"}


def test_within_the_budget_the_fleet_goes_on(fleet: Fleet) -> None:
    break_it(fleet.d, FRAIL, "proxy-crash")
    with locked(fleet.b):
        play = fleet.play(lost=True, istio_failure_budget=2)
        assert fleet.untouched(fleet.a, fleet.b)
    assert "6 clusters: 1 unreachable, 1 locked, 1 interrupted, 2 not begun, 1 done" in play.output
    assert "carl@nowhere" in play.failure(fleet.b)
    assert "3 of 6 clusters failed" in play.output
    assert [one.action for one in play.ours(fleet.a)] == [f"{COLLECTION}istio_info"]
    assert fleet.versions() == [{NEW_VERSION}, {VERSION}, {NEW_VERSION}, {VERSION}, {VERSION, NEW_VERSION}]
    states = {"a": "unchanged", "b": "locked", "c": "done", "d": "failed", "e": "stopped", "lost": "unreachable"}
    assert fleet.states(play) == states


def test_a_run_that_is_interrupted_is_finished_by_the_next_one(fleet: Fleet) -> None:
    break_it(fleet.b, FRAIL, "never-ready")
    break_it(fleet.d, FRAIL, None)
    running = fleet.start()
    running.until_it_says(fleet.b.name, "batch 1 of 1", "0 of 1 workloads done")
    running.process.send_signal(signal.SIGINT)
    play = running.end()
    assert play.report()["run"]["verdict"] == "interrupted"
    assert fleet.states(play)["b"] == "stopped"
    assert fleet.untouched(fleet.d, fleet.e)
    break_it(fleet.b, FRAIL, None)
    fleet.b.wait_ready()

    play = fleet.play().require_success()
    assert fleet.versions() == [{NEW_VERSION}] * 5
    states = {"a": "unchanged", "b": "done", "c": "unchanged", "d": "done", "e": "done"}
    assert fleet.states(play) == states
    (order,) = [one.result["msg"] for one in play.results if one.task == "Show the plan"]
    assert order[0] == f"istio_ring_0: done: {fleet.a.name}: nothing to do"


def test_what_is_done_costs_one_reading(fleet: Fleet) -> None:
    play = fleet.play().require_success()
    assert fleet.untouched(*fleet.clusters)
    for one in fleet.clusters:
        (found,) = play.ours(one)
        assert (found.action, found.result["up_to_date"]) == (f"{COLLECTION}istio_info", True)
        assert found.result["requests"]["reads"] <= BRIEF, "workloads were read, although no proxy of one is stale"
        assert play.recap[one.name]["changed"] == 0
    assert fleet.states(play) == dict.fromkeys("abcde", "unchanged")


def test_a_change_by_somebody_else_is_found(fleet: Fleet) -> None:
    patch = {"spec": {"template": {"metadata": {"annotations": {"edited": "by hand"}}}}}
    path = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{NEW_REVISION}"
    fleet.a.request("PATCH", path, patch, content_type="application/merge-patch+json")
    fleet.a.wait_ready(["istio-system"])
    with locked(fleet.a):
        play = fleet.play()
    assert play.returncode != 0
    assert "5 clusters: 1 locked, 4 done" in play.output, "the plan is shown although no cluster is left"
    play = fleet.play("--limit", fleet.a.name).require_success()
    assert f"{COLLECTION}rollout_restart" in {one.action for one in play.ours(fleet.a)}


def test_the_fleet_is_finalized_and_done(fleet: Fleet) -> None:
    play = fleet.play(istio_finalize=True, istio_serial=1).require_success()
    order = list(dict.fromkeys(one.host for one in play.results if one.task == "Remove the old revision"))
    assert order == [one.name for one in fleet.clusters]
    for one in fleet.clusters:
        until(lambda one=one: set(counted(one)) == {NEW_VERSION}, "a proxy is left behind")  # type: ignore[misc]
        assert not [name for dummy, name in pods(one, ["istio-system"]) if REVISION in name]
    again = fleet.play(istio_finalize=True).require_success()
    assert fleet.untouched(*fleet.clusters)
    assert fleet.states(again) == dict.fromkeys("abcde", "unchanged")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"istio_finalise": True}, "Unknown variable istio_finalise. Did you mean istio_finalize?"),
        ({"istio_finalize": "maybe"}, "Variable istio_finalize is maybe; give true or false."),
        ({"istio_context": "x", "istio_kubeconfig": "/x"}, "are the same cluster (context x of /x)"),
    ],
)
def test_a_bad_inventory_is_refused_before_any_request(fleet: Fleet, variables: Json, sentence: str) -> None:
    play = fleet.play(**variables)
    assert play.returncode != 0
    assert sentence in play.output
    assert not [one for one in play.results if one.action.startswith(COLLECTION)]


def test_an_empty_ring_is_refused_before_any_request(fleet: Fleet) -> None:
    inventory = fleet.inventory(lost=False)
    inventory["all"]["children"]["istio_ring_3"] = {}
    play = fleet.desk.play(fleet.clusters, inventory=inventory)
    assert play.returncode != 0
    assert "Inventory group istio_ring_3 has no cluster; remove it, or give it one." in play.output
    assert not play.results
