# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the components besides istiod: their messages, and when they are silent."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b
from unit.support.checking import HEALTHY, IN_PLACE, UPGRADE, fired, of

COMPONENTS = {"istio-ingressgateway": "IngressGateways", "istio-cni-node": "Cni", "ztunnel": "Ztunnel"}
AUTO = [{"name": "istio-proxy", "image": "auto"}]
UNLABELLED = [*HEALTHY, *b.namespaces(edge=None)]


def of_install(kind: str, name: str, image: str, revision: str = b.OLD) -> b.Json:
    """A workload that the installation of a revision has rendered."""
    found = b.workload(kind, name, b.SYSTEM, containers=[{"name": "istio-proxy", "image": f"{b.HUB}/{image}"}])
    found["metadata"]["labels"] = {"istio.io/rev": revision, "operator.istio.io/component": COMPONENTS[name]}
    return found


def ingress(revision: str = b.OLD) -> b.Json:
    """The gateway of profile default."""
    return of_install("Deployment", "istio-ingressgateway", "proxyv2:1.30.3", revision)


def ztunnel(version: str, revision: str = "") -> b.Json:
    """The DaemonSet of ambient mode, which no revision owns by default."""
    return of_install("DaemonSet", "ztunnel", f"ztunnel:{version}", revision)


def cni(version: str) -> b.Json:
    """The CNI plugin, which no revision owns by default."""
    return of_install("DaemonSet", "istio-cni-node", f"install-cni:{version}", "")


def gateway(in_namespace: str = "edge", **of_workload: t.Any) -> b.Json:
    """A gateway of a user whose proxy image is set by injection."""
    return b.workload("Deployment", "gw", in_namespace, containers=AUTO, **of_workload)


FIRES = [
    pytest.param(
        "MU042", "DaemonSet shop/ztunnel", [*HEALTHY, b.workload("DaemonSet", "ztunnel")], {}, id="MU042: ambient"
    ),
    pytest.param(
        "MU050", "Deployment istio-system/istio-ingressgateway", [*HEALTHY, ingress()], {}, id="MU050: gateway"
    ),
    pytest.param("MU051", "Deployment edge/gw", [*UNLABELLED, gateway()], {}, id="MU051: nothing fills it in"),
]


@pytest.mark.parametrize(
    ("owner", "upgrade", "message"),
    [
        pytest.param(
            b.OLD,
            UPGRADE,
            "It belongs to revision 1-30-3. Until another revision adopts it, it keeps proxy 1.30.3, and revision "
            "1-30-3 cannot be removed.",
            id="canary: it stays",
        ),
        pytest.param(
            b.OLD,
            IN_PLACE,
            "The installation of revision 1-30-3 replaces its pods together with those of istiod.",
            id="in place",
        ),
        pytest.param(
            b.NEW,
            UPGRADE,
            "The installation of revision 1-31-0 replaces its pods together with those of istiod.",
            id="handed over",
        ),
        pytest.param("1-29-0", UPGRADE, None, id="of a revision that this run leaves alone"),
    ],
)
def test_mu050_states_what_the_run_does_to_a_gateway(owner: str, upgrade: Upgrade, message: str | None) -> None:
    rows = of("MU050", [*HEALTHY, ingress(owner)], upgrade)
    assert [row.message for row in rows] == ([message] if message else [])
    assert {row.severity for row in rows} <= {"info"}


def test_mu050_is_not_about_gateways_of_users() -> None:
    assert of("MU050", [*UNLABELLED, gateway()]) == []


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        pytest.param([gateway()], "no injector selects it", id="an unlabelled namespace"),
        pytest.param(
            [gateway(labels={"istio.io/rev": "gone"})],
            "the pod has label istio.io/rev=gone, which no injector owns (dangling label)",
            id="a dangling label of the pod",
        ),
        pytest.param(
            [gateway("shop", labels={"sidecar.istio.io/inject": "false"})],
            "the pod opts out by sidecar.istio.io/inject=false",
            id="opted out",
        ),
    ],
)
@pytest.mark.parametrize("stage", ["before", AFTER])
def test_mu051_states_why_no_injector_replaces_the_image(stage: str, objects: list[b.Json], why: str) -> None:
    (row,) = of("MU051", [*UNLABELLED, *objects], dataclasses.replace(UPGRADE, stage=stage))
    assert (row.severity, row.message) == (
        "error",
        f"Its proxy image auto is a placeholder that no injector replaces: {why}.",
    )


def test_mu051_sees_that_the_host_network_is_never_injected() -> None:
    found = gateway("shop")
    found["spec"]["template"]["spec"]["hostNetwork"] = True
    (row,) = of("MU051", [*HEALTHY, found])
    assert row.message.endswith("the pod uses the host network.")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(gateway("shop"), id="an injected namespace"),
        pytest.param(gateway(labels={"istio.io/rev": b.OLD}), id="injected by the pod's label"),
        pytest.param(gateway(replicas=0), id="it has no replicas"),
        pytest.param(b.workload("Deployment", "app", "edge"), id="no proxy of its own"),
    ],
)
def test_mu051_is_silent_if_the_image_is_replaced_or_not_needed(found: b.Json) -> None:
    assert of("MU051", [*UNLABELLED, found]) == []


def test_mu052_is_silent_if_the_installation_replaces_them() -> None:
    agent = of_install("DaemonSet", "istio-cni-node", "install-cni:1.29.0")
    assert of("MU052", [*HEALTHY, agent], IN_PLACE) == []
    assert len(of("MU052", [*HEALTHY, agent], UPGRADE)) == 1


def test_mu052_needs_a_target() -> None:
    assert of("MU052", [*HEALTHY, cni("1.28.0")], Upgrade(stage=AFTER)) == []


def test_mu042_states_the_version_and_whether_the_run_replaces_it() -> None:
    cni = of_install("DaemonSet", "istio-cni-node", "install-cni:1.30.3")
    left = "it serves all revisions, and this run does not upgrade it."
    assert [row.message for row in of("MU042", [*HEALTHY, cni])] == [f"This is the CNI plugin 1.30.3; {left}"]
    assert [
        row.message for row in of("MU042", [*HEALTHY, cni], Upgrade("in_place", Version(1, 31, 0), b.OLD, b.OLD))
    ] == ["This is the CNI plugin 1.30.3; the installation of revision 1-30-3 replaces it too."]
    assert [row.message for row in of("MU042", [*HEALTHY, ztunnel("1.30.3")])] == [f"This is ztunnel 1.30.3; {left}"]


def test_mu042_names_waypoints_and_their_namespaces() -> None:
    waypoint = b.pod(
        "waypoint-1", revision=None, owner=None, labels={"gateway.istio.io/managed": "istio.io-mesh-controller"}
    )
    assert fired([*HEALTHY, waypoint])["MU042"] == "namespace shop"
    gateway = b.pod(
        "gw-1", revision=None, owner=None, labels={"gateway.istio.io/managed": "istio.io-gateway-controller"}
    )
    assert "MU042" not in fired([*HEALTHY, gateway])
