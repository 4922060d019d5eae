# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean install has nothing to warn about: what istioctl makes by itself is in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integration.objects import INJECTION
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, UNREVISIONED, VERSION, Desk
from integration.test_precheck import found
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
APP = "shop"
LABELS = {"app": "web"}
OBJECTS: tuple[Json, ...] = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": APP, "labels": {INJECTION: "enabled"}}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": APP},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "web", "image": "lab.invalid/web:1"}]},
            },
        },
    },
)
VERSIONS = (VERSION, NEW_VERSION)


@pytest.fixture(scope="module", params=["minimal", "default"])
def installed(desk: Desk, request: pytest.FixtureRequest) -> dict[str, Cluster]:
    """Version to cluster, each with an install as the documentation begins: no revision, no settings, one workload."""
    desk.state = ""

    def one(cluster: Cluster, version: str) -> None:
        cluster.reset()
        cluster.install_istio(version, profile=request.param)
        cluster.apply(OBJECTS)
        cluster.wait_ready()

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, desk.lab.clusters, VERSIONS))
    return dict(zip(VERSIONS, desk.lab.clusters, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"version": NEW_VERSION, "revision": NEW_REVISION}, id="before a canary"),
        pytest.param({"stage": "after", "revision": UNREVISIONED}, id="after an install"),
    ],
)
def test_a_clean_install_has_no_error_and_no_warning(
    desk: Desk, installed: dict[str, Cluster], version: str, options: Json
) -> None:
    cluster = installed[version]
    with no_write(cluster):
        result = desk.tool(cluster, "istio_precheck", fail_on="never", **options)
    assert "failed" not in result, result
    assert [row for row in result["findings"] if row["severity"] != "info"] == []
    assert sum(sum(row.values()) for row in result["proxies"].values()) >= 2


def test_mu003_names_a_cluster_without_istiod(desk: Desk) -> None:
    """The last of its file: it takes the mesh away."""
    bare = desk.lab.clusters[0]
    bare.reset()
    assert found(desk, bare)["MU003"] == {"namespace istio-system"}
