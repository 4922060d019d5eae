# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of nodes, permissions and unreadable objects."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from unit.support import builders as b
from unit.support.checking import HEALTHY, HUNGRY, IN_PLACE, UPGRADE, fired, of

UNREADABLE = {"istio.io/rev": "", "sidecar.istio.io/status": "[" * 150_000}
FIRES = [
    pytest.param(
        "MU009",
        "permissions to move namespaces",
        HEALTHY,
        {"denied": (Permission("patch", "", "namespaces", "move namespaces"),)},
        id="MU009: permissions missing",
    ),
    pytest.param(
        "MU039",
        "Deployment shop/web",
        [*HEALTHY, b.pod("odd", annotations=UNREADABLE)],
        {},
        id="MU039 F18: an unreadable status annotation",
    ),
    pytest.param("MU040", f"revision {b.NEW}", [*HUNGRY, b.node(memory="1Gi")], {}, id="MU040 domain 14: no room"),
    pytest.param(
        "MU041",
        "node old",
        [*HEALTHY, b.node("old", kubelet="v1.32.9"), b.node()],
        {},
        id="MU041 domain 6: one old node",
    ),
]


@pytest.mark.parametrize(
    ("objects", "upgrade"),
    [
        pytest.param([*HUNGRY, b.node(memory="4Gi")], UPGRADE, id="capacity for both istiods"),
        pytest.param([*HUNGRY, b.node("a", memory="2Gi"), b.node("b", memory="2Gi")], UPGRADE, id="one on each node"),
        pytest.param([*HUNGRY, b.node(memory="1Gi")], IN_PLACE, id="an in-place upgrade starts no second istiod"),
        pytest.param([*HUNGRY, *b.plane(b.NEW), b.node(memory="1Gi")], UPGRADE, id="the target runs already"),
        pytest.param(HUNGRY, UPGRADE, id="nodes were not read"),
    ],
)
def test_mu040_is_silent_if_the_nodes_have_capacity(objects: list[b.Json], upgrade: Upgrade) -> None:
    assert "MU040" not in fired(objects, upgrade)


def test_mu040_counts_the_pods_on_the_nodes() -> None:
    eater = b.pod("eater", owner=None)
    eater["spec"]["nodeName"] = "a"
    eater["spec"]["containers"][0]["resources"] = {"requests": {"memory": "3Gi"}}
    found = {
        row.code: row.message for row in run_checks(b.snapshot_of([*HUNGRY, eater, b.node(memory="6Gi")]), UPGRADE)
    }
    assert (
        "500m CPU and 2048Mi memory for each of 2 pods; the nodes where its pods may run have capacity for 1"
        in found["MU040"]
    )
    eater["status"]["phase"] = "Succeeded"
    assert "MU040" not in fired([*HUNGRY, eater, b.node(memory="6Gi")])


@pytest.mark.parametrize("kubelets", [("v1.36.3", "v1.33.0"), ("v1.32.9", "v1.31.0"), ()])
def test_mu041_fires_only_if_kubelets_differ(kubelets: tuple[str, ...]) -> None:
    assert "MU041" not in fired([*HEALTHY, *(b.node(f"n{at}", kubelet=text) for at, text in enumerate(kubelets))])


def test_domain_6_an_unknown_kubelet_counts_as_old() -> None:
    assert fired([*HEALTHY, b.node("odd", kubelet="local"), b.node("b")])["MU041"] == "node odd"


def test_mu039_pods_of_one_owner_are_one_finding() -> None:
    odd = [b.pod(f"web-abc-{at}", annotations=UNREADABLE) for at in range(7, 10)]
    alone = b.pod("alone", owner=None, annotations=UNREADABLE)
    found = of("MU039", [*HEALTHY, *odd, alone])
    assert [finding.object for finding in found] == ["Deployment shop/web", "Pod shop/alone"]
    assert found[0].message.startswith("The annotation sidecar.istio.io/status of 3 of its pods cannot be read: ")
