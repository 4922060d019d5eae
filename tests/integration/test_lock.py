# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one cluster: the second fails at once; what a run did is kept in the cluster (safety rules S8 and S9)."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from integration.meshes import MESH, drop_unrestartable
from integration.objects import pods, until
from integration.processes import descendants, keepers
from integration.support import CANARY, NEW_REVISION, NEW_VERSION, VERSION, Desk, Running
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
NAME = "meshops-istio-run"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/{NAME}"
RECORD = f"/api/v1/namespaces/istio-system/configmaps/{NAME}"
STATUS = "meshops.istio.status"
LOCK_SECONDS, SLOW_SECONDS = 4, 14
#: Two clusters of one ring. Between the two restarts of the first one, it waits for the second one for longer than its
#: lock lasts; nothing of this collection works meanwhile.
RING = """
- hosts: all
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: "{{ istio_kubeconfig }}"
      context: "{{ istio_context }}"
      run: {started_by: anna, strategy: restart, lock_seconds: %d}
  tasks:
    - block:
        - &restart
          name: Restart
          meshops.istio.rollout_restart: {namespaces: [shop], names: [cart], scope: all}
          when: inventory_hostname == quick
        - name: Be slow
          ansible.builtin.command: {cmd: sleep %d}
          when: inventory_hostname != quick
        - *restart
      always:
        - name: End the run
          meshops.istio.istio_run_record:
          when: inventory_hostname == quick
"""


def read(cluster: Cluster, path: str) -> Json | None:
    """An object, if it is there."""
    try:
        return cluster.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def record(cluster: Cluster) -> Json:
    """The record in the cluster."""
    found = read(cluster, RECORD)
    assert found is not None
    return dict(json.loads(found["data"]["record.json"]))


def holding(desk: Desk, cluster: Cluster, **variables: Any) -> Running:
    """A canary that holds the lock and waits for an istiod that does not get ready."""
    cluster.fault("never-ready", revision=NEW_REVISION)
    running = desk.start([cluster], **variables)
    running.until_it_says("installing revision")
    until(lambda: read(cluster, LEASE), "nothing is locked")
    return running


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """A mesh of 1.30.3."""
    cluster = desk.lab.clusters[0]
    desk.fresh([cluster])
    drop_unrestartable(cluster)
    return cluster


def said_of(desk: Desk, cluster: Cluster) -> str:
    """The line of the status playbook for a cluster; it writes nothing."""
    mark = cluster.audit_mark()
    play = desk.play([cluster], playbook=STATUS, istio_version=NEW_VERSION).require_success()
    assert cluster.writes_since(mark) == []
    (said,) = [one.result["msg"] for one in play.results if one.task == "Summarize all clusters"]
    return str(said[0])


def test_a_second_run_is_refused_at_any_moment_of_the_first_one(desk: Desk, cluster: Cluster) -> None:
    playbook = desk.folder / "ring.yml"
    playbook.write_text(RING % (LOCK_SECONDS, SLOW_SECONDS), encoding="utf-8")
    first = desk.start(desk.lab.clusters[:2], playbook=str(playbook), quick=cluster.name)
    until(lambda: read(cluster, LEASE), "nothing is locked")
    began, chance = time.monotonic(), random.Random(13)
    kept: set[int] = set()
    for moment in sorted(chance.uniform(0, SLOW_SECONDS - 1) for dummy in range(10)):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        second = desk.tool(cluster, "istio_run_record", state="unlocked", run={"started_by": "bert"})
        assert second["failure"]["kind"] == "LockedError", moment
        assert "is being worked on by anna since" in second["msg"]
        kept |= set(keepers([first.process.pid, *descendants(first.process.pid)]))
    assert len(kept) == 1
    first.end().require_success()
    assert read(cluster, LEASE) is None
    assert record(cluster)["state"] == "done"
    until(lambda: not keepers([first.process.pid]), "it outlives its run")


def test_the_second_run_fails_at_once_and_names_the_first(desk: Desk, cluster: Cluster) -> None:
    assert said_of(desk, cluster).startswith("not begun: ")
    first = holding(desk, cluster, istio_started_by="anna")
    lease = read(cluster, LEASE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "anna"
    second = desk.play([cluster])
    assert "is being worked on by anna since" in second.failure(cluster)
    assert [one for one in second.ours(cluster) if one.result.get("changed")] == []
    assert said_of(desk, cluster).startswith(f"locked: {cluster.name}")
    cluster.clear_fault()
    first.end().require_success()
    assert read(cluster, LEASE) is None
    done = record(cluster)
    assert (done["started_by"], done["state"], done["version"]) == ("anna", "done", NEW_VERSION)
    assert list(done["phases"]) == ["control_plane", "data_plane"]
    assert said_of(desk, cluster).startswith(f"done: {cluster.name}")


def test_a_run_that_finds_nothing_to_do_locks_nothing(desk: Desk, cluster: Cluster) -> None:
    before, mark = record(cluster), cluster.audit_mark()
    desk.play([cluster]).require_success()
    assert cluster.writes_since(mark) == []
    assert record(cluster) == before


def test_a_killed_run_shows_and_the_next_one_takes_its_lock(desk: Desk, cluster: Cluster) -> None:
    desk.fresh([cluster])
    drop_unrestartable(cluster)
    holding(desk, cluster).kill()
    assert read(cluster, LEASE) is not None
    assert record(cluster)["state"] == "running"
    assert said_of(desk, cluster).startswith(f"interrupted: {cluster.name}")
    cluster.clear_fault()
    desk.play([cluster]).require_success()
    assert read(cluster, LEASE) is None
    assert record(cluster)["state"] == "done"
    assert record(cluster)["previous"]["state"] == "running"
    assert {pod.version for pod in pods(cluster, MESH).values() if not pod.done} == {NEW_VERSION}


def test_a_failure_is_kept_and_unlocks(desk: Desk, cluster: Cluster) -> None:
    desk.fresh([cluster])
    drop_unrestartable(cluster)
    cluster.fault("never-ready", revision=NEW_REVISION)
    play = desk.play([cluster], istio_timeout=5)
    assert play.returncode != 0
    assert read(cluster, LEASE) is None
    failed = record(cluster)
    assert failed["state"] == "failed"
    assert failed["message"] in play.output.replace("\\n", "\n")
    assert said_of(desk, cluster).startswith(f"failed: {cluster.name} (istiod {VERSION}")
    cluster.clear_fault()


def test_the_lock_of_somebody_else_stays_until_it_is_broken_by_name(desk: Desk, cluster: Cluster) -> None:
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": "istio-system"},
        "spec": {
            "holderIdentity": "carl@nowhere",
            "leaseDurationSeconds": 300,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2126-01-01T00:00:00.000000Z",
        },
    }
    cluster.request("POST", LEASE.rpartition("/")[0], body)
    assert "carl@nowhere" in desk.play([cluster], istio_break_lock="dora").failure(cluster)
    desk.play([cluster], istio_break_lock="carl@nowhere", playbook=CANARY).require_success()
    assert read(cluster, LEASE) is None
