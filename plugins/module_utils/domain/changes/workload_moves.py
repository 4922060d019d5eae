# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans moves of a workload by the revision label of its pods, and the moves that undo them."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    Journal,
    NotRestored,
    State,
    Undo,
    find_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


@dataclasses.dataclass(frozen=True)
class RevisionLabelChange:
    """A workload and the revision label of its pods before and after; None means no label.

    ``undone`` is the journal of the workload after an undo of an earlier change, else None.
    """

    workload: Workload
    before: str | None
    after: str | None
    undone: Journal | None = None

    def patch(self, run: str) -> dict[str, t.Any]:
        """Return one merge patch that changes the label and the journal together (safety rules S2, S16)."""
        journal = self.undone or self.workload.journal.with_change(
            run, journal_state(self.before), journal_state(self.after)
        )
        return label_patch(self.workload, self.after, journal.annotations)

    def back(self) -> dict[str, t.Any]:
        """Return the merge patch that restores the workload exactly."""
        return label_patch(self.workload, self.before, self.workload.journal.raw)

    def as_dict(self) -> dict[str, str | None]:
        """Return the JSON-ready form that results carry."""
        return {"workload": str(self.workload), "before": self.before, "after": self.after}

    def __str__(self) -> str:
        return f"move {self.workload}: {describe_label(self.before)} -> {describe_label(self.after)}"


def journal_state(label: str | None) -> State:
    """Return the state that the journal records for the revision label of a workload's pods."""
    return {} if label is None else {REVISION_LABEL: label}


def describe_label(label: str | None) -> str:
    return f"no label {REVISION_LABEL}" if label is None else f"{REVISION_LABEL}={label}"


def label_patch(workload: Workload, label: str | None, annotations: Mapping[str, str | None]) -> dict[str, t.Any]:
    """Return the merge patch that sets the revision label of a workload's pods, and its journal."""
    return {
        "metadata": {"uid": workload.uid, "annotations": dict(annotations)},
        "spec": {"template": {"metadata": {"labels": {REVISION_LABEL: label}}}},
    }


def plan_workload_undo(workload: Workload, run: str | None, mesh: Mesh, led_to: str = "") -> Undo | NotRestored | None:
    """Return the label that a workload's pods are restored to, the reason against it, or None without a change.

    Args:
        run: id of the run, None for the newest change.
        led_to: the revision that the run led to, for changes that were recorded without a state after them.
    """
    label = workload.template_labels.get(REVISION_LABEL)
    undo = find_undo(workload.journal, journal_state(label), run)
    if isinstance(undo, NotRestored) and workload.journal.unreadable:
        # The owner of a workload may write any text there, so it must not prevent others from being restored.
        return NotRestored(undo.reason)
    if isinstance(undo, Undo) and undo.unproven and led_to and mesh.resolve(label or DEFAULT) != led_to:
        return NotRestored(f"it was changed since: the last run led to {led_to}, now it has {describe_label(label)}")
    return undo
