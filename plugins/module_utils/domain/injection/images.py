# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares images of proxies as far as their names allow; the rest has to be asked of the API server."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    parse_image,
    same_image,
)


def shows_other_version(image: str, expected: str) -> bool:
    """Whether both names have a version, and these are not the same."""
    version, wanted = parse_image(image).version, parse_image(expected).version
    return version is not None and wanted is not None and not version.matches(wanted)


def shows_same_version(image: str, expected: str) -> bool:
    """Whether both names have the same version, in whatever registry."""
    version, wanted = parse_image(image).version, parse_image(expected).version
    return version is not None and wanted is not None and version.matches(wanted)


def is_rewritten(image: str, expected: str) -> bool:
    """Whether an image differs from the one that Istio injects in more than its variant; a digest is a difference."""
    return not same_image(image, expected) or parse_image(image).digest != parse_image(expected).digest


def is_only_other_version(image: str, expected: str) -> bool:
    """Whether an image differs from the one that Istio injects only as another version of Istio does.

    If not, something else made the name, such as a mirror or a digest.
    """
    first, second = parse_image(image), parse_image(expected)
    same_place = (first.registry, first.repository) == (second.registry, second.repository)
    return same_place and shows_other_version(image, expected)
