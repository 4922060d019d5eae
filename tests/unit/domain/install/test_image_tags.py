# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image tags of a new version that follow from the running one, and those that do not."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.image_tags import (
    carried_tag,
    underivable_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import InjectionConfig, Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    require_version,
)
from unit.support import builders as b

TARGET = Version(1, 31, 0)


def source(tag: str) -> Revision:
    """A revision that injects proxies with a tag."""
    return Revision(b.OLD, b.SYSTEM, config=InjectionConfig(hub=b.HUB, tag=tag))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("1.30.3", None),
        ("1.30.3-distroless", "1.31.0-distroless"),
        ("1.30.3-debug", "1.31.0-debug"),
        ("1.31.0-rc.1", None),
        ("1.31.0-rc.1-distroless", "1.31.0-distroless"),
        ("1.31.0", None),
        ("1.31.0-solo-fips", "1.31.0-solo-fips"),
    ],
)
def test_domain_6_the_image_variant_is_kept(tag: str, expected: str | None) -> None:
    assert carried_tag(source(tag), TARGET) == expected


@pytest.mark.parametrize(
    "tag",
    [
        "acme-7",
        "1.30.3-acme.7",
        "sha256:ab",
        "1.24.3-solo-fips",
        "1.25.2-tetrate-v0",
        "1.22.8-asm.1",
        "1.27-alpha.0a1b2c",
        "asm-1-23",
        "1.28.3_fips",
        "1.28.3+sail",
        "latest",
    ],
)
def test_a_custom_tag_is_refused_not_guessed(tag: str) -> None:
    with pytest.raises(SafetyError, match="custom image tag .*set parameter tag .*istio_tag"):
        carried_tag(source(tag), TARGET)


@pytest.mark.parametrize("target", ["1.24.4-solo-fips", "1.31.0-distroless"])
def test_a_target_that_names_its_build_needs_no_tag(target: str) -> None:
    assert carried_tag(source("1.24.3-solo-fips"), require_version(target)) is None


def test_a_revision_without_injector_map_gets_the_plain_tag() -> None:
    bare = dataclasses.replace(source(""), config=None)
    assert carried_tag(bare, TARGET) is None
    assert underivable_tag(bare, TARGET) == ""
