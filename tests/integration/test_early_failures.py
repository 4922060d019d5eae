# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failing rollout is seen within seconds, with evidence; changes by another client are respected (S5)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import rollout_checks
from integration.meshes import MERGE
from integration.objects import REV, labels, pods, read_pod
from integration.restarts import (
    COLLECTIONS,
    EARLY,
    PLACE,
    clocked,
    clocked_by_kind,
    data_plane,
    move,
    place,
    restart,
    template,
    two_revisions,
    workload,
)
from integration.support import NEW_REVISION, NEW_VERSION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
PODS = f"/api/v1/namespaces/{PLACE}/pods"
APPS = f"/apis/apps/v1/namespaces/{PLACE}"


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk)


def one_of_each(**options: Any) -> list[Json]:
    """A workload of each kind, called as its kind."""
    return [workload(kind, kind.lower(), **options) for kind in COLLECTIONS]


def pods_of(cluster: Cluster, kind: str) -> list[Json]:
    """The pods of the workload of a kind."""
    return cluster.items(PODS, {"labelSelector": f"app={kind.lower()}"})


def waiting(cluster: Cluster, kind: str, reason: str) -> bool:
    """Whether a container of the workload of a kind waits for a reason."""
    states = (
        one.get("state", {})
        for pod in pods_of(cluster, kind)
        for group in ("initContainerStatuses", "containerStatuses")
        for one in pod.get("status", {}).get(group, [])
    )
    return any(state.get("waiting", {}).get("reason") == reason for state in states)


def only(result: Json) -> Json:
    """The evidence of a restart that failed for one reason."""
    assert result["failed"], result
    assert result["failure"]["kind"] == "RolloutError"
    return dict(result["failure"]["evidence"][0])


@pytest.mark.parametrize(
    ("fault", "reason", "container"),
    [
        ("crash-loop", "CrashLoopBackOff", "app"),
        ("image-pull", "ImagePullBackOff", "app"),
        ("init-crash", "CrashLoopBackOff", "istio-init"),
        ("proxy-crash", "CrashLoopBackOff", "istio-proxy"),
    ],
)
def test_a_pod_that_cannot_start(
    desk: Desk, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str, container: str
) -> None:
    """The logs of these pods cannot be read, and the rest of the evidence is complete."""
    monkeypatch.setattr(rollout_checks, "LASTS_SECONDS", 1.0)
    place(cluster, *one_of_each(fault=fault))
    move(desk, cluster)
    clocks = clocked_by_kind(desk, cluster, lambda kind: waiting(cluster, kind, reason))
    for kind, clock in clocks.items():
        found = only(clock.result)
        assert (found["workload"], found["reason"]) == (f"{kind} {PLACE}/{kind.lower()}", reason)
        assert found["container"] == container
        assert [line.partition(":")[0] for line in found["log"]] == ["not read"]
        assert found["pod"] in clock.result["msg"]
        whose = "workloads" if container == "app" else "revision"
        assert clock.result["failure"]["caused_by"] == whose
        assert clock.seconds < 1 + EARLY, kind


def test_an_application_that_crashes_takes_back_itself_alone(desk: Desk, cluster: Cluster) -> None:
    """By the role: the others are moved and stay, and the run fails at its end; only lasting failures count."""
    place(cluster, *(workload("Deployment", name, fault="crash-loop" if name == "c" else "") for name in "abcde"))
    before = template(cluster, "Deployment", "c")
    play = data_plane(desk, cluster)
    assert play.returncode == 2
    message = play.failure(cluster)
    assert f"1 workload failed independently of the revision: Deployment {PLACE}/c: pod c-" in message
    assert "Restarts that failed were undone; successful restarts are kept." in message
    assert labels(cluster)[PLACE][REV] == NEW_REVISION
    assert template(cluster, "Deployment", "c") == before
    found = {key[1].partition("-")[0]: set[str]() for key in pods(cluster, [PLACE])}
    for (dummy, name), pod in pods(cluster, [PLACE]).items():
        found[name.partition("-")[0]].add(pod.version)
    assert {name for name, versions in found.items() if versions == {NEW_VERSION}} == set("abde")
    # its old pods serve on
    assert VERSION in found["c"]


def test_every_kind_goes_back(desk: Desk, cluster: Cluster) -> None:
    """Also a StatefulSet, which does not replace its own broken pod."""
    place(cluster, *one_of_each(fault="crash-loop"))
    before = {kind: template(cluster, kind, kind.lower()) for kind in COLLECTIONS}
    move(desk, cluster)
    failure = restart(desk, cluster, on_failure="rollback", restore_labels=True)["failure"]
    assert (failure["rolled_back"], failure["rollback_problems"]) == (True, [])
    assert {kind: template(cluster, kind, kind.lower()) for kind in COLLECTIONS} == before
    cluster.wait_ready([PLACE])
    assert {found.version for found in pods(cluster, [PLACE]).values()} == {VERSION}


def test_a_pod_that_does_not_go(desk: Desk, cluster: Cluster) -> None:
    """Where the next pod waits for it: it is late 15 seconds after its grace period of one."""
    place(
        cluster,
        workload("Deployment", "deployment", replicas=1, strategy={"type": "Recreate"}),
        workload("StatefulSet", "statefulset", replicas=1),
        workload("DaemonSet", "daemonset"),
    )
    for pod in cluster.pods(PLACE):
        held = {"metadata": {"finalizers": ["test.meshops.dev/hold"]}}
        cluster.request("PATCH", f"{PODS}/{pod['metadata']['name']}", held, content_type=MERGE)
    move(desk, cluster)

    def shows(kind: str) -> bool:
        return any("deletionTimestamp" in pod["metadata"] for pod in pods_of(cluster, kind))

    for kind, clock in clocked_by_kind(desk, cluster, shows).items():
        found = only(clock.result)
        assert (found["workload"], found["reason"]) == (f"{kind} {PLACE}/{kind.lower()}", "Terminating")
        # the API server cuts the time of a deletion to seconds, and the clock starts when the pod is seen to go
        assert 14 <= clock.seconds < 16 + EARLY, kind


def test_a_progress_deadline(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("Deployment", "web", fault="never-ready", progressDeadlineSeconds=3))
    move(desk, cluster)

    def shows() -> bool:
        conditions = cluster.request("GET", f"/apis/apps/v1/namespaces/{PLACE}/deployments/web")["status"]["conditions"]
        return any(one.get("reason") == "ProgressDeadlineExceeded" for one in conditions)

    clock = clocked(lambda: restart(desk, cluster), shows)
    assert only(clock.result)["reason"] == "ProgressDeadlineExceeded"
    assert clock.seconds < EARLY


def test_a_workload_that_is_deleted_meanwhile(desk: Desk, cluster: Cluster) -> None:
    place(cluster, *one_of_each(fault="never-ready"))
    move(desk, cluster)

    def meddle(kind: str) -> bool:
        if not any(found.version == NEW_VERSION for found in map(read_pod, pods_of(cluster, kind))):
            return False
        cluster.delete(f"{APPS}/{COLLECTIONS[kind]}/{kind.lower()}")
        return True

    for kind, clock in clocked_by_kind(desk, cluster, meddle).items():
        assert not clock.result.get("failed"), clock.result
        assert (clock.result["deleted_meanwhile"], clock.result["restarted"]) == (
            [f"{kind} {PLACE}/{kind.lower()}"],
            [],
        )
        assert clock.seconds < EARLY, kind


def test_a_rollout_that_is_paused_meanwhile(desk: Desk, cluster: Cluster) -> None:
    place(cluster, workload("Deployment", "deployment", fault="never-ready"))
    move(desk, cluster)

    def meddle() -> bool:
        if len(pods_of(cluster, "Deployment")) <= 2:
            return False
        cluster.request("PATCH", f"{APPS}/deployments/deployment", {"spec": {"paused": True}}, content_type=MERGE)
        return True

    clock = clocked(lambda: restart(desk, cluster), meddle)
    assert only(clock.result)["reason"] == "Paused"
    assert clock.seconds < EARLY


def test_two_workloads_that_somebody_else_changes_meanwhile(desk: Desk, cluster: Cluster) -> None:
    """Their rollouts replace ours, are waited for, and are not taken back."""
    place(cluster, *one_of_each(fault="slow-start", delay="3s"))
    move(desk, cluster)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/app:2"}]}}}}
    edited = ("Deployment", "StatefulSet")

    def meddle() -> bool:
        if not all(any(read_pod(pod).version == NEW_VERSION for pod in pods_of(cluster, kind)) for kind in edited):
            return False
        for kind in edited:
            path = f"{APPS}/{COLLECTIONS[kind]}/{kind.lower()}?fieldManager=editor"
            cluster.request("PATCH", path, image, content_type="application/strategic-merge-patch+json")
        return True

    result = clocked(lambda: restart(desk, cluster), meddle).result
    assert not result.get("failed"), result
    assert result["changed_meanwhile"] == [f"{kind} {PLACE}/{kind.lower()}, by editor" for kind in edited]
    for kind in edited:
        assert template(cluster, kind, kind.lower())["spec"]["containers"][0]["image"].endswith(":2")
    assert {found.version for found in pods(cluster, [PLACE]).values()} == {NEW_VERSION}
