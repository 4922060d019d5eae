# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what is bound to a revision without injection: agents of nodes, managed gateways, addresses of istiod."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    drops_moved_gateways,
    parse_version,
)
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, IN_PLACE, UPGRADE, fired, of

MANAGED = {"gateway.istio.io/managed": "istio.io-gateway-controller"}
WAYPOINT = {"gateway.istio.io/managed": "istio.io-mesh-controller"}


def node_agent(name: str, version: str) -> b.Json:
    """A DaemonSet of Istio that no revision owns."""
    image = {"istio-cni-node": "install-cni", "ztunnel": "ztunnel"}[name]
    return b.workload(
        "DaemonSet", name, b.SYSTEM, containers=[{"name": "agent", "image": f"{b.HUB}/{image}:{version}"}]
    )


def with_source(version: str, labels: dict[str, str], revision: str = b.OLD) -> list[b.Json]:
    """A mesh with a source of a version, and a gateway that istiod of a revision manages."""
    gateway = b.deployed("edge-istio", revision=revision, pod_labels=labels)
    return [*b.plane(b.OLD, version), *b.namespaces(shop=b.OLD), *DEFAULT, *gateway]


FIRES = [
    pytest.param("MU140", "Deployment shop/edge-istio", with_source("1.30.1", MANAGED), {}, id="MU140: G4b"),
    pytest.param(
        "MU052",
        "DaemonSet istio-system/istio-cni-node",
        [*HEALTHY, node_agent("istio-cni-node", "1.29.4")],
        {},
        id="MU052: two behind",
    ),
    pytest.param(
        "MU141",
        "DaemonSet istio-system/ztunnel",
        [*HEALTHY, node_agent("ztunnel", "1.29.4")],
        {},
        id="MU141: two behind",
    ),
    pytest.param(
        "MU142",
        "DaemonSet istio-system/ztunnel",
        [*HEALTHY, b.naming_istiod("DaemonSet", "ztunnel", b.SYSTEM, "1-29-0")],
        {},
        id="MU142: no such istiod",
    ),
]


@pytest.mark.parametrize(
    ("version", "drops"),
    [
        ("1.27.9", True),
        ("1.28.10", True),
        ("1.29.4", True),
        ("1.29.5", False),
        ("1.29.5-distroless", False),
        ("1.30.1", True),
        ("1.30.2", False),
        ("1.31.0", False),
        ("1.40.0", False),
    ],
)
def test_versions_that_drop_the_configuration_of_a_moved_gateway(version: str, drops: bool) -> None:
    parsed = parse_version(version)
    assert parsed is not None
    assert drops_moved_gateways(parsed) is drops


@pytest.mark.parametrize("labels", [MANAGED, WAYPOINT], ids=["gateway", "waypoint"])
def test_mu140_g4b_a_source_that_drops_routes_is_an_error(labels: dict[str, str]) -> None:
    (row,) = of("MU140", with_source("1.30.1", labels))
    assert (row.severity, row.object) == ("error", "Deployment shop/edge-istio")
    assert "1.30.1" in row.message


@pytest.mark.parametrize(
    ("objects", "upgrade"),
    [
        pytest.param(with_source("1.30.2", MANAGED), UPGRADE, id="a source with the fix"),
        pytest.param(with_source("1.30.1", {}), UPGRADE, id="an injected gateway"),
        pytest.param(with_source("1.30.1", MANAGED, b.NEW), UPGRADE, id="a gateway that has moved"),
        pytest.param(with_source("1.30.1", MANAGED), IN_PLACE, id="in place, no gateway moves"),
        pytest.param(
            with_source("1.30.1", MANAGED),
            dataclasses.replace(UPGRADE, limits=NamespaceLimits(exclude=("shop",))),
            id="outside of the limits",
        ),
    ],
)
def test_mu140_is_silent(objects: list[b.Json], upgrade: Upgrade) -> None:
    assert of("MU140", objects, upgrade) == []


VERSIONS = [
    ("1.28.9", "3 minor versions behind"),
    ("1.29.4-distroless", "2 minor versions behind"),
    ("1.30.9", None),
    ("1.31.4", None),
    ("1.32.0", "newer than"),
    ("latest", None),
]


@pytest.mark.parametrize(("version", "how"), VERSIONS)
@pytest.mark.parametrize("stage", ["before", AFTER])
def test_mu141_domain_12_an_ambient_mesh_goes_by_one_minor_version(version: str, how: str | None, stage: str) -> None:
    rows = of("MU141", [*HEALTHY, node_agent("ztunnel", version)], dataclasses.replace(UPGRADE, stage=stage))
    assert [(row.severity, row.message) for row in rows] == (
        [("error", f"It runs ztunnel {version}, {how} control plane 1.31.0.")] if how else []
    )


@pytest.mark.parametrize(("version", "how"), VERSIONS)
def test_mu052_without_ztunnel_the_cni_plugin_is_a_warning(version: str, how: str | None) -> None:
    rows = of("MU052", [*HEALTHY, node_agent("istio-cni-node", version)])
    assert [(row.severity, row.message) for row in rows] == (
        [("warning", f"It runs the CNI plugin {version}, {how} control plane 1.31.0.")] if how else []
    )


def test_an_agent_has_one_finding() -> None:
    objects = [*HEALTHY, node_agent("ztunnel", "1.30.3"), node_agent("istio-cni-node", "1.28.0")]
    assert {"MU052", "MU141"} & set(fired(objects)) == {"MU141"}


@pytest.mark.parametrize("stage", ["before", AFTER])
def test_mu142_an_address_that_leads_to_no_istiod(stage: str) -> None:
    agent = b.naming_istiod("DaemonSet", "ztunnel", b.SYSTEM, "1-29-0")
    (row,) = of("MU142", [*HEALTHY, agent], dataclasses.replace(UPGRADE, stage=stage))
    assert (row.severity, row.object) == ("error", "DaemonSet istio-system/ztunnel")
    assert row.message == ("Its pods connect to istiod at Service istio-system/istiod-1-29-0, which does not exist.")


def elsewhere() -> t.Iterator[b.Json]:
    """Addresses of istiods that exist, and of one in the namespace of another mesh."""
    yield b.naming_istiod("DaemonSet", "ztunnel", b.SYSTEM, b.OLD)
    other = b.naming_istiod("DaemonSet", "agent", "istio-b", "x")
    variable = other["spec"]["template"]["spec"]["containers"][0]["env"][0]
    variable["value"] = "istiod-x.istio-b.svc:15012"
    yield other


@pytest.mark.parametrize("agent", list(elsewhere()))
def test_mu142_is_silent(agent: b.Json) -> None:
    assert of("MU142", [*HEALTHY, agent]) == []
