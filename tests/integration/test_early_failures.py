# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot come up is seen within seconds, with evidence; what somebody else does meanwhile is respected (S5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integration.meshes import MERGE
from integration.objects import until
from integration.restarts import COLLECTIONS, PLACE, clocked, move, place, restart, template, two_revisions, workload
from integration.support import Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
EARLY = 5.0
PODS = f"/api/v1/namespaces/{PLACE}/pods"


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk, desk.lab.clusters[0])


def waiting(cluster: Cluster, reason: str) -> Callable[[], bool]:
    """Whether a container waits for a reason."""

    def shows() -> bool:
        groups = ("initContainerStatuses", "containerStatuses")
        states = (
            one.get("state", {}) for pod in cluster.pods(PLACE) for key in groups for one in pod["status"].get(key, [])
        )
        return any(state.get("waiting", {}).get("reason") == reason for state in states)

    return shows


def only(result: Json) -> Json:
    """The evidence of a restart that failed for one reason."""
    assert result["failed"], result
    assert result["failure"]["kind"] == "RolloutError"
    return dict(result["failure"]["evidence"][0])


@pytest.mark.parametrize("kind", COLLECTIONS)
@pytest.mark.parametrize(
    ("fault", "reason", "container"),
    [
        ("crash-loop", "CrashLoopBackOff", "app"),
        ("image-pull", "ImagePullBackOff", "app"),
        ("init-crash", "CrashLoopBackOff", "istio-init"),
    ],
)
def test_a_pod_that_cannot_start(
    desk: Desk, cluster: Cluster, kind: str, fault: str, reason: str, container: str
) -> None:
    place(cluster, workload(kind, "web", fault=fault))
    move(desk, cluster)
    clock = clocked(lambda: restart(desk, cluster), waiting(cluster, reason))
    found = only(clock.result)
    assert (found["workload"], found["reason"]) == (f"{kind} {PLACE}/web", reason)
    assert found["container"] == container
    assert found["pod"] in clock.result["msg"]
    assert clock.seconds < EARLY


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_pods_that_a_quota_refuses(desk: Desk, cluster: Cluster, kind: str) -> None:
    place(cluster, workload(kind, "web"))
    move(desk, cluster)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": PLACE}}
    cluster.apply([{**quota, "spec": {"hard": {"pods": "0"}}}])
    path = f"/api/v1/namespaces/{PLACE}/resourcequotas/none"
    until(lambda: cluster.request("GET", path).get("status", {}).get("used"), "the quota is not counted")

    def shows() -> bool:
        return any(one["reason"] == "FailedCreate" for one in cluster.items(f"/api/v1/namespaces/{PLACE}/events"))

    clock = clocked(lambda: restart(desk, cluster), shows)
    found = only(clock.result)
    assert (found["workload"], found["reason"]) == (f"{kind} {PLACE}/web", "FailedCreate")
    assert "exceeded quota: none" in found["message"]
    assert clock.seconds < EARLY


def test_a_pod_that_does_not_go(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("StatefulSet", "web", replicas=1))
    held = {"metadata": {"finalizers": ["test.meshops.dev/hold"]}}
    cluster.request("PATCH", f"{PODS}/web-0", held, content_type=MERGE)
    move(desk, cluster)
    clock = clocked(lambda: restart(desk, cluster), lambda: "deletionTimestamp" in cluster.pods(PLACE)[0]["metadata"])
    found = only(clock.result)
    assert (found["pod"], found["reason"]) == ("web-0", "Terminating")
    assert 15 <= clock.seconds < 16 + EARLY


def test_a_progress_deadline(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("Deployment", "web", fault="never-ready", progressDeadlineSeconds=3))
    move(desk, cluster)

    def shows() -> bool:
        conditions = cluster.request("GET", f"/apis/apps/v1/namespaces/{PLACE}/deployments/web")["status"]["conditions"]
        return any(one.get("reason") == "ProgressDeadlineExceeded" for one in conditions)

    clock = clocked(lambda: restart(desk, cluster), shows)
    assert only(clock.result)["reason"] == "ProgressDeadlineExceeded"
    assert clock.seconds < EARLY


def test_a_workload_that_is_deleted_or_paused_meanwhile(desk: Desk, cluster: Cluster) -> None:
    place(cluster, *(workload("Deployment", name, fault="never-ready") for name in ("gone", "held")))
    move(desk, cluster)
    path = f"/apis/apps/v1/namespaces/{PLACE}/deployments"

    def meddle() -> bool:
        if len(cluster.pods(PLACE)) <= 4:
            return False
        cluster.delete(f"{path}/gone")
        cluster.request("PATCH", f"{path}/held", {"spec": {"paused": True}}, content_type=MERGE)
        return True

    clock = clocked(lambda: restart(desk, cluster), meddle)
    assert clock.seconds < EARLY
    assert clock.result["failure"]["evidence"][0]["reason"] in ("Deleted", "Paused")


def test_two_workloads_that_somebody_else_changes_meanwhile(desk: Desk, cluster: Cluster) -> None:
    """Their rollouts replace ours, are waited for, and are not taken back."""
    place(cluster, *(workload("Deployment", name, fault="slow-start", delay="3s") for name in ("a", "b", "c")))
    move(desk, cluster)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/app:2"}]}}}}

    def meddle() -> bool:
        if len(cluster.pods(PLACE)) <= 6:
            return False
        for name in ("a", "b"):
            path = f"/apis/apps/v1/namespaces/{PLACE}/deployments/{name}?fieldManager=somebody"
            cluster.request("PATCH", path, image, content_type="application/strategic-merge-patch+json")
        return True

    result = clocked(lambda: restart(desk, cluster), meddle).result
    assert not result.get("failed"), result
    assert result["changed_meanwhile"] == [f"Deployment {PLACE}/{name}, by somebody" for name in ("a", "b")]
    for name in ("a", "b"):
        assert template(cluster, "Deployment", name)["spec"]["containers"][0]["image"].endswith(":2")
    assert len(cluster.pods(PLACE)) >= 6
