# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the owners of CRDs, and of the installer that would write them."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import (
    OPERATOR,
    UNKNOWN_MANAGER,
    Manager,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE

BY_HELM = dataclasses.replace(UPGRADE, installer="helm")
BY_ISTIOCTL = dataclasses.replace(UPGRADE, installer="istioctl")
GATEWAYS, SIDECARS = "gateways.networking.istio.io", "sidecars.networking.istio.io"
HELM, ISTIOCTL = Manager("helm", "istio-base"), Manager("istioctl")
SAIL = Manager(OPERATOR, "Istio default of the Sail Operator")

FIRES = [
    pytest.param(
        "MU036",
        "CRDs",
        HEALTHY,
        {"upgrade": BY_HELM, "crd_managers": {GATEWAYS: ISTIOCTL, SIDECARS: HELM}},
        id="MU036 domain 15: Helm does not adopt them",
    ),
    pytest.param(
        "MU037",
        "CRDs",
        HEALTHY,
        {"upgrade": BY_ISTIOCTL, "crd_managers": {GATEWAYS: ISTIOCTL, SIDECARS: HELM}},
        id="MU037 domain 13: two owners",
    ),
]


@pytest.mark.parametrize(
    ("installer", "manager", "code", "says"),
    [
        ("helm", HELM, None, ""),
        ("helm", ISTIOCTL, "MU036", "1 of them belong to istioctl, for example gateways"),
        ("helm", UNKNOWN_MANAGER, "MU036", "belong to an unknown owner"),
        ("helm", SAIL, "MU036", "belong to Istio default of the Sail Operator"),
        ("istioctl", ISTIOCTL, None, ""),
        ("istioctl", UNKNOWN_MANAGER, None, ""),
        ("istioctl", HELM, "MU037", "belong to Helm release istio-base"),
        ("istioctl", SAIL, "MU037", "belong to Istio default of the Sail Operator"),
        ("external", HELM, None, ""),
        ("", HELM, None, ""),
    ],
)
def test_an_installer_and_the_owners_of_crds(installer: str, manager: Manager, code: str | None, says: str) -> None:
    upgrade = dataclasses.replace(UPGRADE, installer=installer)
    found = {
        row.code: row.message for row in run_checks(b.snapshot_of(HEALTHY, crd_managers={GATEWAYS: manager}), upgrade)
    }
    assert set(found) == ({code} if code else set())
    assert says in found.get(code or "", "")


@pytest.mark.parametrize("upgrade", [BY_HELM, BY_ISTIOCTL])
def test_newer_crds_are_left_unchanged_so_their_owner_does_not_matter(upgrade: Upgrade) -> None:
    over = {"crd_managers": {GATEWAYS: ISTIOCTL, SIDECARS: HELM}, "crd_versions": {GATEWAYS: "1.32.0"}}
    assert {row.code for row in run_checks(b.snapshot_of(HEALTHY, **over), upgrade)} == {"MU031"}
