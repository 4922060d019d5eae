# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check after an upgrade that the target is installed, and that each namespace that was to move has moved."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    ERROR,
    INFO,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _source(snapshot: Snapshot, upgrade: Upgrade) -> str:
    """Return the revision that the upgrade moves namespaces away from, or an empty text if none is known.

    An upgrade in place moves no namespace, so other revisions are not a part of it.
    """
    if upgrade.source:
        return upgrade.source
    in_place = upgrade.strategy == "in_place" or upgrade.revision == DEFAULT
    others = [name for name in snapshot.mesh.revisions if name != upgrade.revision]
    return others[0] if len(others) == 1 and not in_place else ""


def _left_namespaces(snapshot: Snapshot, upgrade: Upgrade) -> Mapping[str, str]:
    """Return namespace -> the name by which a label of its own still selects the source revision of the upgrade.

    A namespace that follows a tag moves with it.
    """
    source = _source(snapshot, upgrade) if upgrade.stage == AFTER else ""
    if source in ("", upgrade.revision):
        return {}
    selecting = snapshot.namespaces_selecting(source)
    return {name: label for name, label in selecting.items() if label == DEFAULT or label not in snapshot.mesh.tags}


def _find_left_namespaces(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, label in _left_namespaces(snapshot, upgrade).items():
        if upgrade.limits.allows(name):
            yield cluster_object("namespace", name), f"Its labels still select {label}, not {upgrade.revision}."


def excluded_namespaces(snapshot: Snapshot, upgrade: Upgrade) -> Mapping[str, str]:
    """Return namespace -> the limit that keeps it on the source revision."""
    reasons = {name: upgrade.limits.exclusion_reason(name) for name in _left_namespaces(snapshot, upgrade)}
    return {name: reason for name, reason in reasons.items() if reason}


def _find_excluded_namespaces(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, reason in excluded_namespaces(snapshot, upgrade).items():
        yield cluster_object("namespace", name), f"It stays on the source revision: {reason}."


def _find_missing_target(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.stage != AFTER or not upgrade.revision:
        return
    revision, ref = snapshot.mesh.revisions.get(upgrade.revision), cluster_object("revision", upgrade.revision)
    if revision is None or not snapshot.mesh.runs(upgrade.revision):
        yield ref, "No control plane of this revision runs in the cluster."
        return
    running, wanted = revision.installed_version, upgrade.version
    if running and wanted and not upgrade.tag and not running.matches(wanted):
        yield ref, f"It has version {revision.version}, not {upgrade.version}."


CHECKS = (
    Check("MU135", ERROR, "namespace that did not move", "The upgrade is not complete while it selects the source.",
          "run the upgrade again; if another client sets the labels back, change their source, such as a file in Git",
          _find_left_namespaces, ERROR),
    Check("MU136", INFO, "namespace outside of the limits", "The limits of the run left it on the source revision.",
          "extend the limits when it may move", _find_excluded_namespaces, INFO),
    Check("MU137", ERROR, "target is not installed", "Nothing can have moved to it.",
          "run the upgrade, or give the revision and the version that it installed", _find_missing_target, ERROR),
)  # fmt: skip
