# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check images: whether the target gets images of its version, and afterwards whether all proxies run them."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyCondition
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.image_tags import underivable_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.pinned_images import (
    UNPIN,
    WantedImages,
    describe_pins,
    pinned_images,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.leftovers import excluded_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import image_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version

#: Conditions of proxies that other checks report.
REPORTED = (ProxyCondition.PINNED, ProxyCondition.WOULD_LOSE_PROXY)
#: Number of owners that a message names.
SHOWN = 3


def _installs_images(upgrade: Upgrade) -> bool:
    """Return whether the run itself decides which images are installed; the caller may not know the installer."""
    return upgrade.version is not None and upgrade.installer in ("", HELM, ISTIOCTL)


def _find_underivable_tag(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    origin = snapshot.mesh.settings_origin(upgrade.revision, upgrade.source)
    if origin and upgrade.version and _installs_images(upgrade) and not upgrade.tag:
        problem = underivable_tag(origin, upgrade.version)
        if problem:
            yield cluster_object("revision", origin.name), f"{problem}."


def _find_pinned_values(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    origin = snapshot.mesh.settings_origin(upgrade.revision, upgrade.source)
    if upgrade.version and _installs_images(upgrade):
        pins = pinned_images(origin, upgrade.values, WantedImages(upgrade.version, upgrade.tag))
        if pins:
            yield cluster_object("revision", upgrade.revision), describe_pins(pins, upgrade.version)


def _find_other_versions(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.stage != AFTER or upgrade.version is None:
        return
    wanted = WantedImages(upgrade.version, upgrade.tag)
    connected = {(proxy.namespace, proxy.name): proxy.version for proxy in snapshot.precheck_inputs.proxies or ()}
    owners: dict[tuple[str, str], collections.Counter[ObjectRef]] = collections.defaultdict(collections.Counter)
    excluded = excluded_namespaces(snapshot, upgrade)
    for pod, status in snapshot.proxy_statuses:
        if (
            not pod.proxy_image
            or pod.namespace in excluded
            or status.stale
            or status.condition in REPORTED
            or not snapshot.in_this_mesh(pod)
        ):
            continue
        version = _known_version(pod.proxy_image, connected.get((pod.namespace, pod.name), ""))
        if version and not wanted.include(str(version)):
            owners[pod.revision or "default", str(version)][snapshot.owner_ref(pod)] += 1
    for (revision, text), counts in sorted(owners.items()):
        count = sum(counts.values())
        run = "proxy runs" if count == 1 else "proxies run"
        yield (
            cluster_object("revision", revision),
            f"{count} {run} {text}, not {upgrade.version}: {join_limited(sorted(counts), SHOWN)}.",
        )


def count_target_proxies(snapshot: Snapshot, upgrade: Upgrade) -> int:
    """Return how many proxies of the target revision run the target version, or do not show their version."""
    if upgrade.version is None:
        return 0
    wanted = WantedImages(upgrade.version, upgrade.tag)
    counts = snapshot.count_proxies().get(upgrade.revision, {})
    return sum(count for text, count in counts.items() if wanted.include(text) or parse_version(text) is None)


def _known_version(image: str, connected: str) -> Version | None:
    """Return the version of a proxy: of its image, or if that is a digest, the one that it reports to istiod."""
    return image_version(image) or parse_version(connected)


CHECKS = (
    Check("MU120", ERROR, "image tag of the target unknown", "The installation would not know which images to use.",
          "set istio_tag (parameter tag) to the image tag of the target version", _find_underivable_tag),
    Check("MU121", ERROR, "values pin images of another version",
          "The new control plane or its proxies would run the old version.", UNPIN, _find_pinned_values),
    Check("MU122", WARNING, "proxies of another version than the target",
          "They are not upgraded, although they have the proxy that they would get now.",
          "move their namespaces to the target revision; if it injects this version itself, correct its images "
          "(MU121)", _find_other_versions, WARNING),
)  # fmt: skip
