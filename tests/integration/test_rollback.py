# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wave whose workloads do not come up with the new proxy is stopped, undone and reported (safety rule S5)."""

from __future__ import annotations

import pytest

from integration.attempts import (
    CRASH_LOOP,
    DAEMON,
    ENABLED,
    GATEWAY,
    LONG,
    MOVED_BEFORE,
    NEVER_READY,
    NOT_REACHED,
    SET,
    TAGGED,
    Attempt,
    attempt,
    fix,
)
from integration.meshes import DOWNGRADE, MESH, assert_sound
from integration.objects import REV, pods
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def first(desk: Desk) -> list[Attempt]:
    """Workloads that never get ready."""
    desk.fresh(desk.lab.clusters)
    return attempt(desk, NEVER_READY, (ENABLED, SET))


@pytest.fixture(scope="module")
def second(desk: Desk, first: list[Attempt]) -> list[Attempt]:
    """Workloads that crash."""
    assert first
    return attempt(desk, CRASH_LOOP, (ENABLED, DAEMON))


CASES = {
    "Deployment-never-ready": ("first", 0),
    "StatefulSet-never-ready": ("first", 1),
    "Deployment-crash-loop": ("second", 0),
    "DaemonSet-crash-loop": ("second", 1),
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
    found = failure["evidence"][0]
    assert (found["workload"], found["container"]) == (str(failed.victim), failed.victim.name)
    assert found["pod"].startswith(f"{failed.victim.name}-")
    assert found["reason"] == ("CrashLoopBackOff" if failed.fault == CRASH_LOOP else "NotReady")


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


def assert_untouched(failed: Attempt, *names: str) -> None:
    """These namespaces and their pods are the very same."""
    for name in names:
        assert failed.labels_after[name] == failed.labels_before[name]
        before, after = failed.of(name)
        assert after == before, name


@cases
def test_earlier_waves_stay_and_later_ones_are_untouched(failed: Attempt) -> None:
    assert failed.labels_after[MOVED_BEFORE][REV] == NEW_REVISION
    dummy, moved = failed.of(MOVED_BEFORE)
    assert {(pod.version, pod.ready) for pod in moved.values()} == {(NEW_VERSION, True)}
    others = {NOT_REACHED, "orders", "logging", "reports", "batch", "ingress", "legacy"}
    assert_untouched(failed, *others - {failed.victim.namespace})


@pytest.fixture(scope="module")
def held(desk: Desk, second: list[Attempt]) -> list[Attempt]:
    """Another failure, of which nothing is undone."""
    assert second
    fix(desk, DAEMON)
    return attempt(desk, CRASH_LOOP, (ENABLED, SET), istio_on_failure="hold")


@pytest.mark.parametrize("index", [0, 1], ids=["Deployment", "StatefulSet"])
def test_hold_leaves_everything_for_a_person_to_look_at(held: list[Attempt], index: int) -> None:
    one = held[index]
    message = one.play.failure(one.cluster)
    assert "Everything is left as it is (on_failure=hold); later batches were not started." in message
    assert "CrashLoopBackOff" in message
    assert one.labels_after[one.victim.namespace][REV] == NEW_REVISION
    dummy, after = one.of(one.victim.namespace)
    broken = [name for name, pod in after.items() if not pod.ready]
    assert broken
    assert all(name.startswith(one.victim.name) and after[name].version == NEW_VERSION for name in broken)
    assert one.labels_after[NOT_REACHED] == one.labels_before[NOT_REACHED]


@pytest.fixture(scope="module")
def last(desk: Desk, held: list[Attempt]) -> list[Attempt]:
    """The faults are fixed, but now a workload behind the tag does not come up, on the other cluster a gateway."""
    assert held
    fix(desk, ENABLED, SET)
    return attempt(desk, CRASH_LOOP, (TAGGED, GATEWAY), waves=False)


def test_a_tag_goes_back_with_what_follows_it(desk: Desk, last: list[Attempt]) -> None:
    tagged = last[0]
    assert tagged.play.returncode == 2
    message = tagged.play.failure(tagged.cluster)
    assert f"Tag prod was moved back to {REVISION}, because its workloads did not follow" in message
    assert f"{TAGGED}: pod monthly-" in message
    assert desk.tool(tagged.cluster, "istio_info", proxies=False)["tags"]["prod"] == REVISION
    assert {(pod.version, pod.ready) for pod in tagged.of("reports")[1].values()} == {(VERSION, True)}
    for name in (MOVED_BEFORE, "catalog", "payments", "logging", NOT_REACHED):
        assert {(pod.version, pod.ready) for pod in tagged.of(name)[1].values()} == {(NEW_VERSION, True)}
    assert_untouched(tagged, "ingress", "legacy")


def test_a_gateway_goes_back_alone(desk: Desk, last: list[Attempt]) -> None:
    gateway = last[1]
    message = gateway.play.failure(gateway.cluster)
    assert f"{GATEWAY}: pod ingressgateway-" in message
    assert "Labels and restarted workloads were rolled back." in message
    assert gateway.labels_after["ingress"] == gateway.labels_before["ingress"]
    assert {(pod.version, pod.ready) for pod in gateway.of("ingress")[1].values()} == {(VERSION, True)}
    assert desk.tool(gateway.cluster, "istio_info", proxies=False)["tags"]["prod"] == NEW_REVISION
    for name in (MOVED_BEFORE, "catalog", "payments", "logging", "reports", NOT_REACHED):
        assert {(pod.version, pod.ready) for pod in gateway.of(name)[1].values()} == {(NEW_VERSION, True)}


def test_a_tag_is_held_when_that_is_asked_for(desk: Desk, last: list[Attempt]) -> None:
    cluster = last[0].cluster
    play = desk.play([cluster], istio_batch_timeout=LONG, istio_on_failure="hold", istio_on_workload_failure="stop")
    assert play.returncode == 2
    assert "Tag prod: " in play.failure(cluster)
    assert desk.tool(cluster, "istio_info", proxies=False)["tags"]["prod"] == NEW_REVISION
    assert {pod.ready for pod in pods(cluster, ["reports"]).values()} == {True, False}


@pytest.fixture(scope="module")
def finished(desk: Desk, last: list[Attempt]) -> Play:
    """All faults are fixed, and nothing else is done."""
    assert last
    fix(desk, TAGGED, GATEWAY)
    return desk.play(desk.lab.clusters)


def test_after_the_fix_a_new_run_completes(desk: Desk, finished: Play) -> None:
    finished.require_success()
    for cluster in desk.lab.clusters:
        info = desk.tool(cluster, "istio_info")
        assert info["tags"] == {"default": REVISION, "prod": NEW_REVISION}
        assert {row["revision"] for row in info["namespaces"]} == {NEW_REVISION}
        assert info["proxies"] == {REVISION: {VERSION: 2}, NEW_REVISION: {NEW_VERSION: 26}}
        assert {row["name"] for row in info["unrestartable"]} == {"reindex", "migration-shell"}


@pytest.fixture(scope="module")
def down(desk: Desk, finished: Play) -> list[Attempt]:
    """A way back that fails in its second wave of three."""
    finished.require_success()
    return attempt(desk, CRASH_LOOP, (ENABLED, SET), playbook=DOWNGRADE, proxy=VERSION, istio_version=VERSION)


@pytest.mark.parametrize("index", [0, 1], ids=["Deployment", "StatefulSet"])
def test_a_downgrade_stops_and_goes_back_in_the_same_way(down: list[Attempt], index: int) -> None:
    one = down[index]
    assert one.play.returncode == 2
    message = one.play.failure(one.cluster)
    assert f"{one.victim}: pod {one.victim.name}-" in message
    assert "Labels and restarted workloads were rolled back." in message
    assert one.labels_after[MOVED_BEFORE][REV] == REVISION
    assert {(pod.version, pod.ready) for pod in one.of(MOVED_BEFORE)[1].values()} == {(VERSION, True)}
    assert one.labels_after[one.victim.namespace] == one.labels_before[one.victim.namespace]
    assert {(pod.version, pod.ready) for pod in one.of(one.victim.namespace)[1].values()} == {(NEW_VERSION, True)}
    assert_untouched(one, NOT_REACHED, "orders", "logging", "reports", "batch", "ingress", "legacy")


def test_after_the_fix_the_downgrade_completes(desk: Desk, down: list[Attempt]) -> None:
    assert down
    fix(desk, ENABLED, SET)
    desk.play(desk.lab.clusters, playbook=DOWNGRADE, istio_version=VERSION).require_success()
    for cluster in desk.lab.clusters:
        assert_sound(cluster, VERSION, REVISION)
        assert {pod.version for pod in pods(cluster, MESH).values() if not pod.done} == {VERSION}
        assert [row["revision"] for row in desk.tool(cluster, "istio_info")["control_planes"]] == [REVISION]
