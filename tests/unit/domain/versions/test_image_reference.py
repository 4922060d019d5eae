# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image references by the grammar of distribution/reference, and comparisons of images and tags."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    image_tag,
    image_version,
    parse_image,
    same_build,
    same_image,
    without_variant,
)

DIGEST = f"sha256:{'0a1b' * 16}"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("docker.io/istio/proxyv2:1.31.0", ("docker.io", "istio/proxyv2", "1.31.0", "")),
        ("istio/proxyv2:1.31.0", ("", "istio/proxyv2", "1.31.0", "")),
        ("localhost/istio/pilot", ("localhost", "istio/pilot", "", "")),
        ("registry:5000/istio/proxyv2", ("registry:5000", "istio/proxyv2", "", "")),
        ("registry:5000/proxyv2:1.31.0", ("registry:5000", "proxyv2", "1.31.0", "")),
        (f"hub.example/a/b/pilot:1.31.0@{DIGEST}", ("hub.example", "a/b/pilot", "1.31.0", DIGEST)),
        (f"registry:5000/pilot@{DIGEST}", ("registry:5000", "pilot", "", DIGEST)),
        ("proxyv2", ("", "proxyv2", "", "")),
        ("auto", ("", "auto", "", "")),
        ("", ("", "", "", "")),
        (":", ("", "", "", "")),
        ("@", ("", "", "", "")),
    ],
)
def test_the_parts_of_a_reference(image: str, parts: tuple[str, str, str, str]) -> None:
    reference = parse_image(image)
    assert (reference.registry, reference.repository, reference.tag, reference.digest) == parts


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/istio/proxyv2:1.31.0", "1.31.0"),
        ("localhost:5000/istio/proxyv2:1.31.0-debug", "1.31.0-debug"),
        ("localhost:5000/istio/proxyv2", ""),
        ("hub/proxyv2:1.31.0@sha256:0a1b", "1.31.0"),
        ("hub/proxyv2@sha256:0a1b", "sha256:0a1b"),
        ("proxyv2", ""),
        ("", ""),
    ],
)
def test_tag_or_digest_of_an_image(image: str, expected: str) -> None:
    assert image_tag(image) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("hub/pilot:1.24.3-solo-fips", "1.24.3-solo-fips"),
        (f"hub/pilot:1.31.0@{DIGEST}", "1.31.0"),
        (f"hub/pilot@{DIGEST}", "None"),
        ("hub/pilot:asm-1-23", "None"),
        ("hub:5000/pilot", "None"),
    ],
)
def test_the_version_of_an_image(image: str, expected: str) -> None:
    assert str(image_version(image)) == expected


@pytest.mark.parametrize(
    ("image", "expected", "same"),
    [
        ("h.io/istio/proxyv2:1.31.0", "h.io/istio/proxyv2:1.31.0", True),
        ("h.io/istio/proxyv2:1.31.0-distroless", "h.io/istio/proxyv2:1.31.0", True),
        ("h.io/istio/proxyv2:1.31.0-fips", "h.io/istio/proxyv2:1.31.0", True),
        (f"h.io/istio/proxyv2:1.31.0@{DIGEST}", "h.io/istio/proxyv2:1.31.0", True),
        (f"h.io/istio/proxyv2@{DIGEST}", "h.io/istio/proxyv2:1.31.0", False),
        (f"h.io/istio/proxyv2@{DIGEST}", f"h.io/istio/proxyv2:1.31.0@{DIGEST}", True),
        (f"h.io/istio/proxyv2:1.31.0@{DIGEST}", "h.io/istio/proxyv2:1.31.0@sha256:ff", False),
        ("h.io/istio/proxyv2:1.30.3", "h.io/istio/proxyv2:1.31.0", False),
        ("h.io/istio/proxyv2:1.31.0-asm.9", "h.io/istio/proxyv2:1.31.0-asm.10", False),
        ("mirror.io/istio/proxyv2:1.31.0", "h.io/istio/proxyv2:1.31.0", False),
        ("h.io/istio/proxyv2:latest", "h.io/istio/proxyv2:latest", True),
        ("h.io/istio/proxyv2:latest", "h.io/istio/proxyv2:asm-1-23", False),
    ],
)
def test_the_same_image(image: str, expected: str, same: bool) -> None:
    assert same_image(image, expected) is same


@pytest.mark.parametrize(
    ("tag", "wanted", "expected"),
    [
        ("1.31.0-distroless", "1.31.0", True),
        ("1.24.3-solo", "1.24.3", True),
        ("asm-1-23", "asm-1-23", True),
        ("asm-1-23-distroless", "asm-1-23", True),
        ("asm-1-23", "1.23.0", False),
        ("latest", "1.31.0", False),
        ("", "1.31.0", False),
        ("1.31.0", "latest", False),
    ],
)
def test_a_wanted_tag(tag: str, wanted: str, expected: bool) -> None:
    assert has_wanted_tag(tag, wanted) is expected


@pytest.mark.parametrize(
    ("tag", "other", "expected"),
    [("1.31.0-debug", "1.31.0", True), ("1.31.0-solo", "1.31.0", False), ("latest", "latest", True)],
)
def test_the_same_build(tag: str, other: str, expected: bool) -> None:
    assert same_build(tag, other) is expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a:1.31.0-debug", "a:1.31.0"),
        ("a:1.31.0-distroless", "a:1.31.0"),
        ("a:1.31.0", "a:1.31.0"),
        ("a:1-acme", "a:1-acme"),
    ],
)
def test_a_variant_that_istio_publishes_makes_no_difference(image: str, expected: str) -> None:
    assert without_variant(image) == expected
