# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of labels and tags that a run moves: who owns them, and whether another client has set them back."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.label_changes import (
    NAMESPACE,
    LabelPlan,
    plan_label_changes,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.put_back import REMEDY, MovedBy, put_back
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _find_put_back(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.revision:
        for moved in put_back(snapshot, MovedBy(revision=upgrade.revision)):
            yield moved.ref, f"{moved.reason[0].upper()}{moved.reason[1:]}."


def label_plan_of(snapshot: Snapshot, upgrade: Upgrade) -> LabelPlan:
    """Return the labels that an upgrade is going to change; an upgrade in place changes none."""
    if upgrade.stage == AFTER or upgrade.strategy == "in_place":
        return LabelPlan()
    return plan_label_changes(
        snapshot,
        upgrade.revision,
        upgrade.source,
        upgrade.limits,
        upgrade.tagged_namespaces,
        moves_default=upgrade.finalize,
    )


def _find_owned_labels(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for owner, changes in label_plan_of(snapshot, upgrade).owned.items():
        objects: dict[str, list[str]] = {}
        for change in changes:
            if not (upgrade.waits_for_git and change.ref.kind == NAMESPACE):
                objects.setdefault(str(change), []).append(str(change.ref))
        if objects:
            texts = [f"{join_limited(names)}: {change}" for change, names in objects.items()]
            yield cluster_object("owner", owner), f"It owns labels that the upgrade changes: {'; '.join(texts)}."


def _find_refused_moves(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, reason in sorted(snapshot.precheck_inputs.namespace_moves.items()):
        yield cluster_object(NAMESPACE, name), f"A dry run of its move fails: {reason.rstrip('.')}."


CHECKS = (
    Check("MU115", WARNING, "labels owned by another client",
          "The owner may put the old labels back, so that new pods get the old proxy.",
          "make the change at its source, such as in Git, when the run moves the labels (result git_changes has the "
          "patches), or let the run wait for Git with istio_label_changes=git", _find_owned_labels),
    Check("MU116", WARNING, "moved and set back",
          "Its new pods get the proxy that it was moved away from. A restart would only follow the old label.", REMEDY,
          _find_put_back, ERROR),
    Check("MU117", ERROR, "move of a namespace refused", "The run would not move it, and would fail at its end.",
          "change the policy that refuses the labels or sets them back, or exclude the namespace",
          _find_refused_moves, None, ("namespace_moves",)),
)  # fmt: skip
