# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``planned``: the changes that earlier steps of a run would have made, for check mode."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import Spec
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import apply_planned_steps
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

PLANNED_SPEC: Spec = {
    "planned": {
        "type": "dict",
        "options": {
            "revision": {"type": "str"},
            "version": {"type": "str"},
            "tag": {"type": "str"},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "workloads": {"type": "list", "elements": "str", "default": []},
            "tags": {"type": "list", "elements": "str", "default": []},
            "restarted": {"type": "list", "elements": "str"},
            "taken_over": {"type": "list", "elements": "str", "default": []},
            "restored": {"type": "bool", "default": False},
            "restored_tags": {"type": "list", "elements": "str", "default": []},
            "run_id": {"type": "str"},
        },
    }
}


def planned_snapshot(
    task: TaskContext,
    *,
    pods: bool,
    meanwhile: Callable[[], None] = lambda: None,
    pods_suffice: Callable[[Snapshot], bool] | None = None,
) -> Snapshot:
    """Return the cluster as it is; in check mode as the steps in ``planned`` would have left it.

    For ``meanwhile`` and ``pods_suffice`` see `TaskContext.snapshot`; with planned steps the whole snapshot is read.
    """
    snapshot = task.snapshot(pods=pods, meanwhile=meanwhile, pods_suffice=None if task.planned else pods_suffice)
    return apply_planned_steps(snapshot, task.planned)


def is_only_planned(task: TaskContext, revision: str) -> bool:
    """Return whether a revision is only planned, so that no dry run can prove it."""
    steps = task.planned
    return bool(steps and steps.revision == revision and steps.version)
