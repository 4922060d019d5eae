# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any stage is finished by the next one (safety rule S9).

Each kill waits for a state that a fault holds, so that it always hits the same stage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration.meshes import MERGE, MESH, assert_sound, break_it, drop_unrestartable
from integration.objects import REV, labels, pods, until
from integration.story import Reading
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Running
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
APPS = "/apis/apps/v1/namespaces"
OLD_ISTIOD = f"{APPS}/istio-system/deployments/istiod-{REVISION}"
TAG = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-{}"


def kill_when(running: Running, holds: Callable[[], object]) -> None:
    """Kill a run in the middle of something."""
    until(lambda: running.process.poll() is not None or holds(), "the run did not get that far")
    assert running.process.poll() is None, running.output()[-3000:]
    running.kill()


def kill_at(desk: Desk, cluster: Cluster, namespace: str, name: str) -> None:
    """Kill a run that waits for a Deployment whose new pods do not get ready, and fix that."""
    path = f"{APPS}/{namespace}/deployments/{name}"
    break_it(cluster, path, "never-ready")
    cluster.wait_ready()
    kill_when(
        desk.start([cluster]),
        lambda: any(pod.version == NEW_VERSION for pod in pods(cluster, [namespace]).values()),
    )
    break_it(cluster, path, None)
    cluster.wait_ready()


def tag(cluster: Cluster, name: str) -> str:
    """Where a tag leads."""
    return str(cluster.request("GET", TAG.format(name))["metadata"]["labels"][REV])


@contextlib.contextmanager
def held(cluster: Cluster, path: str) -> Iterator[None]:
    """Let an object stay when it is deleted, for as long as this lasts."""

    def finalizers(names: list[str]) -> None:
        cluster.request("PATCH", path, {"metadata": {"finalizers": names}}, content_type=MERGE)

    finalizers(["test.meshops.dev/hold"])
    try:
        yield
    finally:
        finalizers([])


def leaving(cluster: Cluster, path: str) -> bool:
    """Whether an object was deleted and is held."""
    return "deletionTimestamp" in cluster.request("GET", path)["metadata"]


def gone(cluster: Cluster, path: str) -> bool:
    """Whether an object is not there any more."""
    try:
        cluster.request("GET", path)
    except ApiError as error:
        return error.status == 404
    return False


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """A mesh of 1.30.3."""
    cluster = desk.lab.clusters[0]
    desk.fresh([cluster])
    drop_unrestartable(cluster)
    return cluster


def test_killed_again_and_again_a_canary_comes_to_its_end(desk: Desk, cluster: Cluster) -> None:
    labelled = labels(cluster)
    cluster.fault("never-ready", revision=NEW_REVISION)
    kill_when(
        desk.start([cluster]),
        lambda: any(name.startswith(f"istiod-{NEW_REVISION}-") for dummy, name in pods(cluster, ["istio-system"])),
    )
    assert labels(cluster) == labelled
    cluster.clear_fault()

    kill_at(desk, cluster, "orders", "intake")
    assert {pod.version for pod in pods(cluster, MESH).values() if not pod.done} == {VERSION, NEW_VERSION}
    assert tag(cluster, "prod") == REVISION

    kill_at(desk, cluster, "reports", "monthly")
    assert tag(cluster, "prod") == NEW_REVISION
    assert labels(cluster)["ingress"][REV] == REVISION

    desk.play([cluster]).require_success()
    assert_sound(cluster, NEW_VERSION, NEW_REVISION, default=REVISION)


def test_killed_while_it_removes_the_old_revision_it_comes_to_its_end(desk: Desk, cluster: Cluster) -> None:
    with held(cluster, OLD_ISTIOD):
        kill_when(desk.start([cluster], istio_finalize=True), lambda: leaving(cluster, OLD_ISTIOD))
        assert tag(cluster, "default") == NEW_REVISION
    until(lambda: gone(cluster, OLD_ISTIOD), "the old istiod stays")

    desk.play([cluster], istio_finalize=True).require_success()
    assert_sound(cluster, NEW_VERSION, NEW_REVISION)
    assert not [key for key in Reading.of(cluster).objects if REVISION in key[2]]
    mark = cluster.audit_mark()
    again = desk.play([cluster], istio_finalize=True).require_success()
    assert again.recap[cluster.name]["changed"] == 0
    assert cluster.writes_since(mark) == []
