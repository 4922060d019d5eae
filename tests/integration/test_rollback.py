# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave whose workloads do not come up with the new proxy is stopped, undone and told about (safety rule S5)."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from integration.objects import REV, Pod, labels, pods
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
MERGE = "application/merge-patch+json"
NEVER_READY, CRASH_LOOP = "never-ready", "crash-loop"
REPORTS = "/apis/apps/v1/namespaces/reports/deployments/monthly"
MOVED_BEFORE, NOT_REACHED = "shop", "search"
BATCH_SECONDS = 8


@dataclass(frozen=True)
class Victim:
    """A workload that does not come up with the proxy 1.31.0."""

    namespace: str
    kind: str
    name: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


#: The first one's namespace is labelled istio-injection=enabled, the second one's istio.io/rev.
VICTIMS = (Victim("catalog", "Deployment", "browse"), Victim("payments", "StatefulSet", "ledger"))


def break_it(cluster: Cluster, path: str, kind: str | None) -> None:
    """Give a workload a fault that holds with the new proxy only, or take it away."""
    notes = {"lab.meshops.dev/fault": kind, "lab.meshops.dev/fault-proxy": NEW_VERSION if kind else None}
    patch = {"spec": {"template": {"metadata": {"annotations": notes}}}}
    cluster.request("PATCH", path, patch, content_type=MERGE)


@dataclass(frozen=True)
class Attempt:
    """A run that failed: how a cluster was before and after it."""

    cluster: Cluster
    victim: Victim
    fault: str
    play: Play
    labels_before: dict[str, dict[str, str]]
    pods_before: dict[tuple[str, str], Pod]
    labels_after: dict[str, dict[str, str]]
    pods_after: dict[tuple[str, str], Pod]

    def of(self, namespace: str) -> tuple[dict[str, Pod], dict[str, Pod]]:
        """The pods of a namespace before and after."""
        found = (self.pods_before, self.pods_after)
        before, after = ({key[1]: pod for key, pod in one.items() if key[0] == namespace} for one in found)
        return before, after


def attempt(desk: Desk, faults: Iterable[str], *, on_failure: str) -> list[Attempt]:
    """Break one workload on each cluster and run the playbook in three waves, the middle one with the victim."""
    clusters, faults = desk.lab.clusters, list(faults)
    for cluster, victim, fault in zip(clusters, VICTIMS, faults, strict=True):
        break_it(cluster, victim.path, fault)
    for cluster in clusters:
        cluster.wait_ready()
    before = [(labels(cluster), pods(cluster)) for cluster in clusters]
    waves = {
        cluster.name: {"istio_waves": [[MOVED_BEFORE], [victim.namespace], [NOT_REACHED]]}
        for cluster, victim in zip(clusters, VICTIMS, strict=True)
    }
    options = {"istio_batch_timeout": BATCH_SECONDS, "istio_on_failure": on_failure}
    play = desk.play(clusters, hosts=waves, **options)
    after = [(labels(cluster), pods(cluster)) for cluster in clusters]
    rows = zip(clusters, VICTIMS, faults, before, after, strict=True)
    return [Attempt(one, victim, fault, play, *was, *now) for one, victim, fault, was, now in rows]


@pytest.fixture(scope="module")
def first(desk: Desk) -> list[Attempt]:
    """A Deployment that never gets ready, and a StatefulSet that crashes."""
    desk.fresh(desk.lab.clusters)
    return attempt(desk, (NEVER_READY, CRASH_LOOP), on_failure="rollback")


@pytest.fixture(scope="module")
def second(desk: Desk, first: list[Attempt]) -> list[Attempt]:
    """The other way round: a Deployment that crashes, and a StatefulSet that never gets ready."""
    assert first
    return attempt(desk, (CRASH_LOOP, NEVER_READY), on_failure="rollback")


CASES = {
    "Deployment-never-ready": ("first", 0),
    "StatefulSet-crash-loop": ("first", 1),
    "Deployment-crash-loop": ("second", 0),
    "StatefulSet-never-ready": ("second", 1),
}
cases = pytest.mark.parametrize("failed", CASES.values(), ids=CASES, indirect=True)


@pytest.fixture
def failed(request: pytest.FixtureRequest) -> Attempt:
    """One of the four failed attempts that were rolled back."""
    name, index = request.param
    found: Attempt = request.getfixturevalue(name)[index]
    return found


@cases
def test_the_run_fails_and_names_what_did_not_come_up(failed: Attempt) -> None:
    assert failed.play.returncode == 2
    message = failed.play.failure(failed.cluster)
    assert str(failed.victim) in message
    assert "Labels and restarted workloads were rolled back." in message
    (failure,) = [one["failure"] for one in failed.play.failed(failed.cluster)]
    assert failure["kind"] == "RolloutError"
    assert failure["rolled_back"] is True
    assert failure["rollback_problems"] == []
    evidence = "; ".join(failure["evidence"])
    assert f"{failed.victim}: pod {failed.victim.name}-" in evidence
    assert f"container {failed.victim.name}" in evidence
    if failed.fault == CRASH_LOOP:
        assert "CrashLoopBackOff" in evidence


@cases
def test_labels_are_exactly_as_before(failed: Attempt) -> None:
    name = failed.victim.namespace
    assert failed.labels_after[name] == failed.labels_before[name]
    assert failed.labels_after[name].get("istio-injection") == ("enabled" if name == "catalog" else None)
    meta = failed.cluster.request("GET", f"/api/v1/namespaces/{name}")["metadata"]
    assert "meshops.istio/previous-labels" not in meta.get("annotations", {})


@cases
def test_restarted_workloads_run_the_old_proxy_again(failed: Attempt) -> None:
    before, after = failed.of(failed.victim.namespace)
    assert len(after) == len(before) == 4
    for name, pod in after.items():
        assert (pod.version, pod.annotated, pod.injected_by, pod.ready) == (VERSION, REVISION, REVISION, True), name


@cases
def test_earlier_waves_stay_and_later_ones_are_untouched(failed: Attempt) -> None:
    assert failed.labels_after[MOVED_BEFORE][REV] == NEW_REVISION
    dummy, moved = failed.of(MOVED_BEFORE)
    assert {(pod.version, pod.ready) for pod in moved.values()} == {(NEW_VERSION, True)}
    for name in (NOT_REACHED, "orders", "logging", "reports", "batch", "ingress", "legacy"):
        assert failed.labels_after[name] == failed.labels_before[name]
        before, after = failed.of(name)
        assert after == before, name


@pytest.fixture(scope="module")
def held(desk: Desk, second: list[Attempt]) -> list[Attempt]:
    """The same again, but nothing is undone."""
    assert second
    return attempt(desk, (CRASH_LOOP, CRASH_LOOP), on_failure="hold")


@pytest.mark.parametrize("index", [0, 1], ids=["Deployment", "StatefulSet"])
def test_hold_leaves_everything_for_a_person_to_look_at(held: list[Attempt], index: int) -> None:
    one = held[index]
    message = one.play.failure(one.cluster)
    assert "Everything is held as it is; later batches were not started." in message
    assert one.labels_after[one.victim.namespace][REV] == NEW_REVISION
    dummy, after = one.of(one.victim.namespace)
    broken = [name for name, pod in after.items() if not pod.ready]
    assert broken
    assert all(name.startswith(one.victim.name) and after[name].version == NEW_VERSION for name in broken)
    assert one.labels_after[NOT_REACHED] == one.labels_before[NOT_REACHED]


@pytest.fixture(scope="module")
def behind_tag(desk: Desk, held: list[Attempt]) -> tuple[Play, list[Attempt]]:
    """The faults are mended, but now the workload behind the tag does not come up."""

    def mend(one: Attempt) -> None:
        break_it(one.cluster, one.victim.path, None)
        for (namespace, name), pod in pods(one.cluster, [one.victim.namespace]).items():
            if not pod.ready and one.victim.kind == "StatefulSet":
                # a StatefulSet never replaces its own broken pod; a person who mends it has to
                one.cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", {"gracePeriodSeconds": "0"})
        break_it(one.cluster, REPORTS, CRASH_LOOP)
        one.cluster.wait_ready()

    with ThreadPoolExecutor(len(held)) as pool:
        list(pool.map(mend, held))
    return desk.play(desk.lab.clusters, istio_batch_timeout=BATCH_SECONDS), held


@pytest.mark.parametrize("index", [0, 1], ids=["first", "second"])
def test_a_tag_goes_back_with_what_follows_it(desk: Desk, behind_tag: tuple[Play, list[Attempt]], index: int) -> None:
    play, held = behind_tag
    cluster = held[index].cluster
    assert play.returncode == 2
    message = play.failure(cluster)
    assert f"Tag prod was moved back to {REVISION}, because its workloads did not follow" in message
    assert "Deployment reports/monthly: pod monthly-" in message
    info = desk.tool(cluster, "istio_info")
    assert info["tags"]["prod"] == REVISION
    found = pods(cluster, ["reports"])
    assert {(pod.version, pod.ready) for pod in found.values()} == {(VERSION, True)}
    rest = pods(cluster, [MOVED_BEFORE, held[index].victim.namespace, NOT_REACHED])
    assert {(pod.version, pod.ready) for pod in rest.values()} == {(NEW_VERSION, True)}


def test_a_tag_is_held_when_that_is_asked_for(desk: Desk, behind_tag: tuple[Play, list[Attempt]]) -> None:
    cluster = behind_tag[1][0].cluster
    play = desk.play([cluster], istio_batch_timeout=BATCH_SECONDS, istio_on_failure="hold")
    assert play.returncode == 2
    assert "Tag prod: " in play.failure(cluster)
    assert desk.tool(cluster, "istio_info", proxies=False)["tags"]["prod"] == NEW_REVISION
    assert {pod.ready for pod in pods(cluster, ["reports"]).values()} == {True, False}


def test_after_mending_a_new_run_completes(desk: Desk, behind_tag: tuple[Play, list[Attempt]]) -> None:
    clusters = [one.cluster for one in behind_tag[1]]
    for cluster in clusters:
        break_it(cluster, REPORTS, None)
        cluster.wait_ready()
    desk.play(clusters).require_success()
    for cluster in clusters:
        info = desk.tool(cluster, "istio_info")
        assert info["tags"] == {"default": REVISION, "prod": NEW_REVISION}
        assert {row["revision"] for row in info["namespaces"]} == {NEW_REVISION}
        assert info["proxies"] == {REVISION: {VERSION: 2}, NEW_REVISION: {NEW_VERSION: 26}}
        assert {row["name"] for row in info["unrestartable"]} == {"reindex", "migration-shell"}
