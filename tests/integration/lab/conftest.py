# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of two clusters for all tests of this folder: Istio on the first, nothing on the second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Cluster, Lab

Json = dict[str, Any]
VERSION, REVISION = "1.30.3", "1-30-3"
NAMESPACE = "lab-test"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(f"test-{os.getpid()}", clusters=2) as running:
        yield running


@pytest.fixture(scope="module")
def mesh(lab: Lab) -> Cluster:
    """The first cluster, with Istio and a namespace that is injected."""
    cluster = lab.clusters[0]
    cluster.install_istio(VERSION, REVISION)
    namespace = {"name": NAMESPACE, "labels": {"istio.io/rev": REVISION}}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": namespace}])
    return cluster


@pytest.fixture
def bare(lab: Lab) -> Iterator[Cluster]:
    """The second cluster, without Istio before and after."""
    yield lab.clusters[1]
    lab.clusters[1].reset()


def pod(name: str, image: str = "registry.example/app:1", **metadata: Any) -> Json:
    """A pod of one container."""
    spec = {"containers": [{"name": "app", "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.fixture
def injected(mesh: Cluster) -> Callable[..., Json]:
    """Ask the API server, without storing anything, what becomes of a pod."""

    def ask(namespace: str = NAMESPACE, **metadata: Any) -> Json:
        path = f"/api/v1/namespaces/{namespace}/pods"
        return mesh.request("POST", path, pod("asked", **metadata), {"dryRun": "All"})

    return ask
