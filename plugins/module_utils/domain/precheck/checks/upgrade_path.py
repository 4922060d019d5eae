# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the upgrade path: whether the versions of Istio and Kubernetes support this upgrade."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import image_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    minimum_kubernetes,
    parse_version,
    unsupported_reason,
)

API_SERVER = cluster_object("API server", "")


def _find_unsupported_upgrade(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    if source is None or upgrade.version is None:
        return
    # The image of an istiod that did not become ready proves nothing; the version of its installer is known.
    version = source.istio_version if source.rolled_out else source.installed_version
    problem = unsupported_reason(upgrade.strategy, version, upgrade.version) if version else None
    if problem:
        yield cluster_object("revision", source.name), problem


def _find_old_kubernetes(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    current = parse_version(snapshot.kubernetes_version)
    minimum = minimum_kubernetes(upgrade.version) if upgrade.version else None
    if current and minimum and current.line < minimum:
        yield (
            API_SERVER,
            f"Kubernetes {current.release} is older than {minimum[0]}.{minimum[1]}, the minimum for Istio "
            f"{upgrade.version}.",
        )


def _find_unknown_source(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    if source and snapshot.mesh.runs(source.name) and image_version(source.image) is None:
        tag = f"Its image tag {source.version!r} does not name a version"
        cause = tag if source.deployment else "It runs outside this cluster"
        installer = source.istio_version
        effect = (
            f"so the upgrade is judged by the version of its installer, {installer}"
            if installer
            else "so whether the upgrade is supported cannot be determined"
        )
        yield cluster_object("revision", source.name), f"{cause}, {effect}."


CHECKS = (
    Check("MU001", ERROR, "unsupported upgrade path", "Istio supports only a few minor versions in one step.",
          "upgrade in smaller steps", _find_unsupported_upgrade),
    Check("MU002", ERROR, "Kubernetes too old", "The target uses APIs that this API server does not have.",
          "upgrade Kubernetes first", _find_old_kubernetes),
    Check("MU006", WARNING, "source version unknown", "Whether the upgrade is supported cannot be determined.",
          "check which Istio version this image is", _find_unknown_source),
)  # fmt: skip
