# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ambient meshes and managed gateways: what is bound to a revision without injection keeps its istiod (G1 to G4b).

No registry has a binary of ztunnel, so its pods are objects here, as the kubelet would report them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from field.meshes import MERGE, SHOP, base, web
from field.playbooks import canary, changed, play
from integration.meshes import bare
from integration.objects import REV, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import ApiError, Cluster

SYSTEM = "/api/v1/namespaces/istio-system"
ZTUNNEL = "/apis/apps/v1/namespaces/istio-system/daemonsets/ztunnel"
ADDRESS = f"istiod-{REVISION}.istio-system.svc:15012"


def chart(desk: Desk, version: str, name: str) -> str:
    """Return the folder of a chart of Istio, or of the CRDs of the Gateway API."""
    return str(Path(desk.lab.charts_template.format(version=version)) / name)


def upgrade_ztunnel(desk: Desk, cluster: Cluster, version: str, revision: str) -> None:
    """Install the CNI plugin and ztunnel, or upgrade them, as Istio's documentation does with Helm."""
    for name in ("cni", "ztunnel"):
        sets = ["--set", "profile=ambient", "--set", f"revision={revision}"]
        cluster.helm("upgrade", "--install", name, chart(desk, version, name), *sets)
    cluster.wait_ready()


def address(cluster: Cluster) -> str:
    """Return the address of istiod that ztunnel has."""
    template = cluster.request("GET", ZTUNNEL)["spec"]["template"]
    env = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
    return str(env["XDS_ADDRESS"])


def has_service(cluster: Cluster, revision: str) -> bool:
    """Return whether the Service of a revision exists."""
    try:
        cluster.request("GET", f"{SYSTEM}/services/istiod-{revision}")
    except ApiError:
        return False
    return True


@pytest.fixture
def ambient(desk: Desk, empty: Cluster) -> Iterator[Cluster]:
    """An ambient mesh of Helm releases, with revision 1-30-3, and a namespace with sidecars."""
    bare(empty)
    empty.helm_install(VERSION, REVISION, sets=["profile=ambient"])
    upgrade_ztunnel(desk, empty, VERSION, REVISION)
    empty.apply([namespace(SHOP, **{REV: REVISION}), web()])
    empty.wait_ready()
    yield empty
    bare(empty)


def test_g1_the_istiod_of_ztunnel_is_not_removed(desk: Desk, ambient: Cluster) -> None:
    options: dict[str, Any] = {"istio_installer": "helm", "istio_helm": str(desk.lab.helm)}
    options |= {"istio_charts": desk.lab.charts_template, "istio_finalize": True}
    for dummy in range(2):
        run = canary(desk, ambient, **options)
        assert run.returncode != 0
        assert f"DaemonSet istio-system/ztunnel is bound to istiod of revision {REVISION}" in run.failure(ambient)
        assert has_service(ambient, REVISION)
        assert address(ambient) == ADDRESS
    upgrade_ztunnel(desk, ambient, NEW_VERSION, NEW_REVISION)
    canary(desk, ambient, **options).require_success()
    assert not has_service(ambient, REVISION)
    assert changed(canary(desk, ambient, **options).require_success(), ambient) == 0


def test_g3_an_ambient_mesh_of_istioctl_is_handed_over(desk: Desk, empty: Cluster) -> None:
    empty.install_istio(VERSION, REVISION, profile="ambient")
    empty.apply([namespace(SHOP, **{REV: REVISION}), web()])
    empty.wait_ready()
    canary(desk, empty).require_success()
    istiod = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{NEW_REVISION}"
    container = empty.request("GET", istiod)["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "PILOT_ENABLE_AMBIENT", "value": "true"} in container["env"]
    assert address(empty) == ADDRESS
    refused = canary(desk, empty, istio_finalize=True)
    assert refused.returncode != 0
    assert "istio_adopt_shared_components" in refused.failure(empty)
    options = {"istio_finalize": True, "istio_adopt_shared_components": True}
    planned = canary(desk, empty, "--check", **options).require_success()
    canary(desk, empty, **options).require_success()
    handovers = [result.get("taken_over", []) for result in planned.of(empty, "istio_revision")]
    assert any("DaemonSet istio-system/ztunnel" in places for places in handovers)
    assert address(empty) == f"istiod-{NEW_REVISION}.istio-system.svc:15012"
    assert not has_service(empty, REVISION)
    assert changed(canary(desk, empty, **options).require_success(), empty) == 0


def test_mu142_a_ztunnel_whose_istiod_is_gone(desk: Desk, ambient: Cluster) -> None:
    env = [{"name": "XDS_ADDRESS", "value": "istiod-1-29-0.istio-system.svc:15012"}]
    container = ambient.request("GET", ZTUNNEL)["spec"]["template"]["spec"]["containers"][0]
    others = [entry for entry in container["env"] if entry["name"] != "XDS_ADDRESS"]
    patch = {"spec": {"template": {"spec": {"containers": [{**container, "env": [*others, *env]}]}}}}
    ambient.request("PATCH", ZTUNNEL, patch, content_type=MERGE)
    run = play(desk, ambient, "precheck")
    assert run.returncode != 0
    assert "MU142" in run.output
    assert "istio-system/istiod-1-29-0, which does not exist" in run.output


def test_mu141_an_ambient_mesh_goes_by_one_minor_version(desk: Desk, ambient: Cluster) -> None:
    container = ambient.request("GET", ZTUNNEL)["spec"]["template"]["spec"]["containers"][0]
    container["image"] = container["image"].replace(VERSION, "1.29.7")
    ambient.request("PATCH", ZTUNNEL, {"spec": {"template": {"spec": {"containers": [container]}}}}, content_type=MERGE)
    run = canary(desk, ambient)
    assert run.returncode != 0
    assert "MU141" in run.output
    assert not has_service(ambient, NEW_REVISION)
    cni = "/apis/apps/v1/namespaces/istio-system/daemonsets/istio-cni-node"
    agent = ambient.request("GET", cni)["spec"]["template"]["spec"]["containers"][0]
    agent["image"] = agent["image"].replace(VERSION, "1.29.7")
    ambient.request("PATCH", cni, {"spec": {"template": {"spec": {"containers": [agent]}}}}, content_type=MERGE)
    ambient.delete(ZTUNNEL)
    assert "MU052" in play(desk, ambient, "precheck").output


def make_gateways(desk: Desk, cluster: Cluster, *places: str) -> None:
    """Apply the CRDs of the Gateway API, and one Gateway in each namespace; return when istiod has made their pods."""
    text = Path(chart(desk, VERSION, "gateway-api-crd.yaml")).read_text(encoding="utf-8")
    cluster.apply([crd for crd in yaml.safe_load_all(text) if crd])
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": "istio", "listeners": [listener]}
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}

    def applied() -> bool:
        """The API server serves new kinds after a moment."""
        try:
            cluster.apply(
                [{**kind, "metadata": {"name": "edge", "namespace": place}, "spec": spec} for place in places]
            )
        except ApiError:
            return False
        return True

    until(applied, "the API server does not serve Gateways")
    for place in places:
        until(lambda place=place: gateway_pods(cluster, place), f"istiod makes no gateway in {place}")  # type: ignore[misc]
    cluster.wait_ready()


def gateway_pods(cluster: Cluster, place: str) -> list[dict[str, Any]]:
    """Return the pods of Gateway edge in a namespace that are not on their way out."""
    by_gateway = {"labelSelector": "gateway.networking.k8s.io/gateway-name=edge"}
    pods = cluster.items(f"/api/v1/namespaces/{place}/pods", by_gateway)
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def revisions(cluster: Cluster, place: str) -> set[str]:
    """Return the revisions of the pods of Gateway edge in a namespace."""
    return {pod["metadata"]["annotations"][REV] for pod in gateway_pods(cluster, place)}


def test_g4_managed_gateways_are_in_the_plan_and_awaited(desk: Desk, empty: Cluster) -> None:
    base(empty, namespace("open"))
    make_gateways(desk, empty, SHOP, "open")
    assert revisions(empty, SHOP) == revisions(empty, "open") == {REVISION}
    options = {"istio_finalize": True}
    planned = canary(desk, empty, "--check", **options).require_success()
    line = f"istiod of revision {NEW_REVISION} replaces Deployment {SHOP}/edge-istio (1 pod of revision {REVISION})"
    assert line in planned.output
    assert revisions(empty, SHOP) == revisions(empty, "open") == {REVISION}
    canary(desk, empty, **options).require_success()
    assert revisions(empty, SHOP) == revisions(empty, "open") == {NEW_REVISION}
    assert not has_service(empty, REVISION)
    assert changed(canary(desk, empty, **options).require_success(), empty) == 0
    play(desk, empty, "verify", **options).require_success()


def test_g4b_a_source_that_drops_the_routes_of_a_moved_gateway(desk: Desk, empty: Cluster) -> None:
    base(empty)
    make_gateways(desk, empty, SHOP)
    assert "MU140" not in play(desk, empty, "precheck").output
    istiod = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{REVISION}"
    container = empty.request("GET", istiod)["spec"]["template"]["spec"]["containers"][0]
    container["image"] = container["image"].replace(VERSION, "1.30.1")
    # The Deployment stays at this version without a rollout, so that the istiod that serves goes on.
    stopped = {"paused": True, "template": {"spec": {"containers": [container]}}}
    empty.request("PATCH", istiod, {"spec": stopped}, content_type=MERGE)
    run = canary(desk, empty)
    assert run.returncode != 0
    assert "MU140" in run.output
    assert "Deployment shop/edge-istio" in run.output
