# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the image tag of a new version from the tag that a revision runs, as far as Istio's own tags allow it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    PUBLISHED_VARIANTS,
    Version,
    parse_version,
)


def is_derivable(tag: str, target: Version) -> bool:
    """Return whether the tag of a target follows from another tag.

    Nothing shows how a vendor names the build of another release. A target with a suffix names its build itself.
    """
    version = parse_version(tag)
    return not tag or bool(target.suffix) or (version is not None and (version.matches(target) or _is_istios(version)))


def _is_istios(version: Version) -> bool:
    """Return whether a tag is one of Istio's own: a release or a numbered pre-release, in a published variant."""
    numbered = version.is_pre_release and all(part.isdigit() for part in version.build[1:])
    published = not version.variant or version.variant in PUBLISHED_VARIANTS
    return published and (not version.build or numbered)


def derived_tag(tag: str, target: Version) -> str:
    """Return the tag of a target that keeps the build or the variant of a tag; the target itself if there is none."""
    version = parse_version(tag)
    if version is None or target.suffix or not is_derivable(tag, target):
        return str(target)
    if version.matches(target):
        return tag
    return f"{target.release}-{version.variant}" if version.variant else str(target)
