# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what the target version no longer supports, changes or ignores."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.upgrade_notes import (
    COMPATIBLE,
    Change,
    changes_between,
    ignored_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.end_of_life import support_ended
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version


def _source_version(snapshot: Snapshot, upgrade: Upgrade) -> Version | None:
    """Return the version of the source revision, or None if its image tag does not name one."""
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    return source.istio_version if source else None


def _find_unsupported_source(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    version = _source_version(snapshot, upgrade)
    message = support_ended(version, upgrade.today) if version and upgrade.today else None
    if message:
        yield cluster_object("revision", upgrade.source or ""), message


def _find_unsupported_target(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    message = support_ended(upgrade.version, upgrade.today) if upgrade.version and upgrade.today else None
    if message:
        yield cluster_object("Istio", str(upgrade.version)), message


def _relevant_changes(snapshot: Snapshot, upgrade: Upgrade) -> tuple[Revision, list[Change]] | None:
    """Return the source revision, and the changes up to the target version that may affect this mesh."""
    source, version = snapshot.mesh.revisions.get(upgrade.source or ""), _source_version(snapshot, upgrade)
    if source is None or version is None or upgrade.version is None:
        return None
    return source, [change for change in changes_between(version, upgrade.version) if change.where(snapshot, source)]


def _find_changed_defaults(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    relevant = _relevant_changes(snapshot, upgrade)
    if relevant is None or upgrade.version is None:
        return
    source, changes = relevant
    for change in changes:
        if not change.is_decided(source.user_values):
            yield (
                cluster_object("Istio", f"1.{change.since}, {change.name}"),
                f"{change.text}{change.how_to_preserve(upgrade.version)}",
            )


def _find_ignored_settings(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    for setting, since in ignored_settings(source.user_values, upgrade.version) if source and upgrade.version else ():
        yield (
            cluster_object("revision", upgrade.source or ""),
            f"Its setting {setting} has had no effect since Istio 1.{since}.",
        )


def _compatibility_version(snapshot: Snapshot, upgrade: Upgrade) -> tuple[str, Version] | None:
    """Return compatibilityVersion of the source revision; a target with the same settings gets it too."""
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    text = str(source.user_values.get("compatibilityVersion") or "") if source else ""
    version = parse_version(text)
    return (text, version) if version else None


def _find_unsupported_compatibility(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    compatibility = _compatibility_version(snapshot, upgrade)
    target = upgrade.version.minor if upgrade.version else 0
    supported = COMPATIBLE.get(target)
    if compatibility and supported and compatibility[1].minor not in supported:
        yield (
            cluster_object("revision", upgrade.source or ""),
            f"Its compatibilityVersion is {compatibility[0]}; Istio 1.{target} supports 1.{supported[0]} to "
            f"1.{supported[-1]}, and its installation fails with any other.",
        )


def _find_preserved_behavior(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    compatibility, relevant = _compatibility_version(snapshot, upgrade), _relevant_changes(snapshot, upgrade)
    if compatibility and relevant:
        names = [change.name for change in relevant[1] if change.profile and compatibility[1].minor < change.since]
        if names:
            yield (
                cluster_object("revision", upgrade.source or ""),
                f"Its compatibilityVersion {compatibility[0]} preserves the previous behavior of: {', '.join(names)}.",
            )


CHECKS = (
    Check("MU032", WARNING, "target version out of support", "It gets no more fixes, not even security fixes.",
          "choose a newer target, or continue from there to a supported version", _find_unsupported_target),
    Check("MU033", INFO, "target version changes defaults", "Workloads may rely on the previous defaults.",
          "check whether workloads rely on them; keep the previous behavior with the value, if one is named",
          _find_changed_defaults),
    Check("MU034", WARNING, "settings that the target ignores", "These settings no longer have an effect.",
          "remove them, and see the upgrade notes for their replacements", _find_ignored_settings),
    Check("MU035", ERROR, "unsupported compatibilityVersion",
          "The charts of the target version refuse it.",
          "set a compatibilityVersion that the target supports, or none", _find_unsupported_compatibility),
    Check("MU049", INFO, "old behavior preserved by compatibilityVersion",
          "Istio removes such a profile a few versions later.", "plan to remove it", _find_preserved_behavior),
    Check("MU048", INFO, "source version out of support", "It gets no more fixes, not even security fixes.",
          "none needed: this upgrade solves it", _find_unsupported_source),
)  # fmt: skip
