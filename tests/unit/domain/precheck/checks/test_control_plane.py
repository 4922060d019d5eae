# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of control planes: readiness, names and CRD versions."""

from __future__ import annotations

import pytest

from unit.support import builders as b
from unit.support.checking import CRD, DEFAULT, HEALTHY, IN_PLACE, UPGRADE, fired

FIRES = [
    pytest.param("MU003", "namespace istio-system", b.namespaces(), {}, id="MU003: no istiod"),
    pytest.param(
        "MU004",
        "Deployment istiod-1-30-3",
        [*b.plane(b.OLD, generation=2, observed=1), *DEFAULT, *b.namespaces()],
        {},
        id="MU004 S3: an older generation is still serving",
    ),
    pytest.param(
        "MU005",
        "revision 1-31-0",
        [*b.plane(b.OLD), *b.plane(b.NEW, "1.30.9"), *DEFAULT, *b.namespaces()],
        {},
        id="MU005: the name carries another version",
    ),
    pytest.param(
        "MU007",
        "Deployment istiod-1-30-3",
        [*b.plane(b.OLD, "9.9.9", updated=0), *DEFAULT, *b.namespaces()],
        {},
        id="MU007: the previous istiod injects the image of one that does not become ready",
    ),
    pytest.param(
        "MU008",
        "Deployment istiod-1-30-3",
        HEALTHY,
        {"upgrade": IN_PLACE},
        id="MU008: one replica, in place",
    ),
    pytest.param("MU031", "CRDs", HEALTHY, {"crd_versions": {CRD: "1.31.1"}}, id="MU031 S10: newer CRDs"),
]


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(b.plane(b.OLD, ready=0, updated=0), id="no istiod is left that could inject"),
        pytest.param([b.istiod(b.OLD, "1.31.0", updated=0), *b.plane(b.OLD)[1:]], id="the old image is injected still"),
        pytest.param(b.plane(b.OLD), id="all is well"),
    ],
)
def test_mu007_fires_only_if_the_previous_istiod_injects_the_new_image(objects: list[b.Json]) -> None:
    assert "MU007" not in fired([*objects, *DEFAULT, *b.namespaces()])


def two_istiods(*more: b.Json) -> list[b.Json]:
    """Two replicas of an istiod whose pods have labels."""
    plane = b.plane(b.OLD, replicas=2)
    istiod = b.workload("Deployment", "istiod-1-30-3", b.SYSTEM)
    plane[0]["spec"] = {**istiod["spec"], **plane[0]["spec"], "selector": istiod["spec"]["selector"]}
    plane[0]["spec"]["template"]["metadata"] = {"labels": {"app": "istiod"}}
    return [*plane, *DEFAULT, *b.namespaces(), *more]


def test_mu008_is_silent_with_two_replicas_and_a_budget() -> None:
    budget = b.budget("istiod", {"matchLabels": {"app": "istiod"}}, 1, in_namespace=b.SYSTEM)
    assert "MU008" in fired(two_istiods(), IN_PLACE)
    assert "MU008" not in fired(two_istiods(budget), IN_PLACE)
    assert "MU008" not in fired(two_istiods(), UPGRADE)


def test_an_external_control_plane_counts_but_its_version_is_unknown() -> None:
    remote = [b.istiod_service(b.OLD, remote=True), b.injector(b.OLD), *DEFAULT, *b.namespaces(shop=b.OLD)]
    found = fired(remote)
    assert "MU003" not in found
    assert found["MU006"] == f"revision {b.OLD}"


@pytest.mark.parametrize(
    ("crds", "newer"),
    [("1.31.0-rc.1", False), ("1.31.0-solo", False), ("1.31.0-distroless", False), ("1.31.1-rc.1", True)],
)
def test_r17_crds_of_a_pre_release_are_not_newer_than_the_release(crds: str, newer: bool) -> None:
    assert ("MU031" in fired(HEALTHY, crd_versions={CRD: crds})) is newer


@pytest.mark.parametrize(
    ("installed", "in_use"),
    [("1.31.0", False), ("1.31.0-distroless", False), ("1.31.0-solo", False), ("1.31.0-rc.1", True)],
)
def test_mu005_a_pre_release_is_another_version(installed: str, in_use: bool) -> None:
    objects = [*b.plane(b.OLD), *b.plane(b.NEW, installed), *DEFAULT, *b.namespaces()]
    assert ("MU005" in fired(objects)) is in_use
