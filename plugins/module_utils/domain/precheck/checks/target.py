# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the hop: what the target does not support, does otherwise, or knows no more."""

from __future__ import annotations

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
    changes,
    gone_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.end_of_life import support_ended
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version


def _source(snapshot: Snapshot, goal: Upgrade) -> Version | None:
    """Return the version that the run starts from, where the image tag names one."""
    found = snapshot.mesh.revisions.get(goal.source or "")
    return parse_version(found.version) if found else None


def _old_source(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = _source(snapshot, goal)
    ended = support_ended(source, goal.today) if source and goal.today else None
    if ended:
        yield f"revision {goal.source}", ended


def _old_target(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    ended = support_ended(goal.version, goal.today) if goal.version and goal.today else None
    if ended:
        yield f"Istio {goal.version}", ended


def _ahead(snapshot: Snapshot, goal: Upgrade) -> tuple[Revision, list[Change]] | None:
    """Return the source and what changes on the way from it that this mesh may notice."""
    source, version = snapshot.mesh.revisions.get(goal.source or ""), _source(snapshot, goal)
    if source is None or version is None or goal.version is None:
        return None
    return source, [change for change in changes(version, goal.version) if change.where(snapshot, source)]


def _changed(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    found = _ahead(snapshot, goal)
    if found is None or goal.version is None:
        return
    source, ahead = found
    for change in ahead:
        if not change.kept(source.user_values):
            yield f"Istio 1.{change.since}, {change.name}", f"{change.text}{change.way_back(goal.version)}"


def _ignored(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    for setting, since in gone_settings(source.user_values, goal.version) if source and goal.version else ():
        yield f"revision {goal.source}", f"Its setting {setting} has had no effect since Istio 1.{since}."


def _pinned(snapshot: Snapshot, goal: Upgrade) -> tuple[str, Version] | None:
    """Return compatibilityVersion as the source has it, which a target of the same settings gets too."""
    source = snapshot.mesh.revisions.get(goal.source or "")
    text = str(source.user_values.get("compatibilityVersion") or "") if source else ""
    version = parse_version(text)
    return (text, version) if version else None


def _unknown_compatibility(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    pinned = _pinned(snapshot, goal)
    target = goal.version.minor if goal.version else 0
    known = COMPATIBLE.get(target)
    if pinned and known and pinned[1].minor not in known:
        yield (
            f"revision {goal.source}",
            f"Its compatibilityVersion is {pinned[0]}; Istio 1.{target} knows 1.{known[0]} to 1.{known[-1]} and "
            "installs nothing with another.",
        )


def _compatible(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    pinned, found = _pinned(snapshot, goal), _ahead(snapshot, goal)
    if pinned and found:
        names = [change.name for change in found[1] if change.profile and pinned[1].minor < change.since]
        if names:
            yield (
                f"revision {goal.source}",
                f"Its compatibilityVersion {pinned[0]} keeps as it was: {', '.join(names)}.",
            )


CHECKS = (
    Check("MU032", WARNING, "target out of support", "It gets no fixes any more, not even for security.",
          "choose a newer target, or go on from there to one that is supported", _old_target),
    Check("MU033", INFO, "the target behaves otherwise", "Defaults have changed; workloads may rely on the old ones.",
          "see whether workloads rely on it; keep the old behaviour by the value, if one is named", _changed),
    Check("MU034", WARNING, "settings that the target ignores", "What they were set for no longer happens.",
          "remove them, and see the upgrade notes for what takes their place", _ignored),
    Check("MU035", ERROR, "compatibilityVersion unknown to the target", "The charts of the target refuse it.",
          "set a compatibilityVersion that the target knows, or none", _unknown_compatibility),
    Check("MU049", INFO, "compatibilityVersion keeps old behaviour", "Such a profile goes a few versions later.",
          "plan to do without it", _compatible),
    Check("MU048", INFO, "source out of support", "It gets no fixes any more, not even for security.",
          "nothing: this upgrade is the way out", _old_source),
)  # fmt: skip
