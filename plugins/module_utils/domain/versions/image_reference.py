# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split image references into registry, repository, tag and digest, and compare images.

Source: distribution/reference reference.go (grammar) and normalize.go (what is a registry).
"""

from __future__ import annotations

import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    PUBLISHED_VARIANTS,
    Version,
    parse_version,
)


@dataclasses.dataclass(frozen=True)
class ImageReference:
    """The parts of an image reference; a part that it does not have is empty."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def version(self) -> Version | None:
        """The Istio version that the tag names, or None: a digest names none."""
        return parse_version(self.tag)


def parse_image(image: str) -> ImageReference:
    """Split an image reference; a text that is none becomes a repository, because clusters may have any text."""
    name, dummy, digest = image.strip().partition("@")
    head, slash, last = name.rpartition("/")
    last, dummy, tag = last.partition(":")
    path = f"{head}{slash}{last}"
    first, slash, rest = path.partition("/")
    # Without a dot, a port or "localhost", the first part is a folder of the default registry.
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return ImageReference(first, rest, tag, digest) if is_registry else ImageReference("", path, tag, digest)


def image_tag(image: str) -> str:
    """Return the tag of an image reference, its digest if it has no tag, or an empty string."""
    reference = parse_image(image)
    return reference.tag or reference.digest


def is_full_image(image: str) -> bool:
    """Return whether Istio's charts take a value as a whole image reference instead of combining it with hub and tag.

    Source: istio/istio manifests/charts (``contains "/" .Values.image``), pkg/kube/inject/inject.go (ProxyImage).
    """
    return "/" in image


def image_version(image: str) -> Version | None:
    """Return the Istio version that the tag of an image names, or None if the image shows no version."""
    return parse_image(image).version


def same_build(tag: str, other: str) -> bool:
    """Return whether two tags name the same build, in whatever variant; tags without a version must be equal."""
    versions = parse_version(tag), parse_version(other)
    return versions[0] == versions[1] if all(versions) else without_variant(tag) == without_variant(other)


def has_wanted_tag(tag: str, wanted: str) -> bool:
    """Return whether a tag is one of the wanted tag or version; a wanted tag without a version must be equal."""
    version, target = parse_version(tag), parse_version(wanted)
    return version.matches(target) if version and target else without_variant(tag) == without_variant(wanted)


def without_variant(tag: str) -> str:
    """Return a tag (or a whole image reference) without the suffix of a variant that Istio publishes."""
    for variant in PUBLISHED_VARIANTS:
        if tag.endswith(f"-{variant}"):
            return tag.removesuffix(f"-{variant}")
    return tag


def same_image(image: str, expected: str) -> bool:
    """Return whether a container that should have an image has it; the variant does not count.

    A digest counts only where both have one, or where there is no tag to compare.
    """
    running, wanted = parse_image(image), parse_image(expected)
    if (running.registry, running.repository) != (wanted.registry, wanted.repository):
        return False
    if running.digest and wanted.digest:
        return running.digest == wanted.digest
    if running.tag and wanted.tag:
        return same_build(running.tag, wanted.tag)
    return (running.tag, running.digest) == (wanted.tag, wanted.digest)
