# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of one precheck: time, memory and requests, on the lab and on a generated mesh of ten thousand pods."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import PAGE_SIZE, Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import proxies_of
from benchmark.crowd import measure
from field.policies import mutating, rewrite_proxy_image
from integration.objects import injected, pods, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk
from lab import Cluster

Json = dict[str, Any]
CROWD = "crowd"
DEPLOYMENTS, EACH = 90, 3
SECONDS, MEMORY_MIB = 3.0, 150
#: The same where something beside Istio changes all pods, so that each template is asked for.
SECONDS_WITH_A_MIRROR = 10.0
MIRROR = rewrite_proxy_image('c.image.replace("lab.invalid", "mirror.test")')


def test_ten_thousand_pods_fit_in_little_memory() -> None:
    found = measure(9999)
    assert (found["failed"], found["findings"]) == ("", [])
    assert found["memory_mib"] < MEMORY_MIB


def connected(cluster: Cluster) -> bool:
    """Whether istiod knows every proxy: a gate asks it again while some are missing."""
    client = Client(connection({"kubeconfig": str(cluster.kubeconfig), "context": cluster.context}))
    known = {(one.namespace, one.name) for one in proxies_of(client, "istio-system")}
    return {key for key, pod in pods(cluster).items() if pod.image and not pod.done} <= known


def pages(cluster: Cluster) -> int:
    """How many pages the kinds have that a Deployment adds to."""
    paths = ("/api/v1/pods", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets")
    return sum(max(1, math.ceil(len(cluster.items(path)) / PAGE_SIZE)) for path in paths)


def gate(desk: Desk, cluster: Cluster) -> Json:
    """One gate, with how long it took."""
    until(lambda: connected(cluster), "not all proxies are connected")
    began = time.monotonic()
    result = desk.tool(cluster, "istio_precheck", version=NEW_VERSION, revision=NEW_REVISION, fail_on="never")
    assert "failed" not in result, result
    return {**result, "seconds": time.monotonic() - began}


def deployment(name: str) -> Json:
    """Three pods that do nothing."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "lab.invalid/app:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": CROWD},
        "spec": {"replicas": EACH, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def crowd(calm: Cluster) -> Iterator[Cluster]:
    """A cluster with three hundred injected pods."""
    space = {"name": CROWD, "labels": {"istio.io/rev": REVISION}}
    calm.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": space}])
    calm.apply([deployment(f"app-{at}") for at in range(DEPLOYMENTS)])
    calm.wait_ready([CROWD])
    yield calm
    calm.delete(f"/api/v1/namespaces/{CROWD}")
    until(lambda: CROWD not in names(calm), "the namespace of the crowd does not go")


def names(cluster: Cluster) -> set[str]:
    """The namespaces that are there."""
    return {item["metadata"]["name"] for item in cluster.items("/api/v1/namespaces")}


@pytest.mark.lab
def test_three_hundred_pods_take_no_time_and_no_more_requests(desk: Desk, calm: Cluster, request: Any) -> None:
    few, before = gate(desk, calm), pages(calm)
    many = gate(desk, request.getfixturevalue("crowd"))
    proxies = sum(sum(row.values()) for row in many["proxies"].values())
    assert proxies > DEPLOYMENTS * EACH
    assert many["seconds"] < SECONDS
    assert many["requests"]["reads"] - few["requests"]["reads"] == pages(calm) - before
    assert many["findings"] == few["findings"]


@pytest.mark.lab
def test_three_hundred_pods_behind_a_mirror_cost_one_dry_run_per_template(desk: Desk, crowd: Cluster) -> None:
    with mutating(crowd, "mirror", MIRROR, in_force=lambda: "mirror.test" in injected(crowd, CROWD).image):
        found = gate(desk, crowd)
    # Pods of one owner have one template; the names of the pods of a Deployment end with two random parts.
    owners = {(place, name.rsplit("-", 2)[0]) for (place, name), pod in pods(crowd).items() if pod.image}
    asked = found["requests"]["dry_runs"]
    print(f"{len(pods(crowd))} pods, {asked} dry runs, {found['seconds']:.1f} s")
    assert DEPLOYMENTS <= asked <= len(owners) + 1
    assert found["seconds"] < SECONDS_WITH_A_MIRROR
