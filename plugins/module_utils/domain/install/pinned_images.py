# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find values that pin images of another version: they have priority over the tag that an installation sets.

Source: istio/istio manifests/charts (the templates take ``image`` as it is if it contains a slash, and prefer the tag
of a component to the global one).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_maps, as_text
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    is_full_image,
    parse_image,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

Path = tuple[str, ...]
#: Values that may be the image of istiod or of a proxy. The charts copy the values below pilot to the top level.
MESH_IMAGES: tuple[Path, ...] = (
    ("image",),
    ("pilot", "image"),
    ("global", "proxy", "image"),
    ("global", "proxy_init", "image"),
)
MESH_TAGS: tuple[Path, ...] = (("tag",), ("pilot", "tag"), ("global", "tag"))
#: The same for the agents of nodes. A user may keep them one minor version behind on purpose (MU052 checks that).
NODE_IMAGES: tuple[Path, ...] = (("cni", "image"), ("ztunnel", "image"))
NODE_TAGS: tuple[Path, ...] = (("cni", "tag"), ("ztunnel", "tag"))
#: Components of an IstioOperator whose own tag has priority over the one of the installation (istio/istio
#: operator/pkg/apis/types.go), and those that are lists of gateways. A component that is an agent of nodes is not here.
MESH_COMPONENTS = ("base", "pilot", "istiodRemote")
GATEWAY_COMPONENTS = ("ingressGateways", "egressGateways")
COMPONENTS = "components"


@dataclasses.dataclass(frozen=True)
class PinnedImage:
    """A value that pins an image or a tag; ``source`` is the revision that it would be carried over from, if any."""

    path: str
    image: str
    source: str = ""

    def __str__(self) -> str:
        origin = f" (carried over from revision {self.source})" if self.source else ""
        return f"{self.path}={self.image}{origin}"


@dataclasses.dataclass(frozen=True)
class WantedImages:
    """The version of an installation, and the tag of its images if the user names one."""

    version: Version
    tag: str | None = None

    def include(self, tag: str) -> bool:
        """Return whether images with a tag are wanted."""
        return has_wanted_tag(tag, str(self.version)) or (bool(self.tag) and has_wanted_tag(tag, str(self.tag)))


def pinned_images(origin: Revision | None, given: Mapping[str, t.Any], wanted: WantedImages) -> list[PinnedImage]:
    """Return the values of an installation that pin images of another version.

    A digest that is carried over pins the old image. One that the user gives is the user's decision.

    Args:
        origin: the revision whose values are carried over, None for none.
        given: the values that the user gives; they override carried ones.
    """
    carried = origin.user_values if origin else {}
    name = origin.name if origin else ""
    return [*_given(given, wanted), *(pin for pin in _carried(carried, name, wanted) if not _has(given, pin.path))]


def pinned_components(components: Mapping[str, t.Any], wanted: WantedImages) -> list[PinnedImage]:
    """Return the tags of components, and the images in their patches of objects, that pin another version."""
    specs = {name: as_map(components.get(name)) for name in MESH_COMPONENTS}
    for name in GATEWAY_COMPONENTS:
        gateways = as_maps(components.get(name))
        specs.update({f"{name}[{gateway.get('name') or number}]": gateway for number, gateway in enumerate(gateways)})
    return [
        PinnedImage(".".join((COMPONENTS, name, *path)), image)
        for name, spec in specs.items()
        for path, image in (*_texts(spec, (("tag",),)), *_patched_images(spec))
        if not wanted.include(parse_image(image).tag if is_full_image(image) else image)
    ]


def _patched_images(spec: Mapping[str, t.Any]) -> Iterator[tuple[Path, str]]:
    """Yield the images that patches of rendered objects set; one without a tag names no version."""
    for overlay in as_maps(as_map(spec.get("k8s")).get("overlays")):
        for patch in as_maps(overlay.get("patches")):
            path, image = as_text(patch.get("path")), as_text(patch.get("value"))
            if path.endswith(".image") and is_full_image(image) and parse_image(image).tag:
                yield (f"k8s.overlays.{path}",), image


def given_image_paths(given: Mapping[str, t.Any]) -> list[str]:
    """Return the images and tags that the user gives: an upgrade changes these settings on purpose."""
    paths = (*MESH_IMAGES, *MESH_TAGS, *NODE_IMAGES, *NODE_TAGS)
    return [".".join(path) for path, dummy in _texts(given, paths)]


def _given(values: Mapping[str, t.Any], wanted: WantedImages) -> Iterator[PinnedImage]:
    for path, image in _texts(values, MESH_IMAGES):
        tag = parse_image(image).tag
        if is_full_image(image) and tag and not wanted.include(tag):
            yield PinnedImage(".".join(path), image)
    for path, tag in _texts(values, MESH_TAGS):
        if not wanted.include(tag):
            yield PinnedImage(".".join(path), tag)


def _carried(values: Mapping[str, t.Any], name: str, wanted: WantedImages) -> Iterator[PinnedImage]:
    for path, image in _texts(values, (*MESH_IMAGES, *NODE_IMAGES)):
        if is_full_image(image) and not wanted.include(parse_image(image).tag):
            yield PinnedImage(".".join(path), image, name)
    for path, tag in _texts(values, NODE_TAGS):
        if not wanted.include(tag):
            yield PinnedImage(".".join(path), tag, name)


def _texts(values: Mapping[str, t.Any], paths: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """Yield the values at paths as texts; a tag such as 1.31 may be a number in YAML."""
    for path in paths:
        value = _value(values, path)
        if isinstance(value, (str, float, int)) and str(value):
            yield path, str(value)


def _value(values: t.Any, path: Path) -> t.Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _has(values: Mapping[str, t.Any], path: str) -> bool:
    return _value(values, tuple(path.split("."))) is not None


def describe_pins(pins: list[PinnedImage], version: Version) -> str:
    """Return in one sentence which values pin which images."""
    return f"These values pin images of another version than {version}: {join_limited(pins)}."


#: The remedy for pinned images.
UNPIN = (
    "give each of them in istio_values (parameter values): an image of the target version, or only its name, such as "
    "pilot or proxyv2, so that hub and tag apply"
)


#: The remedy for tags and images of components.
UNPIN_COMPONENTS = (
    "give each tag or image in istio_components (parameter components) of the target version, or remove it there"
)


def require_no_pinned_images(
    origin: Revision | None, given: Mapping[str, t.Any], wanted: WantedImages, components: Mapping[str, t.Any]
) -> None:
    """Refuse an installation whose values or components would keep the images of another version.

    Raises:
        SafetyError: with these values.
    """
    pins, of_components = pinned_images(origin, given, wanted), pinned_components(components, wanted)
    remedies = [*([UNPIN] if pins else []), *([UNPIN_COMPONENTS] if of_components else [])]
    if remedies:
        described = describe_pins([*pins, *of_components], wanted.version)
        raise SafetyError(f"{described} Nothing was installed; {'; '.join(remedies)}.")
