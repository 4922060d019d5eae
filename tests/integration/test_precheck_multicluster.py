# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck on a cluster of a mesh of two, with a canary that got another name for its cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from integration.remote_clusters import ADDRESS, Istioctl, all_cases, rendered
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster
from unit.paths import ROOT

Json = dict[str, Any]
pytestmark = pytest.mark.lab
MESH = ("values.global.meshID=paris", "values.global.network=seine")
NAME = "values.global.multiCluster.clusterName="
INJECTOR = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector-{REVISION}"
CODES = ("MU060", "MU061", "MU062")


def controlled_elsewhere(cluster: Cluster) -> list[Json]:
    """The objects of a remote control plane, with the certificate that its istiod would write."""
    objects = rendered(istioctl_of(cluster), "elsewhere", ADDRESS)
    bundle = cluster.request("GET", INJECTOR)["webhooks"][0]["clientConfig"]["caBundle"]
    for hook in next(obj for obj in objects if "webhooks" in obj)["webhooks"]:
        hook["clientConfig"]["caBundle"] = bundle
    return objects


def istioctl_of(cluster: Cluster) -> Istioctl:
    """The real istioctl of the new version."""
    return lambda arguments: cluster.istioctl(NEW_VERSION, *arguments).stdout


def test_istioctl_renders_the_recorded_remote_clusters(desk: Desk) -> None:
    recorded = ROOT / "tests" / "unit" / "fixtures" / "remote-clusters.jsonl"
    assert all_cases(istioctl_of(desk.lab.clusters[0])) == recorded.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def pair(desk: Desk) -> tuple[Cluster, Cluster]:
    """Two clusters of one mesh; the istiods of the first read the second, and one of them is badly named."""
    first, second = desk.lab.clusters
    desk.state = ""

    def one(cluster: Cluster) -> None:
        cluster.reset()
        cluster.install_istio(VERSION, REVISION, sets=[*MESH, NAME + cluster.name])

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, (first, second)))
    secret = second.istioctl(VERSION, "create-remote-secret", "--name", second.name).stdout
    first.apply(filter(None, yaml.safe_load_all(secret)))
    first.install_istio(NEW_VERSION, NEW_REVISION, sets=[*MESH, f"{NAME}mistaken"])
    first.apply(controlled_elsewhere(first))
    return first, second


def asked(desk: Desk, cluster: Cluster) -> Json:
    """The result before the canary."""
    with no_write(cluster):
        result = desk.tool(
            cluster,
            "istio_precheck",
            version=NEW_VERSION,
            revision=NEW_REVISION,
            source_revision=REVISION,
            fail_on="never",
        )
    assert "failed" not in result, result
    return result


def rows(result: Json) -> dict[str, dict[str, str]]:
    """Code to object to message, of what is about several clusters."""
    found = [row for row in result["findings"] if row["code"] in CODES]
    return {row["code"]: {row["object"]: row["message"]} for row in found}


def test_what_one_cluster_shows_of_its_mesh_is_told(desk: Desk, pair: tuple[Cluster, Cluster]) -> None:
    first, second = pair
    result = asked(desk, first)
    assert rows(result) == {
        "MU060": {
            "namespace istio-system": (
                f"Through remote Secrets, every istiod here also reads these clusters: {second.name}."
            )
        },
        "MU061": {
            f"revision {NEW_REVISION}": f"Compared with revision {REVISION}, it has cluster name 'mistaken' instead of "
            f"{first.name!r}."
        },
        "MU062": {"revision elsewhere": "Its istiod runs outside this cluster, so its version cannot be read here."},
    }
    told = {"mesh_id": "paris", "network": "seine", "trust_domain": "cluster.local"}
    names = {"elsewhere": {}, REVISION: {**told, "cluster_name": first.name}}
    assert result["identities"] == {**names, NEW_REVISION: {**told, "cluster_name": "mistaken"}}


def test_a_cluster_that_reads_no_other_one_is_left_in_peace(desk: Desk, pair: tuple[Cluster, Cluster]) -> None:
    assert rows(asked(desk, pair[1])) == {}
