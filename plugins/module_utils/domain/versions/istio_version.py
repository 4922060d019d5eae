# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse Istio versions, order them, and decide which upgrades between them are supported.

Sources: istio.io, "Canary upgrades" (two minors), "In-place upgrades" (one minor, also down),
istio/istio istioctl/pkg/install/k8sversion (minimum Kubernetes).
"""

from __future__ import annotations

import dataclasses
import functools
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

#: Texts in a cluster may have any number of digits, so the number of digits is limited.
_NUMBER = "([0-9]{1,9})"
#: A tag has "_" in place of "+", because tags of images must not contain "+" (Helm replaces it too).
_VERSION = re.compile(rf"v?{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?(?:[-+_]([0-9A-Za-z][0-9A-Za-z.+_-]*))?")
#: Numbers and words of a suffix, such as rc.1 or tetrate-v0.
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")

#: Words that name how an image was built and not what is in it. Istio publishes the first two
#: (istio/istio pkg/kube/inject/inject.go); vendors publish images with certified cryptography.
PUBLISHED_VARIANTS = ("distroless", "debug")
VARIANTS = (*PUBLISHED_VARIANTS, "fips")
#: Words of builds that come before a release, from the earliest one.
PRE_RELEASES = ("dev", "alpha", "beta", "rc")

#: First Istio minor (of major 1) -> lowest Kubernetes minor it supports; a row holds until the next one.
MINIMUM_KUBERNETES = {20: 25, 21: 26, 24: 28, 25: 29, 28: 30, 30: 32}

#: First kubelet version for which istiod uses native sidecars by default (istio/istio pkg/kube/inject/webhook.go).
_NATIVE_KUBELET = (1, 33)

#: Minor version of major 1 -> first patch in which istiod serves a gateway until its new pods are ready (istio/istio
#: issue 59959). Older minor versions have no such patch, newer ones have been fixed from the start.
GATEWAYS_FIXED = {29: 5, 30: 2}

#: Strategy -> lowest and highest supported difference between the minor versions of target and source.
MINOR_STEPS = {"canary": (-1, 2), "in_place": (-1, 1), "downgrade": (-1, 0)}


#: An element of the order of suffixes: its class, and how it compares within the class.
_Element = tuple[int, int, str]
_PRE_RELEASE, _END, _BUILD_NUMBER, _WORD = range(4)


@functools.total_ordering
@dataclasses.dataclass(frozen=True, eq=False)
class Version:
    """An Istio version; ``suffix`` follows the patch level, such as ``distroless``, ``rc.1`` or ``asm.10``.

    Versions have one order. Variants of an image are equal. A pre-release comes before its release, and the build of a
    vendor comes after the release that it was built from. Numbers in a suffix are compared as numbers.
    """

    major: int
    minor: int
    patch: int
    suffix: str = ""
    #: The text that it was read from; empty for the usual form.
    text: str = dataclasses.field(default="", repr=False)

    def __str__(self) -> str:
        return self.text or f"{self.release}-{self.suffix}".rstrip("-")

    @property
    def release(self) -> str:
        """The version without a suffix."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def line(self) -> tuple[int, int]:
        """The major and the minor version."""
        return self.major, self.minor

    @functools.cached_property
    def variant(self) -> str:
        """The variants of the image in the suffix, such as ``distroless``, joined by hyphens."""
        return "-".join(word for word in _PARTS.findall(self.suffix) if word.lower() in VARIANTS)

    @functools.cached_property
    def build(self) -> tuple[str, ...]:
        """The suffix without variants, in parts; empty for a release of Istio itself."""
        return tuple(word for word in map(str.lower, _PARTS.findall(self.suffix)) if word not in VARIANTS)

    @property
    def is_pre_release(self) -> bool:
        """Whether it was built before the release of its number."""
        return bool(self.build) and self.build[0] in PRE_RELEASES

    @functools.cached_property
    def _order(self) -> tuple[int, int, int, tuple[_Element, ...]]:
        return self.major, self.minor, self.patch, (*map(_element, self.build), (_END, 0, ""))

    def __eq__(self, other: object) -> bool:
        return self._order == other._order if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __hash__(self) -> int:
        return hash(self._order)

    def matches(self, wanted: Version) -> bool:
        """Return whether an image of this version is one of the wanted version.

        The release has to be equal. The builds of vendors differ only if both versions name one, because users often
        name the release that a vendor's build was built from. A pre-release is not its release.
        """
        same_release = (self.major, self.minor, self.patch) == (wanted.major, wanted.minor, wanted.patch)
        if not same_release or self.is_pre_release or wanted.is_pre_release:
            return self == wanted
        return self == wanted or not (self.build and wanted.build)

    def newer_than(self, other: Version) -> bool:
        """Return whether it comes after another version without being one of its images."""
        return self > other and not self.matches(other)


def _element(part: str) -> _Element:
    """Return how a part of a suffix is ordered: pre-releases before the end of the suffix, all other parts after it."""
    if part in PRE_RELEASES:
        return _PRE_RELEASE, PRE_RELEASES.index(part), ""
    if part.isdigit():
        digits = part.lstrip("0")
        # Texts of digits compare as numbers if the shorter one comes first.
        return _BUILD_NUMBER, len(digits), digits
    return _WORD, 0, part


def parse_version(text: str) -> Version | None:
    """Return the version in a text, or None if it has none (a digest, ``latest``, a custom build)."""
    text = text.strip()
    match = _VERSION.fullmatch(text)
    if not match:
        return None
    major, minor, patch, suffix = match.groups()
    version = Version(int(major), int(minor), int(patch or 0), suffix or "")
    return version if str(version) == text else dataclasses.replace(version, text=text.removeprefix("v"))


def require_version(text: str) -> Version:
    """Return the version in parameter ``version``.

    Raises:
        ParameterError: it is not a version.
    """
    version = parse_version(text)
    # The text itself becomes a part of paths and commands, so spaces around it are refused.
    if version is None or text != text.strip():
        raise ParameterError(f"Parameter version: {text!r} is not an Istio version such as 1.31.0.")
    return version


def minimum_kubernetes(istio: Version) -> tuple[int, int] | None:
    """Return the lowest (major, minor) of Kubernetes for an Istio version, or None below the table."""
    rows = [minor for minor in MINIMUM_KUBERNETES if istio.major == 1 and minor <= istio.minor]
    return (1, MINIMUM_KUBERNETES[max(rows)]) if rows else None


def kubelet_uses_native_sidecars(text: str) -> bool:
    """Return whether istiod uses native sidecars on a node with this kubelet; an unknown version counts as too old."""
    version = parse_version(text)
    return version is not None and version.line >= _NATIVE_KUBELET


def unsupported_reason(strategy: str, source: Version, target: Version) -> str | None:
    """Return why an upgrade is not supported, as a sentence, or None if it is supported (safety rule S7)."""
    lowest, highest = MINOR_STEPS[strategy]
    if source.major != target.major:
        return f"Istio {source} to {target} changes the major version, which no strategy supports."
    difference = target.minor - source.minor
    if strategy == "downgrade" and target.newer_than(source):
        return f"{target} is newer than {source}: this is not a downgrade."
    if strategy == "downgrade" and difference == 0:
        return None
    if difference > highest:
        return (
            f"Istio {source} to {target} skips too many minor versions: strategy {strategy} upgrades by at most "
            f"{highest}; upgrade to 1.{source.minor + highest} first."
        )
    if difference < lowest:
        return f"Istio {source} to {target} downgrades by {-difference} minor versions; at most {-lowest} is supported."
    return None


def drops_moved_gateways(version: Version) -> bool:
    """Return whether istiod of a version drops the routes of a managed gateway that selects another revision."""
    if version.major != 1 or version.minor > max(GATEWAYS_FIXED):
        return version.major < 1
    return version.patch < GATEWAYS_FIXED.get(version.minor, version.patch + 1)


def node_agent_skew(version: Version, control_plane: Version) -> str | None:
    """Return how the version of a CNI plugin or ztunnel does not fit a control plane, or None if it does.

    They support a control plane of their own minor version or of the next one (istio.io, "Upgrade with Helm", ambient).
    """
    behind = (control_plane.major - version.major) * 1000 + control_plane.minor - version.minor
    if behind in (0, 1):
        return None
    return f"{behind} minor versions behind" if behind > 0 else "newer than"
