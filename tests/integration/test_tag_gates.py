# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Followers of a tag pass the same gates as a wave; if they fail, the tag and its followers go back."""

from __future__ import annotations

import pytest

from integration.objects import REV, pods
from integration.restarts import PLACE, workload
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster

pytestmark = pytest.mark.lab
TAG = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-prod"
#: No server listens there.
NO_SERVER = "http://127.0.0.1:9/healthz"


@pytest.fixture
def cluster(desk: Desk) -> Cluster:
    """Istio 1.30.3, and one namespace that follows a tag."""
    desk.state = ""
    found = desk.lab.clusters[0]
    found.reset()
    found.install_istio(VERSION, REVISION)
    found.istioctl(VERSION, "tag", "set", "prod", "--revision", REVISION, "-y")
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {REV: "prod"}}}
    found.apply([place, workload("Deployment", "web"), workload("Deployment", "cart")])
    found.wait_ready([PLACE])
    return found


def leads(cluster: Cluster) -> str:
    """Where the tag leads."""
    return str(cluster.request("GET", TAG)["metadata"]["labels"][REV])


def versions(cluster: Cluster) -> set[str]:
    """The proxy versions that the pods run."""
    return {pod.version for pod in pods(cluster, [PLACE]).values()}


def test_a_gate_that_is_not_passed_takes_the_tag_back(desk: Desk, cluster: Cluster) -> None:
    gates = {"http": [{"url": NO_SERVER, "timeout": 1}], "timeout": 1}
    play = desk.play([cluster], istio_gates=gates, istio_batch_size="1")
    assert play.returncode != 0
    assert f"Tag prod was moved back to {REVISION}, because its workloads did not follow" in play.failure(cluster)
    assert f"did not pass gate http {NO_SERVER}" in play.failure(cluster)
    assert (leads(cluster), versions(cluster)) == (REVISION, {VERSION})
    first, back = play.of(cluster, "rollout_restart")[-2:]
    assert first["failure"]["completed_before"] == [], "the second batch is not begun"
    assert back["restarted"] == [f"Deployment {PLACE}/cart"], "nothing has to pass a gate on its way back"

    desk.play([cluster], istio_gates={"istiod": True, "soak": 1}).require_success()
    assert (leads(cluster), versions(cluster)) == (NEW_REVISION, {NEW_VERSION})
