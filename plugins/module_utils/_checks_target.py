# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Checks of the hop: what the target does not support, does otherwise, or knows no more."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils._finding import INFO, WARNING, Check, Found, Goal
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._support import support_ended
from ansible_collections.meshops.istio.plugins.module_utils._versions import Version, parse


def _source(snapshot: Snapshot, goal: Goal) -> Version | None:
    """Return the version that the run starts from, where the image tag names one."""
    found = snapshot.mesh.revisions.get(goal.source or "")
    return parse(found.version) if found else None


def _old_source(snapshot: Snapshot, goal: Goal) -> Found:
    source = _source(snapshot, goal)
    ended = support_ended(source, goal.today) if source and goal.today else None
    if ended:
        yield f"revision {goal.source}", ended


def _old_target(snapshot: Snapshot, goal: Goal) -> Found:
    ended = support_ended(goal.version, goal.today) if goal.version and goal.today else None
    if ended:
        yield f"Istio {goal.version}", ended


CHECKS = (
    Check("MU032", WARNING, "target out of support", "It gets no fixes any more, not even for security.",
          "choose a newer target, or go on from there to one that is supported", _old_target),
    Check("MU048", INFO, "source out of support", "It gets no fixes any more, not even for security.",
          "nothing: this upgrade is the way out", _old_source),
)  # fmt: skip
