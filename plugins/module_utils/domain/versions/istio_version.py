# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse Istio versions, and decide which upgrades between them are supported.

Sources: istio.io, "Canary upgrades" (two minors), "In-place upgrades" (one minor, also down),
istio/istio istioctl/pkg/install/k8sversion (minimum Kubernetes).
"""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

#: Texts in a cluster may have any number of digits, so the number of digits is limited.
_NUMBER = "([0-9]{1,9})"
_VERSION = re.compile(rf"v?{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?(?:-([0-9A-Za-z][0-9A-Za-z.-]*))?")

#: First Istio minor (of major 1) -> lowest Kubernetes minor it supports; a row holds until the next one.
MINIMUM_KUBERNETES = {20: 25, 21: 26, 24: 28, 25: 29, 28: 30, 30: 32}

#: First kubelet version for which istiod uses native sidecars by default (istio/istio pkg/kube/inject/webhook.go).
_NATIVE_KUBELET = (1, 33)

#: Strategy -> lowest and highest supported difference between the minor versions of target and source.
MINOR_STEPS = {"canary": (-1, 2), "in_place": (-1, 1), "downgrade": (-1, 0)}


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    """An Istio version; ``suffix`` follows the patch level, such as ``distroless`` or ``rc.1``."""

    major: int
    minor: int
    patch: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.suffix}" if self.suffix else "")

    @property
    def release(self) -> str:
        """The version without a suffix."""
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_version(text: str) -> Version | None:
    """Return the version in a text, or None if it is not a version (a digest, ``latest``, a custom build)."""
    match = _VERSION.fullmatch(text.strip())
    if not match:
        return None
    major, minor, patch, suffix = match.groups()
    return Version(int(major), int(minor), int(patch or 0), suffix or "")


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


def image_tag(image: str) -> str:
    """Return the tag of an image reference, its digest if it has no tag, or an empty string."""
    name, dummy, digest = image.partition("@")
    last = name.rsplit("/", 1)[-1]
    return last.partition(":")[2] or digest


def minimum_kubernetes(istio: Version) -> tuple[int, int] | None:
    """Return the lowest (major, minor) of Kubernetes for an Istio version, or None below the table."""
    rows = [minor for minor in MINIMUM_KUBERNETES if istio.major == 1 and minor <= istio.minor]
    return (1, MINIMUM_KUBERNETES[max(rows)]) if rows else None


def kubelet_uses_native_sidecars(text: str) -> bool:
    """Return whether istiod uses native sidecars on a node with this kubelet; an unknown version counts as too old."""
    version = parse_version(text.split("+")[0])
    return version is not None and (version.major, version.minor) >= _NATIVE_KUBELET


def unsupported_reason(strategy: str, source: Version, target: Version) -> str | None:
    """Return why an upgrade is not supported, as a sentence, or None if it is supported (safety rule S7)."""
    lowest, highest = MINOR_STEPS[strategy]
    if source.major != target.major:
        return f"Istio {source} to {target} changes the major version, which no strategy supports."
    difference = target.minor - source.minor
    if strategy == "downgrade" and target > source:
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
