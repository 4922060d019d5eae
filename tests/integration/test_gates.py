# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each gate passes and fails on a real cluster; a failure stops, goes back exactly, and loses no pods (S5)."""

from __future__ import annotations

import collections
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import GoneError
from integration.meshes import MERGE
from integration.objects import REV, labels, pods, until
from integration.restarts import (
    PLACE,
    Monitor,
    clocked,
    data_plane,
    move,
    place,
    restart,
    template,
    two_revisions,
    workload,
)
from integration.servers import Cutter, answer, serving
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Running
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
ISTIOD = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{NEW_REVISION}"


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk)


def versions(cluster: Cluster) -> dict[str, set[str]]:
    """The proxy versions of each workload of the namespace."""
    found: dict[str, set[str]] = {}
    for (_namespace, name), pod in pods(cluster, [PLACE]).items():
        found.setdefault(name.partition("-")[0], set()).add(pod.version)
    return found


def two(cluster: Cluster, desk: Desk, **notes: Any) -> None:
    """Two workloads, one after the other."""
    place(cluster, workload("Deployment", "a", **notes), workload("Deployment", "b"))
    move(desk, cluster)


def gated(desk: Desk, cluster: Cluster, **gates: Any) -> Json:
    """A restart, one workload after the other, with gates."""
    return restart(desk, cluster, batch_size=1, gates={"timeout": 3, **gates})


def stopped(cluster: Cluster, result: Json) -> str:
    """The sentence of a restart that stopped after its first batch."""
    assert result["failed"], result
    assert versions(cluster) == {"a": {NEW_VERSION}, "b": {VERSION}}
    return str(result["msg"])


def test_all_gates_are_passed(desk: Desk, cluster: Cluster) -> None:
    """Also where a pod went by itself before its batch began: its proxy is not waited for."""
    two(cluster, desk)

    def goes() -> bool:
        if versions(cluster).get("a") != {NEW_VERSION}:
            return False
        name = next(name for dummy, name in pods(cluster, [PLACE]) if name.startswith("b-"))
        cluster.delete(f"/api/v1/namespaces/{PLACE}/pods/{name}")
        return True

    with serving(200, answer("0.001")) as url:
        query = {"url": url, "query": "errors", "compare": "<", "value": 0.01}
        gates = {"soak": 2, "istiod": True, "connected": True, "http": [{"url": url}], "prometheus": [query]}
        result = clocked(lambda: gated(desk, cluster, **gates, timeout=30), goes).result
    assert not result.get("failed"), result
    assert versions(cluster) == {"a": {NEW_VERSION}, "b": {NEW_VERSION}}
    assert result["seconds"] >= 4


def test_a_url_that_answers_otherwise_stops(desk: Desk, cluster: Cluster) -> None:
    two(cluster, desk)
    with serving(503, {}) as url:
        said = stopped(cluster, gated(desk, cluster, http=[{"url": url}]))
    assert "answers with HTTP 503, not 200" in said


def test_a_measurement_that_is_too_high_stops(desk: Desk, cluster: Cluster) -> None:
    two(cluster, desk)
    with serving(200, answer("0.2")) as url:
        query = {"url": url, "query": "errors", "compare": "<", "value": 0.01}
        said = stopped(cluster, gated(desk, cluster, prometheus=[query]))
    assert "query errors: the value is 0.2, not < 0.01" in said


def test_a_pod_that_restarts_while_it_soaks_stops(desk: Desk, cluster: Cluster) -> None:
    two(cluster, desk, fault="restarts", delay="3s")
    began = time.monotonic()
    # all containers of this pod restart but its native sidecar, so it would fail by itself
    said = stopped(cluster, restart(desk, cluster, batch_size=1, on_workload_failure="stop", gates={"soak": 60}))
    assert "did not stay ready for 60 s: Deployment restarts/a: pod a-" in said
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("disconnect", "its proxy is not connected to revision 1-31-0"), ("reject", "its proxy rejects ")],
)
def test_a_proxy_that_istiod_does_not_know_or_that_rejects_stops(
    desk: Desk, cluster: Cluster, fault: str, sentence: str
) -> None:
    broken = workload("Deployment", "a")
    notes = {"lab.meshops.dev/proxy-fault": fault, "lab.meshops.dev/fault-proxy": NEW_VERSION}
    broken["spec"]["template"]["metadata"]["annotations"].update(notes)
    place(cluster, broken, workload("Deployment", "b"))
    move(desk, cluster)
    result = gated(desk, cluster, connected=True)
    assert sentence in stopped(cluster, result)
    found = result["failure"]["evidence"][0]
    assert found["container"] == "istio-proxy"
    # the log of a process, from the file that it writes, through kubelet and API server
    said = "rejected type.googleapis.com/envoy.config.listener.v3.Listener: Error adding/updating listener(s)"
    assert any(said in line for line in found["log"]) is (fault == "reject"), found["log"]


def test_an_istiod_that_falls_over_under_the_new_proxies_stops(desk: Desk, cluster: Cluster) -> None:
    two(cluster, desk)

    def falls() -> bool:
        if versions(cluster).get("a") != {NEW_VERSION}:
            return False
        cluster.request("PATCH", ISTIOD, {"spec": {"replicas": 0}}, content_type=MERGE)
        return True

    try:
        result = clocked(lambda: gated(desk, cluster, soak=5, istiod=True), falls).result
        assert "did not pass gate istiod" in stopped(cluster, result)
    finally:
        cluster.request("PATCH", ISTIOD, {"spec": {"replicas": 1}}, content_type=MERGE)
        until(lambda: cluster.request("GET", ISTIOD)["status"].get("readyReplicas") == 1, "istiod does not come back")


def test_a_failure_in_batch_3_of_5_goes_back_exactly(desk: Desk, cluster: Cluster) -> None:
    place(cluster, *(workload("Deployment", name, fault="proxy-crash" if name == "c" else "") for name in "abcde"))
    before = {name: template(cluster, "Deployment", name) for name in "abcde"}
    running = pods(cluster, [PLACE])
    move(desk, cluster)
    monitor = Monitor(cluster)
    with monitor.watching():
        result = restart(desk, cluster, batch_size=1, on_failure="rollback", restore_labels=True)
    assert "batch 3 of 5 failed: Deployment restarts/c: pod c-" in result["msg"]
    failure = result["failure"]
    assert (failure["rolled_back"], failure["rollback_problems"]) == (True, [])
    assert failure["completed_before"] == ["Deployment restarts/a", "Deployment restarts/b"]
    assert {name: template(cluster, "Deployment", name) for name in "abcde"} == before
    assert labels(cluster)[PLACE][REV] == REVISION
    until(lambda: versions(cluster) == {name: {VERSION} for name in "abcde"}, "not all are back")
    now = pods(cluster, [PLACE])
    assert {key: now.get(key) for key in running if key[1][0] in "de"} == {
        key: one for key, one in running.items() if key[1][0] in "de"
    }
    # two replicas, of which a quarter rounded down may be away
    assert monitor.fewest == dict.fromkeys("abcde", 2)


def test_connections_that_are_cut_every_two_seconds_change_nothing(desk: Desk, cluster: Cluster) -> None:
    place(cluster, *(workload("Deployment", name, fault="slow-start", delay="2s", replicas=4) for name in "abc"))
    move(desk, cluster)
    cutter = Cutter(cluster)
    # JSON is YAML, and the certificate is for 127.0.0.1 too
    login = desk.folder / "cut.kubeconfig"
    login.write_text(cluster.kubeconfig.read_text(encoding="utf-8").replace(cluster.server, cutter.url))
    result = restart(desk, cluster, kubeconfig=str(login), batch_size=2)
    cutter.close()
    assert not result.get("failed"), result
    assert cutter.cuts >= 3
    assert versions(cluster) == {name: {NEW_VERSION} for name in "abc"}
    assert result["batches"] == [["Deployment restarts/a", "Deployment restarts/b"], ["Deployment restarts/c"]]


def test_versions_that_the_api_server_has_forgotten_change_nothing(
    desk: Desk, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other watch ends with 410, as an API server that was started anew answers, and all end every second."""
    place(cluster, *(workload("Deployment", name, fault="slow-start", delay="2s") for name in "abc"))
    move(desk, cluster)
    watch, gone = Client.watch, list[str]()
    turns = collections.Counter[str]()

    def forgetful(self: Client, path: str, *, resource_version: str, seconds: int, **query: Any) -> Iterator[Event]:
        turns[path] += 1
        if turns[path] % 2 == 0:
            gone.append(path)
            raise GoneError(f"too old resource version: {resource_version}", 410, "Expired")
        yield from watch(self, path, resource_version=resource_version, seconds=min(seconds, 1), **query)

    monkeypatch.setattr(Client, "watch", forgetful)
    result = restart(desk, cluster, batch_size=2)
    assert not result.get("failed"), result
    assert {path.rpartition("/")[2] for path in gone} == {"deployments", "pods"}
    assert versions(cluster) == {name: {NEW_VERSION} for name in "abc"}
    assert result["batches"] == [["Deployment restarts/a", "Deployment restarts/b"], ["Deployment restarts/c"]]


def started(desk: Desk, cluster: Cluster) -> Running:
    """A playbook that restarts the namespace, one workload after the other."""
    task = {"meshops.istio.rollout_restart": {"namespaces": [PLACE], "batch_size": 1}}
    login = {"kubeconfig": "{{ istio_kubeconfig }}", "context": "{{ istio_context }}"}
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/meshops.istio.istio": login},
        "tasks": [task],
    }
    path = desk.folder / f"restart-{next(desk.numbers)}.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return desk.start([cluster], playbook=str(path))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_is_finished_by_the_next_and_nothing_restarts_twice(
    desk: Desk, cluster: Cluster, how: signal.Signals
) -> None:
    place(cluster, *(workload("Deployment", name, fault="slow-start", delay="3s") for name in "abc"))
    move(desk, cluster)
    running = started(desk, cluster)
    running.until_it_says("batch 2 of 3", "waiting for")
    if how is signal.SIGINT:
        running.process.send_signal(how)
        running.process.wait(30)
    else:
        running.kill()
    cluster.wait_ready([PLACE])
    done = {name for name, found in versions(cluster).items() if found == {NEW_VERSION}}
    assert {"a"} <= done <= {"a", "b"}
    before = pods(cluster, [PLACE])
    result = restart(desk, cluster)
    assert not result.get("failed"), result
    assert set(result["restarted"]) == {f"Deployment {PLACE}/{name}" for name in set("abc") - done}
    assert versions(cluster) == {name: {NEW_VERSION} for name in "abc"}
    kept = {key for key in before if key[1][0] in done}
    assert {key: pods(cluster, [PLACE])[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [
        pytest.param("", "", id="passes"),
        pytest.param("before", "Assertion failed", id="fails before"),
        pytest.param("after", f"The tasks after the wave {PLACE} failed, {PLACE} was moved back", id="fails after"),
    ],
)
def test_tasks_of_the_user_around_a_wave(desk: Desk, cluster: Cluster, fails: str, sentence: str) -> None:
    """A wave whose tasks fail before it is not begun, and one whose tasks fail after it goes back."""
    place(cluster, workload("Deployment", "a"))
    running = pods(cluster, [PLACE])
    expected = {
        "before": [fails != "before", f"data_plane_wave == ['{PLACE}']"],
        "after": [fails != "after", "data_plane_wave_restart.restarted | length == 1"],
    }
    hooks = {}
    for name, that in expected.items():
        path = desk.folder / f"{name}-{next(desk.numbers)}.yml"
        path.write_text(json.dumps([{"ansible.builtin.assert": {"that": that, "success_msg": f"{name} is well"}}]))
        hooks[f"{name}_wave"] = str(path)
    ended = data_plane(desk, cluster, data_plane_hooks=hooks)
    assert (ended.returncode == 0) is (not fails), ended.output
    assert ("before is well" in ended.output) is (fails != "before")
    assert ("after is well" in ended.output) is (not fails)
    assert versions(cluster) == {"a": {VERSION if fails else NEW_VERSION}}, ended.output[-4000:]
    assert labels(cluster)[PLACE][REV] == (REVISION if fails else NEW_REVISION)
    if fails:
        assert sentence in ended.failure(cluster)
        assert (pods(cluster, [PLACE]) == running) is (fails == "before")
