# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck about image tags, values with whole images, and proxies of another version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from integration.meshes import MERGE
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.test_precheck import found
from integration.test_precheck_planes import OF_SYSTEM, remembered
from lab import Cluster

pytestmark = pytest.mark.lab


@contextmanager
def injecting(cluster: Cluster, tag: str) -> Iterator[None]:
    """Let the injector of a revision have an image tag."""
    path = f"{OF_SYSTEM}/configmaps/istio-sidecar-injector-{REVISION}"
    before = cluster.request("GET", path)["data"]["values"]
    values = json.loads(before)
    values["global"]["tag"] = tag
    cluster.request("PATCH", path, {"data": {"values": json.dumps(values)}}, content_type=MERGE)
    try:
        yield
    finally:
        cluster.request("PATCH", path, {"data": {"values": before}}, content_type=MERGE)


def test_r16_the_tag_of_a_vendor_needs_the_variable(desk: Desk, calm: Cluster) -> None:
    with injecting(calm, f"{VERSION}-solo-fips"):
        assert found(desk, calm)["MU120"] == {f"revision {REVISION}"}
        assert "MU120" not in found(desk, calm, tag=f"{NEW_VERSION}-solo-fips")
        assert "MU120" not in found(desk, calm, version=VERSION, strategy="in_place", revision=REVISION)


def test_r36_an_image_in_the_settings_pins_the_old_version(desk: Desk, calm: Cluster) -> None:
    assert "MU121" not in found(desk, calm)
    with remembered(calm, VERSION, REVISION, f"values.pilot.image=lab.invalid/istio/pilot:{VERSION}"):
        assert found(desk, calm)["MU121"] == {"revision 1-31-0"}
        assert "MU121" not in found(desk, calm, values={"pilot": {"image": "pilot"}})


def test_proxies_that_stayed_behind_are_found_afterwards(desk: Desk, calm: Cluster) -> None:
    assert found(desk, calm, stage="after")["MU122"] == {f"revision {REVISION}"}
    assert "MU122" not in found(desk, calm, stage="after", version=VERSION, revision=REVISION)


def test_a_namespace_that_stayed_behind_is_an_error_only_within_the_limits(desk: Desk, calm: Cluster) -> None:
    assert found(desk, calm, stage="after")["MU137"] == {f"revision {NEW_REVISION}"}
    assert "MU137" not in found(desk, calm, stage="after", version=VERSION, revision=REVISION)
    everywhere = found(desk, calm, stage="after")["MU135"]
    assert "namespace shop" in everywhere
    limited = found(desk, calm, stage="after", limits={"exclude": ["shop"]})
    assert limited["MU136"] == {"namespace shop"}
    assert limited.get("MU135", set()) == everywhere - {"namespace shop"}
