# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of a workload by the label of its own pods, and how each of them goes back."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    Journal,
    Kept,
    State,
    Undo,
    undo_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


@dataclasses.dataclass(frozen=True)
class RevisionLabelChange:
    """A workload whose pods are to ask for another revision or tag; None means that they have no such label.

    ``undone`` is the journal of the workload from then on, where the change of an earlier run is undone.
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
        """Return the merge patch that makes the workload what it was before, exactly."""
        return label_patch(self.workload, self.before, self.workload.journal.raw)

    def as_dict(self) -> dict[str, str | None]:
        """Return the JSON-ready form that results carry."""
        return {"workload": str(self.workload), "before": self.before, "after": self.after}

    def __str__(self) -> str:
        return f"move {self.workload}: {describe_label(self.before)} -> {describe_label(self.after)}"


def journal_state(label: str | None) -> State:
    """Return the state that the journal keeps of the label of a workload's pods."""
    return {} if label is None else {REVISION_LABEL: label}


def describe_label(label: str | None) -> str:
    return f"no label {REVISION_LABEL}" if label is None else f"{REVISION_LABEL}={label}"


def label_patch(workload: Workload, label: str | None, annotations: Mapping[str, str | None]) -> dict[str, t.Any]:
    """Return the merge patch that gives a workload's pods a label, and the workload its journal."""
    return {
        "metadata": {"uid": workload.uid, "annotations": dict(annotations)},
        "spec": {"template": {"metadata": {"labels": {REVISION_LABEL: label}}}},
    }


def plan_workload_undo(workload: Workload, run: str | None, mesh: Mesh, led_to: str = "") -> Undo | Kept | None:
    """Return the label that a workload's pods go back to, why they do not, or None if nothing is to undo.

    Args:
        run: id of the run, None for the newest change.
        led_to: the revision that the run led to, for changes that were remembered without a state after them.
    """
    label = workload.template_labels.get(REVISION_LABEL)
    found = undo_of(workload.journal, journal_state(label), run)
    if isinstance(found, Kept) and workload.journal.unreadable:
        # its owner may write anything there, and keeps nobody else from going
        return Kept(found.why)
    if isinstance(found, Undo) and found.unproven and led_to and mesh.resolve(label or DEFAULT) != led_to:
        return Kept(f"it was changed since: the last run led to {led_to}, now it has {describe_label(label)}")
    return found
