# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart leaves as many ready pods as strategies and PodDisruptionBudgets allow, at every moment (S5).

Rollouts ignore budgets; the pods are counted by a watch of the tests' own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from integration.objects import pods, until
from integration.restarts import PLACE, Monitor, move, place, restart, two_revisions, workload
from integration.safety import no_write, refusal
from integration.support import NEW_VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
NO_SURGE = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
SLOW: Json = {"fault": "slow-start", "delay": "1s"}


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk)


def budget(name: str, *apps: str, **spec: Any) -> Json:
    """A budget for the pods of some workloads together."""
    chosen = {"matchExpressions": [{"key": "app", "operator": "In", "values": list(apps)}]}
    about = {"name": name, "namespace": PLACE}
    spec = {"selector": chosen, **(spec or {"maxUnavailable": 1})}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": about, "spec": spec}


def room(cluster: Cluster, name: str) -> int:
    """How many pods a budget lets go now; less than nothing while its controller has not looked."""
    status = cluster.request("GET", f"/apis/policy/v1/namespaces/{PLACE}/poddisruptionbudgets/{name}").get("status", {})
    return int(status["disruptionsAllowed"]) if status.get("observedGeneration") else -1


@contextmanager
def looking(cluster: Cluster) -> Iterator[Monitor]:
    """Count the ready pods."""
    monitor = Monitor(cluster)
    with monitor.watching():
        yield monitor


def test_no_workload_has_fewer_ready_pods_than_its_strategy_and_budget_allow(desk: Desk, cluster: Cluster) -> None:
    """Every kind, in three batches; and who looks does see a moment with fewer."""
    place(
        cluster,
        workload("Deployment", "down", **SLOW, replicas=4, strategy=NO_SURGE),
        workload("Deployment", "surges", **SLOW, strategy={"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}),
        workload("StatefulSet", "set", **SLOW, replicas=3),
        workload("DaemonSet", "daemon", **SLOW),
        workload("DaemonSet", "half", **SLOW, updateStrategy={"rollingUpdate": {"maxUnavailable": "50%"}}),
        workload("DaemonSet", "surging-daemon", **SLOW, updateStrategy=SURGE),
        budget("down", "down"),
        budget("set", "set"),
        # Kubernetes counts maxUnavailable only for owners that can be scaled
        budget("daemon", "daemon", minAvailable=2),
        # half of three nodes is two
        budget("half", "half", minAvailable=1),
    )
    move(desk, cluster)
    wanted = {"down": 1, "set": 1, "daemon": 1, "half": 2}
    until(lambda: {name: room(cluster, name) for name in wanted} == wanted, "the budgets have no room")
    allowed = {"down": 3, "surges": 2, "set": 2, "daemon": 2, "half": 1, "surging-daemon": 3}
    with looking(cluster) as monitor:
        result = restart(desk, cluster, batch_size=2)
    assert not result.get("failed"), result
    assert len(result["batches"]) == 3
    told = {one["name"]: one["takes_down"] for row in result["plan"] for one in row["budgets"]}
    assert told == {f"{PLACE}/{name}": down for name, down in wanted.items()}
    assert {pod.version for pod in pods(cluster, [PLACE]).values()} == {NEW_VERSION}
    assert monitor.fewest == allowed
    with looking(cluster) as monitor:
        for dummy, name in pods(cluster, [PLACE]):
            if name.startswith("set-"):
                cluster.delete(f"/api/v1/namespaces/{PLACE}/pods/{name}")
        until(lambda: monitor.fewest["set"] < allowed["set"], "who looks does not see it")


def test_two_workloads_whose_budget_has_room_for_one_go_one_after_the_other(desk: Desk, cluster: Cluster) -> None:
    place(
        cluster,
        *(workload("Deployment", name, **SLOW, strategy=NO_SURGE) for name in ("left", "right")),
        budget("shared", "left", "right"),
    )
    move(desk, cluster)
    until(lambda: room(cluster, "shared") == 1, "the budget has no room")
    with looking(cluster) as monitor:
        result = restart(desk, cluster, batch_size=10)
    assert result["batches"] == [[f"Deployment {PLACE}/left"], [f"Deployment {PLACE}/right"]], result
    assert monitor.together == 3


def test_room_is_waited_for_in_public_and_not_for_ever(desk: Desk, cluster: Cluster) -> None:
    """The room of a budget is taken by another workload, one of whose pods is away until it is ready again."""
    late: Json = {"fault": "slow-start", "delay": "6s"}
    place(cluster, workload("Deployment", "tight", strategy=NO_SURGE), budget("shared", "tight", "other"))
    other = workload("Deployment", "other", **late)
    # its pods are slow with every proxy, and it is not restarted
    other["spec"]["template"]["metadata"]["annotations"].pop("lab.meshops.dev/fault-proxy")
    cluster.apply([other])
    cluster.wait_ready([PLACE])
    move(desk, cluster)
    until(lambda: room(cluster, "shared") == 1, "the budget has no room")
    # two pods, one after the other, that take six seconds each
    [row] = restart(desk, cluster, check=True, names=["other"])["plan"]
    assert 12 <= row["expected_seconds"] <= 18
    before = pods(cluster, [PLACE])
    away = next(name for dummy, name in before if name.startswith("other-"))
    cluster.delete(f"/api/v1/namespaces/{PLACE}/pods/{away}")
    until(lambda: room(cluster, "shared") == 0, "the budget has room")
    wait = f"waiting for room: budget {PLACE}/shared allows 0 pods down, the batch takes down 1"
    go, lines = partial(restart, desk, cluster, names=["tight"]), list[str]()
    began = time.monotonic()
    with no_write(cluster):
        result = go(budget_timeout=1, lines=lines)
    message = refusal(result, "RolloutError")
    assert (result["failure"]["caused_by"], result["failure"]["failed_workloads"]) == (
        "workloads",
        [f"Deployment {PLACE}/tight"],
    )
    assert time.monotonic() - began < 5
    assert (
        f"Deployment {PLACE}/tight: NoRoom: budget {PLACE}/shared allows 0 pods down, the workload takes down 1"
        in message
    )
    assert lines[0] == f"batch 1 of 1: {wait}"
    assert lines[1].startswith("batch 1 of 1: no room within 1 s, continuing without: ")
    kept = {key: one for key, one in before.items() if key[1].startswith("tight-")}
    assert {key: pods(cluster, [PLACE]).get(key) for key in kept} == kept
    lines.clear()
    with ThreadPoolExecutor(1) as pool, looking(cluster) as monitor:
        job = pool.submit(go, budget_timeout=60, lines=lines)
        until(lambda: lines, "it does not wait")
        assert room(cluster, "shared") == 0
        assert job.result()["restarted"] == [f"Deployment {PLACE}/tight"], job.result()
    assert lines[0] == f"batch 1 of 1: {wait}"
    assert monitor.fewest["tight"] == 1
