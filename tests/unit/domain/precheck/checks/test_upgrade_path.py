# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the upgrade path: the versions of Istio and Kubernetes."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, IN_PLACE, fired

FIRES = [
    pytest.param(
        "MU001",
        "revision 1-30-3",
        [*b.plane(b.OLD, "1.28.5"), *DEFAULT, *b.namespaces()],
        {},
        id="MU001 S7: three minors",
    ),
    pytest.param("MU002", "API server", HEALTHY, {"kubernetes_version": "v1.31.9"}, id="MU002 S7: minimum Kubernetes"),
    pytest.param(
        "MU002", "API server", HEALTHY, {"kubernetes_version": "v1.31.9+k3s1"}, id="MU002: a vendor's version"
    ),
    pytest.param(
        "MU006",
        "revision 1-30-3",
        [*b.plane(b.OLD, "acme-7"), *DEFAULT, *b.namespaces()],
        {},
        id="MU006 domain 6: an unknown version is a state",
    ),
]


def test_the_image_of_an_istiod_that_did_not_become_ready_is_not_its_version() -> None:
    broken = b.plane(b.OLD, "9.9.9", updated=0)
    broken[0]["metadata"]["labels"]["operator.istio.io/version"] = "1.30.3"
    assert "MU001" not in fired([*broken, *DEFAULT], IN_PLACE)
    broken[0]["metadata"]["labels"]["operator.istio.io/version"] = "1.29.0"
    assert fired([*broken, *DEFAULT], IN_PLACE)["MU001"] == "revision 1-30-3"


def test_without_a_target_version_the_upgrade_path_is_not_checked() -> None:
    assert fired(HEALTHY, Upgrade(), kubernetes_version="v1.20.0") == {}
