# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of images: tags that do not follow, values that pin an old image, and proxies of another version."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.images import count_target_proxies
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import require_version
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, IN_PLACE, UPGRADE, fired, of

AT_END = dataclasses.replace(UPGRADE, stage=AFTER)
DIGEST = f"{b.HUB}/proxyv2@sha256:{'0a1b' * 16}"
VENDORS = (
    "1.24.3-solo-fips",
    "1.25.2-tetrate-v0",
    "1.22.8-asm.1",
    "1.27-alpha.0a1b2c",
    "asm-1-23",
    "1.28.3_fips",
    "1.28.3+sail",
    "latest",
    "",
)
WITHOUT_VERSION = ("asm-1-23", "latest", "")


def vendor_mesh(tag: str) -> list[b.Json]:
    """A mesh whose images have a tag, or with an empty one only a digest."""
    suffix = f":{tag}" if tag else "@sha256:0a1b"
    istiod = b.istiod(image=f"{b.HUB}/pilot{suffix}")
    web = b.deployed(image=f"{b.HUB}/proxyv2{suffix}")
    config = b.injector_map(tag=tag or "sha256:0a1b")
    return [istiod, *b.plane(b.OLD)[1:], config, *DEFAULT, *b.namespaces(shop=b.OLD), *web]


def with_values(values: b.Json) -> list[b.Json]:
    """A healthy mesh whose revision was installed with values."""
    return [*HEALTHY, b.values_map(b.OLD, values)]


PINNING = with_values({"pilot": {"image": f"{b.HUB}/pilot:1.30.3"}})
FIRES = [
    pytest.param("MU120", f"revision {b.OLD}", vendor_mesh("1.24.3-solo"), {}, id="MU120: the tag of a vendor"),
    pytest.param("MU121", f"revision {b.NEW}", PINNING, {}, id="MU121 R36: the image of istiod is carried over"),
    pytest.param("MU122", f"revision {b.OLD}", HEALTHY, {"upgrade": AT_END}, id="MU122: proxies that stayed behind"),
]


@pytest.mark.parametrize("tag", VENDORS)
def test_r16_a_vendor_build_is_refused_before_the_installation_with_the_variable_to_give(tag: str) -> None:
    objects = vendor_mesh(tag)
    (finding,) = of("MU120", objects)
    assert (finding.severity, str(finding.ref)) == ("error", f"revision {b.OLD}")
    assert "istio_tag" in finding.remedy
    named = dataclasses.replace(UPGRADE, tag="1.31.0-vendor")
    assert "MU120" not in fired(objects, named)
    assert "MU120" not in fired(objects, dataclasses.replace(UPGRADE, installer="external"))
    assert ("MU006" in fired(objects)) is (tag in WITHOUT_VERSION)


@pytest.mark.parametrize("tag", [tag for tag in VENDORS if tag not in WITHOUT_VERSION])
def test_r16_hops_are_judged_by_the_release(tag: str) -> None:
    far = Upgrade("canary", require_version("1.99.0-solo"), "far", b.OLD, tag="any")
    assert "MU001" in fired(vendor_mesh(tag), far)


@pytest.mark.parametrize("target", ["1.30.4", "1.30.4-solo-fips", "1.31.0-distroless"])
def test_tags_that_follow_need_no_variable(target: str) -> None:
    upgrade = dataclasses.replace(UPGRADE, version=require_version(target))
    assert "MU120" not in fired(HEALTHY, upgrade)
    distroless = vendor_mesh("1.30.3-distroless")
    assert "MU120" not in fired(distroless, upgrade)


def test_r36_values_of_the_user_replace_those_that_pin() -> None:
    assert "MU121" not in fired(PINNING, dataclasses.replace(UPGRADE, values={"pilot": {"image": "pilot"}}))
    given = dataclasses.replace(UPGRADE, values={"global": {"proxy": {"image": f"{b.HUB}/proxyv2:1.30.3"}}})
    assert [row.message for row in of("MU121", PINNING, given)] == [
        f"These values pin images of another version than 1.31.0: global.proxy.image={b.HUB}/proxyv2:1.30.3, "
        f"pilot.image={b.HUB}/pilot:1.30.3 (carried over from revision 1-30-3)."
    ]


def test_r36_in_place_too() -> None:
    assert "MU121" in fired(PINNING, IN_PLACE)


def test_f20_a_revision_that_injects_the_old_image_itself_is_found_afterwards() -> None:
    images = {"proxy": {"image": f"{b.HUB}/proxyv2:1.30.3"}}
    target = [*b.plane(b.NEW), b.injector_map(b.NEW, "1.31.0", **images), *b.namespaces(shop=b.NEW)]
    objects = [*target, *b.deployed(pods=2, revision=b.NEW, image=b.proxy("1.30.3"))]
    assert "MU020" not in fired(objects, AT_END)
    assert [row.message for row in of("MU122", objects, AT_END)] == [
        "2 proxies run 1.30.3, not 1.31.0: Deployment shop/web."
    ]
    assert count_target_proxies(b.snapshot_of(objects), AT_END) == 0


@pytest.mark.parametrize("tag", ["1.31.0", "1.31.0-distroless", "1.31.0-solo-fips"])
def test_variants_of_the_target_are_the_target(tag: str) -> None:
    objects = [*b.plane(b.NEW), b.injector_map(b.NEW, tag), *b.namespaces(shop=b.NEW)]
    objects += b.deployed(revision=b.NEW, image=b.proxy(tag))
    assert "MU122" not in fired(objects, AT_END)
    assert count_target_proxies(b.snapshot_of(objects), AT_END) == 1


@pytest.mark.parametrize(("reported", "expected"), [("1.30.3", True), ("1.31.0", False), ("", False)])
def test_r05_the_version_of_a_digest_is_the_one_that_the_proxy_reports(reported: str, expected: bool) -> None:
    remote = [b.istiod_service(b.NEW, remote=True), b.injector(b.NEW), *b.namespaces(shop=b.NEW)]
    objects = [*remote, *b.deployed(revision=b.NEW, image=DIGEST)]
    pod = next(obj for obj in objects if obj["kind"] == "Pod")
    proxy = Connected("shop", pod["metadata"]["name"], "", reported, "istiod", b.NEW, {}, "")
    assert ("MU122" in fired(objects, AT_END, proxies=(proxy,))) is expected
