# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of workloads and their proxies: their messages, and when they are silent."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, BEFORE
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, PLANE, UPGRADE, of

PIN = {"sidecar.istio.io/proxyImage": "own/proxyv2:1.30.2"}
AT_END = dataclasses.replace(UPGRADE, stage=AFTER)
MIDDLE = [*b.two_planes(), *b.namespaces(shop=b.NEW)]


def pinned(image: str = "own/proxyv2:1.30.2", *, native: bool = False) -> list[b.Json]:
    """A Deployment whose pod template sets the image of the proxy."""
    found = b.deployed(image=image)
    group = "initContainers" if native else "containers"
    found[0]["spec"]["template"]["spec"].setdefault(group, []).append({"name": "istio-proxy", "image": image})
    return found


FIRES = [
    pytest.param(
        "MU027", "Deployment shop/bare", [*HEALTHY, *b.deployed("bare", revision=None)], {}, id="MU027: no proxy"
    ),
    pytest.param("MU028", "Deployment shop/web", [*PLANE, *DEFAULT, *pinned()], {}, id="MU028: pinned by its template"),
]


def test_mu020_names_the_versions_and_revisions() -> None:
    objects = [*MIDDLE, *b.deployed(pods=3), *b.deployed("old", revision=b.NEW, image=b.proxy("1.30.9"))]
    assert {row.object: row.message for row in of("MU020", objects)} == {
        "Deployment shop/web": "3 pods run 1.30.3 of revision 1-30-3, and would get 1.31.0 of revision 1-31-0.",
        "Deployment shop/old": "1 pod runs 1.30.9 of revision 1-31-0, and would get 1.31.0.",
    }


def test_mu020_names_images_if_the_version_is_the_same() -> None:
    rows = of("MU020", [*PLANE, *DEFAULT, *b.deployed(image="other/proxyv2:1.30.3")])
    assert [row.message for row in rows] == [
        "1 pod runs other/proxyv2:1.30.3 of revision 1-30-3, and would get lab.invalid/istio/proxyv2:1.30.3."
    ]


def test_mu020_names_the_revision_if_its_image_is_unknown() -> None:
    remote = [b.istiod_service(b.NEW, remote=True), b.injector(b.NEW)]
    rows = of("MU020", [*b.plane(b.OLD), *remote, *b.namespaces(shop=b.NEW), *b.deployed()])
    assert [row.message for row in rows] == ["1 pod runs 1.30.3 of revision 1-30-3, and would get revision 1-31-0."]


def test_mu020_counts_different_proxies_of_one_workload_separately() -> None:
    web = b.deployed(pods=2)
    web[-1]["spec"]["initContainers"][0]["image"] = b.proxy("1.30.2")
    rows = of("MU020", [*MIDDLE, *web])
    assert [row.message for row in rows] == [
        "1 pod runs 1.30.3 of revision 1-30-3, and would get 1.31.0 of revision 1-31-0; "
        "1 pod runs 1.30.2 of revision 1-30-3, and would get 1.31.0 of revision 1-31-0."
    ]


def test_mu027_is_one_finding_for_each_owner_and_not_a_stale_proxy() -> None:
    objects = [
        *HEALTHY,
        *b.deployed("two", revision=None, pods=2),
        b.pod("alone", revision=None, owner=None),
        b.pod("once-1", revision=None, owner=("Job", "once")),
    ]
    label = "istio.io/rev=1-30-3, which revision 1-30-3 owns"
    reason = f"that revision 1-30-3 would inject now: the namespace has label {label}."
    assert {row.object: row.message for row in of("MU027", objects)} == {
        "Deployment shop/two": f"2 pods lack a proxy {reason}",
        "Job shop/once": f"1 pod lacks a proxy {reason}",
        "Pod shop/alone": f"1 pod lacks a proxy {reason}",
    }
    assert of("MU020", objects) == []


@pytest.mark.parametrize(
    ("shop", "severity", "elsewhere"),
    [
        pytest.param(b.NEW, "error", set(), id="of the revision that the run was about"),
        pytest.param(b.OLD, None, {"Deployment shop/web"}, id="of another one"),
    ],
)
def test_mu027_after_is_about_workloads_that_the_run_should_have_restarted(
    shop: str, severity: str | None, elsewhere: set[str]
) -> None:
    bare = b.pod("alone", revision=None, owner=None)
    objects = [*b.two_planes(), *b.namespaces(shop=shop), *b.deployed(revision=None), bare]
    rows = {row.object: row.severity for row in of("MU027", objects, AT_END)}
    assert rows == ({"Deployment shop/web": severity} if severity else {})
    assert {row.object for row in of("MU024", objects, AT_END)} == elsewhere


@pytest.mark.parametrize(
    "pod",
    [
        b.pod("out", revision=None, owner=None, labels={"sidecar.istio.io/inject": "false"}),
        b.pod("host", revision=None, owner=None, host_network=True),
        b.pod("done", revision=None, owner=None, phase="Succeeded"),
        b.pod("outside", "default", revision=None, owner=None),
    ],
)
def test_mu027_is_silent_about_pods_that_need_no_proxy(pod: b.Json) -> None:
    assert of("MU027", [*HEALTHY, pod]) == []


@pytest.mark.parametrize(
    ("objects", "place", "what"),
    [
        pytest.param(pinned(), "Deployment shop/web", "the pod template", id="template"),
        pytest.param(pinned(native=True), "Deployment shop/web", "the pod template", id="template of a native sidecar"),
        pytest.param(
            [b.pod("mine", annotations=PIN, image="own/proxyv2:1.30.2", owner=None)],
            "Pod shop/mine",
            "annotation sidecar.istio.io/proxyImage",
            id="annotation",
        ),
        pytest.param(
            [b.pod("mine", annotations=PIN, image=b.proxy("1.30.3"), owner=None)],
            "Pod shop/mine",
            "annotation sidecar.istio.io/proxyImage",
            id="what it would get anyway, now",
        ),
    ],
)
def test_mu028_names_what_pins_the_image(objects: list[b.Json], place: str, what: str) -> None:
    (row,) = of("MU028", [*PLANE, *DEFAULT, *objects])
    assert (row.object, row.severity) == (place, "warning")
    assert row.message.startswith("1 pod keeps proxy image ")
    assert row.message.endswith(f", pinned by {what}.")


def test_mu028_is_one_finding() -> None:
    objects = [*PLANE, *DEFAULT, *pinned()]
    assert (of("MU020", objects), of("MU021", objects), len(of("MU028", objects))) == ([], [], 1)
    assert [row.cause.code for row in b.snapshot_of(objects).unrestartable()] == ["pinned_image"]


@pytest.mark.parametrize(
    ("stage", "image"),
    [(BEFORE, "own/proxyv2:1.31.0-distroless"), (AFTER, "own/proxyv2:1.31.0"), (AFTER, b.proxy("1.30.3"))],
)
def test_mu028_is_silent_if_the_pin_has_the_target_version(stage: str, image: str) -> None:
    assert of("MU028", [*PLANE, *DEFAULT, *pinned(image)], dataclasses.replace(UPGRADE, stage=stage)) == []


def test_mu028_after_names_proxies_that_stayed_behind() -> None:
    objects = [*MIDDLE, b.pod("mine", revision=b.NEW, annotations=PIN, image="own/proxyv2:1.30.2", owner=None)]
    assert [row.object for row in of("MU028", objects, AT_END)] == ["Pod shop/mine"]


@pytest.mark.parametrize(
    "label",
    [
        {"gateway.istio.io/managed": "istio.io-gateway-controller"},
        {"operator.istio.io/component": "IngressGateways"},
    ],
)
def test_mu028_skips_gateways_whose_image_istio_writes(label: dict[str, str]) -> None:
    managed = b.deployed(image=b.proxy("1.30.2"), pod_labels=label)
    image = {"name": "istio-proxy", "image": b.proxy("1.30.2")}
    managed[0]["spec"]["template"]["spec"]["containers"] = [image]
    assert of("MU028", [*PLANE, *DEFAULT, *managed]) == []


@pytest.mark.parametrize("revision", [b.OLD, None])
def test_s6_after_pods_that_no_rollout_replaces_are_one_finding_with_its_remedy(revision: str | None) -> None:
    objects = [*MIDDLE, *b.deployed(revision=revision, paused=True)]
    assert {code: len(of(code, objects, AT_END)) for code in ("MU020", "MU021", "MU024", "MU027")} == {
        "MU020": 0,
        "MU021": 1,
        "MU024": 0,
        "MU027": 0,
    }
    (row,) = of("MU027" if revision is None else "MU020", objects)
    assert (row.object, row.severity) == ("Deployment shop/web", "warning")


def test_mu021_states_how_an_argo_rollout_is_restarted() -> None:
    rollout = b.owned("ReplicaSet", "api-1", ("Rollout", "api"))
    (row,) = of("MU021", [*HEALTHY, rollout, b.pod("api-1-x", owner=("ReplicaSet", "api-1"))])
    assert row.object == "Rollout shop/api"
    assert row.message.endswith("; set its spec.restartAt: kubectl argo rollouts restart api.")
