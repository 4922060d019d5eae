# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions, image tags, and supported upgrades (S7, domain 12)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    minimum_kubernetes,
    parse_version,
    unsupported_reason,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.31.0", Version(1, 31, 0)),
        ("v1.36.3", Version(1, 36, 3)),
        ("1.31", Version(1, 31, 0)),
        (" 1.30.10\n", Version(1, 30, 10)),
        ("1.30.3-distroless", Version(1, 30, 3, "distroless")),
        ("1.31.0-rc.1", Version(1, 31, 0, "rc.1")),
        ("latest", None),
        ("sha256:0a1b", None),
        ("1", None),
        ("1.31.0.4", None),
        ("my-1.31.0", None),
        ("", None),
    ],
)
def test_an_unknown_version_is_not_an_error(text: str, expected: Version | None) -> None:
    """Domain 6: tags may be digests or custom builds."""
    assert parse_version(text) == expected


@pytest.mark.parametrize("text", ["1.30.3", "1.30.3-distroless", "1.31.0-rc.1"])
def test_a_version_prints_as_it_was_read(text: str) -> None:
    found = parse_version(text)
    assert found is not None
    assert str(found) == text
    assert found.release == text.partition("-")[0]


def test_versions_are_compared_as_numbers_not_as_strings() -> None:
    """Domain 9: istioctl calls 1.30.9 -> 1.30.10 a downgrade."""
    assert Version(1, 30, 10) > Version(1, 30, 9)
    assert unsupported_reason("downgrade", Version(1, 30, 9), Version(1, 30, 10)) is not None


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        (19, None),
        (20, 25),
        (21, 26),
        (23, 26),
        (24, 28),
        (25, 29),
        (27, 29),
        (28, 30),
        (29, 30),
        (30, 32),
        (31, 32),
        (40, 32),
    ],
)
def test_minimum_kubernetes_table_of_domain_12(minor: int, expected: int | None) -> None:
    assert minimum_kubernetes(Version(1, minor, 0)) == (None if expected is None else (1, expected))


@pytest.mark.parametrize(
    ("strategy", "source", "target", "problem"),
    [
        ("canary", "1.30.3", "1.31.0", None),
        ("canary", "1.29.0", "1.31.1", None),
        ("canary", "1.28.9", "1.31.0", "upgrade to 1.30 first"),
        ("canary", "1.31.0", "1.31.0", None),
        ("canary", "1.31.0", "1.30.3", None),
        ("canary", "1.31.0", "1.29.0", "downgrades by 2"),
        ("in_place", "1.30.3", "1.30.2", None),
        ("in_place", "1.30.3", "1.31.0", None),
        ("in_place", "1.29.0", "1.31.0", "upgrade to 1.30 first"),
        ("in_place", "1.31.0", "1.30.3", None),
        ("in_place", "1.31.0", "1.29.0", "downgrades by 2"),
        ("in_place", "1.31.0", "1.31.1", None),
        ("in_place", "1.30.3", "1.32.0", "strategy in_place upgrades by at most 1; upgrade to 1.31 first"),
        ("downgrade", "1.31.0", "1.31.0", None),
        ("downgrade", "1.30.3", "1.31.0", "1.31.0 is newer than 1.30.3: this is not a downgrade"),
        ("downgrade", "1.31.0", "1.30.3", None),
        ("downgrade", "1.31.1", "1.31.0", None),
        ("downgrade", "1.31.0", "1.31.1", "not a downgrade"),
        ("downgrade", "1.31.0", "1.29.0", "downgrades by 2"),
        ("canary", "1.31.0", "2.0.0", "major version"),
    ],
)
def test_s7_supported_upgrades(strategy: str, source: str, target: str, problem: str | None) -> None:
    """S7 and domain 12: in place one minor, canary up to two, downgrade one."""
    before, after = parse_version(source), parse_version(target)
    assert before is not None
    assert after is not None
    found = unsupported_reason(strategy, before, after)
    assert found is None if problem is None else problem in str(found)


def test_s7_a_downgrade_to_a_newer_version_is_refused() -> None:
    assert unsupported_reason("downgrade", Version(1, 30, 3), Version(1, 31, 0)) is not None
