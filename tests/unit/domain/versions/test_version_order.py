# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one order of versions, and whether an image is one of a version."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    parse_version,
    unsupported_reason,
)

#: Suffixes as Istio, vendors and platforms write them, and others made of their parts.
PARTS = st.sampled_from(
    ["", "rc", "alpha", "beta", "dev", "solo", "fips", "asm", "tetrate", "v0", "distroless", "debug"]
)
SUFFIXES = st.lists(st.one_of(PARTS, st.integers(0, 12).map(str)), max_size=4).map(
    lambda parts: "-".join(filter(None, parts))
)
VERSIONS = st.builds(Version, st.just(1), st.integers(30, 31), st.integers(0, 2), SUFFIXES)


def version(text: str) -> Version:
    """Return a version that the text must have."""
    parsed = parse_version(text)
    assert parsed is not None, text
    return parsed


#: From the oldest to the newest version.
ORDER = (
    "1.27-alpha.0a1b2c",
    "1.27.0-beta.2",
    "1.27.0-rc.1",
    "1.27.0-rc.2",
    "1.27.0-rc.10",
    "1.27.0",
    "1.27.0-1",
    "1.27.0-2",
    "1.27.0-10",
    "1.27.0-asm.9",
    "1.27.0-asm.10",
    "1.27.0-solo-rc1",
    "1.27.0-solo",
    "1.27.0-tetrate-v0",
    "1.27.1-dev",
    "1.27.1",
    "1.27.9",
    "1.27.10",
    "1.31.0",
)


def test_versions_have_one_order() -> None:
    for older, newer in itertools.combinations(ORDER, 2):
        assert version(older) < version(newer), (older, newer)


@pytest.mark.parametrize("text", ["1.31.0-distroless", "1.31.0-debug", "1.31.0-fips", "1.31.0_fips", "1.31", "v1.31.0"])
def test_variants_and_spellings_are_equal(text: str) -> None:
    assert version(text) == version("1.31.0")
    assert hash(version(text)) == hash(version("1.31.0"))


@given(first=VERSIONS, second=VERSIONS, third=VERSIONS)
def test_the_order_is_total_and_transitive(first: Version, second: Version, third: Version) -> None:
    assert (first < second) + (first == second) + (first > second) == 1
    lowest, middle, highest = sorted((first, second, third))
    assert lowest <= middle <= highest
    assert lowest <= highest
    if first == second and second == third:
        assert first == third
        assert len({first, second, third}) == 1


@given(version=VERSIONS)
def test_a_version_prints_as_it_is_read(version: Version) -> None:
    again = parse_version(str(version))
    assert again == version
    assert str(again) == str(version)
    assert version.matches(version)
    assert not version.newer_than(version)


@given(first=VERSIONS, second=VERSIONS)
def test_what_matches_is_not_newer(first: Version, second: Version) -> None:
    assert first.matches(second) == second.matches(first)
    assert not (first.newer_than(second) and second.newer_than(first))
    if first.matches(second):
        assert first.release == second.release
        assert not first.newer_than(second)


@pytest.mark.parametrize(
    ("image", "wanted", "expected"),
    [
        ("1.31.0", "1.31.0", True),
        ("1.31.0-distroless", "1.31.0", True),
        ("1.31.0", "1.31.0-distroless", True),
        ("1.31.0-debug", "1.31.0-distroless", True),
        ("1.24.3-solo-fips", "1.24.3", True),
        ("1.24.3-solo-fips", "1.24.3-solo", True),
        ("1.25.2-tetrate-v0", "1.25.2", True),
        ("1.25.2-tetrate-v0", "1.25.2-tetrate-v1", False),
        ("1.24.3-solo", "1.24.3-tetrate-v0", False),
        ("1.22.8-asm.9", "1.22.8-asm.10", False),
        ("1.25.2-1", "1.25.2", True),
        ("1.28.3_fips", "1.28.3", True),
        ("1.28.3+sail", "1.28.3", True),
        ("1.31.0-rc.1", "1.31.0", False),
        ("1.31.0", "1.31.0-rc.1", False),
        ("1.31.0-rc.1-distroless", "1.31.0-rc.1", True),
        ("1.31.0-rc.1", "1.31.0-rc.2", False),
        ("1.27-alpha.0a1b2c", "1.27.0", False),
        ("1.31.1", "1.31.0", False),
    ],
)
def test_whether_an_image_is_one_of_a_version(image: str, wanted: str, expected: bool) -> None:
    assert version(image).matches(version(wanted)) is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("1.31.0-rc.1", "1.31.0", False),
        ("1.31.0", "1.31.0-rc.1", True),
        ("1.31.0-solo", "1.31.0", False),
        ("1.22.8-asm.10", "1.22.8-asm.9", True),
        ("1.31.0-fips", "1.31.0", False),
    ],
)
def test_newer(first: str, second: str, expected: bool) -> None:
    assert version(first).newer_than(version(second)) is expected


@pytest.mark.parametrize("text", ["asm-1-23", "latest", "sha256:0a1b", "", "1", "x1.31.0", "1.31.0-", "1.31.0.4"])
def test_what_has_no_version_says_so(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("strategy", "source", "target", "supported"),
    [
        ("canary", "1.22.8-asm.1", "1.24.4-solo-fips", True),
        ("canary", "1.22.8-asm.1", "1.25.2", False),
        ("in_place", "1.31.0-rc.1", "1.31.0", True),
        ("in_place", "1.22.8-asm.9", "1.22.8-asm.10", True),
        ("downgrade", "1.31.0", "1.31.0-rc.1", True),
        ("downgrade", "1.31.0-rc.1", "1.31.0", False),
        ("downgrade", "1.22.8-asm.9", "1.22.8-asm.10", False),
        ("downgrade", "1.31.0-solo", "1.31.0", True),
    ],
)
def test_s7_hops_are_judged_by_the_release(strategy: str, source: str, target: str, supported: bool) -> None:
    assert (unsupported_reason(strategy, version(source), version(target)) is None) is supported
