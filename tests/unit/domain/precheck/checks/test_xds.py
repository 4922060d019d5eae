# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies without an istiod, with rejected configuration, or connected to another revision."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Finding
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.xds import SHOWN
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from unit.support import builders as b
from unit.support.checking import HEALTHY, PLANE, UPGRADE, fired, of

AT_END = dataclasses.replace(UPGRADE, stage=AFTER)
PODS = [*HEALTHY, *b.deployed("cart", pods=3)]
ALL = b.connected(b.of_kind(PODS, "Pod"))
BARE = b.pod("shell", owner=None)


def without(*names: str) -> tuple[Connected, ...]:
    """All proxies but those of some pods."""
    return tuple(one for one in ALL if one.name not in names)


def but(name: str, **changes: object) -> tuple[Connected, ...]:
    """All proxies, one of them with changes."""
    return tuple(dataclasses.replace(one, **changes) if one.name == name else one for one in ALL)  # type: ignore[arg-type]


FIRES = [
    pytest.param("MU070", "Deployment shop/cart", PODS, {"proxies": without("cart-abc-1")}, id="MU070: one pod"),
    pytest.param("MU070", "revision 1-30-3", PODS, {"proxies": ()}, id="MU070: not one of all"),
    pytest.param(
        "MU071",
        "Deployment shop/cart",
        PODS,
        {"proxies": but("cart-abc-1", rejected={"Listener": "no"})},
        id="MU071: one pod",
    ),
    pytest.param(
        "MU072",
        "Deployment shop/cart",
        PODS,
        {"proxies": but("cart-abc-1", revision=b.NEW)},
        id="MU072: one pod",
    ),
]


def messages_of(found: list[Finding]) -> dict[str, str]:
    return {one.object: one.message for one in found}


@pytest.mark.parametrize(
    ("proxies", "messages"),
    [
        pytest.param(
            without("cart-abc-1"),
            {"Deployment shop/cart": "The proxy of pod cart-abc-1 is not connected to any istiod."},
            id="one",
        ),
        pytest.param(
            without("cart-abc-1", "cart-abc-0", "web-abc-0"),
            {
                "Deployment shop/cart": "The proxy of 2 pods (for example cart-abc-0) is not connected to any istiod.",
                "Deployment shop/web": "The proxy of pod web-abc-0 is not connected to any istiod.",
            },
            id="some of two workloads",
        ),
        pytest.param(
            (), {"revision 1-30-3": "None of its 4 proxies is connected to an istiod."}, id="all are one finding"
        ),
        pytest.param(ALL, {}, id="none"),
        pytest.param(
            tuple(dataclasses.replace(one, revision=b.NEW) for one in ALL), {}, id="connected to another revision"
        ),
        pytest.param(None, {}, id="no istiod was queried"),
    ],
)
def test_mu070_names_workloads_or_a_whole_revision(
    proxies: tuple[Connected, ...] | None, messages: dict[str, str]
) -> None:
    assert messages_of(of("MU070", PODS, proxies=proxies)) == messages
    assert {row.severity for row in of("MU070", PODS, AT_END, proxies=proxies)} <= {"warning"}


def test_mu070_names_a_bare_pod_and_a_single_proxy_of_a_revision() -> None:
    assert messages_of(of("MU070", [*PLANE, BARE], proxies=())) == {
        "Pod shop/shell": "The proxy of pod shell is not connected to any istiod."
    }


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(b.pod("a", ready=False), id="not ready"),
        pytest.param(b.pod("a", phase="Succeeded"), id="done"),
        pytest.param({**b.pod("a"), "metadata": {**b.pod("a")["metadata"], "deletionTimestamp": "now"}}, id="leaving"),
        pytest.param(b.pod("a", revision=None), id="no proxy"),
        pytest.param(b.pod("a", image="istio/ztunnel:1.30.3"), id="ztunnel"),
    ],
)
def test_mu070_is_silent_about_pods_that_need_no_istiod(pod: b.Json) -> None:
    assert of("MU070", [*PLANE, pod], proxies=()) == []


def test_mu070_is_silent_about_an_external_control_plane_and_not_about_a_removed_one() -> None:
    remote = [b.injector(b.OLD), b.istiod_service(remote=True), *b.namespaces(shop=b.OLD)]
    assert of("MU070", [*remote, *b.deployed(pods=2)], proxies=()) == []
    gone = [*b.plane(b.NEW), *b.namespaces(shop=b.NEW), *b.deployed(pods=2)]
    assert messages_of(of("MU070", gone, proxies=())) == {
        "revision 1-30-3": "None of its 2 proxies is connected to an istiod."
    }


def test_mu071_names_pod_and_type_and_the_beginning_of_the_error() -> None:
    error = "Error adding listener(s)\nvirtualInbound: " + "x" * 500
    [row] = of("MU071", PODS, proxies=but("cart-abc-1", rejected={"Listener": error}))
    start = "The proxy of pod cart-abc-1 rejects its Listener configuration: "
    assert row.message == start + error.replace("\n", " ")[:SHOWN]
    assert row.severity == "warning"


def test_mu071_pods_of_a_workload_that_reject_alike_are_one_finding_and_an_error_after() -> None:
    proxies = tuple(dataclasses.replace(one, rejected={"Cluster": "no", "Listener": one.name[:1]}) for one in ALL)
    rows = of("MU071", PODS, AT_END, proxies=proxies)
    assert [(row.object, row.severity) for row in rows] == [
        ("Deployment shop/cart", "error"),
        ("Deployment shop/cart", "error"),
        ("Deployment shop/web", "error"),
        ("Deployment shop/web", "error"),
    ]
    assert rows[0].message == "The proxy of 3 pods (for example cart-abc-0) rejects its Cluster configuration: no"


def test_mu071_counts_pods_that_are_not_ready_and_skips_proxies_without_a_pod() -> None:
    machine = dataclasses.replace(ALL[0], name="vm-1", rejected={"Listener": "no"})
    waits = dataclasses.replace(ALL[0], name="waits", rejected={"Listener": "no"})
    objects = [*HEALTHY, b.pod("waits", ready=False, owner=None)]
    assert [row.object for row in of("MU071", objects, proxies=(machine, waits))] == ["Pod shop/waits"]


def test_mu072_is_silent_about_a_proxy_that_just_moved() -> None:
    moved = dataclasses.replace(ALL[0], revision=b.NEW)
    assert of("MU072", PODS, proxies=(*ALL, moved)) == []


def test_mu072_names_both_revisions_and_is_an_error_after() -> None:
    [row] = of("MU072", PODS, AT_END, proxies=but("cart-abc-1", revision=b.NEW))
    assert (
        row.message == "The proxy of pod cart-abc-1 belongs to revision 1-30-3, but is connected to istiod of 1-31-0."
    )
    assert row.severity == "error"


def test_without_the_proxies_of_istiod_the_checks_do_not_run() -> None:
    codes = [row.object for row in of("MU090", PODS, proxies=None, unread={"proxies": "pods/portforward is forbidden"})]
    assert codes == ["check MU070", "check MU071", "check MU072"]
    assert "MU070" not in fired(PODS, proxies=None, unread={"proxies": "no"})
