# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoes the label changes of namespaces that were moved for a restart which failed."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import plan_undos
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import match_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import apply_moves
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import current_run_id
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def restore_labels(task: TaskContext, options: RestartOptions, only: Collection[str] | None = None) -> dict[str, str]:
    """Undo the moves that this run made of the restarted namespaces; return which ones keep their labels, and why.

    If the cluster cannot be read or written, there is one reason, with an empty name.

    Args:
        only: these namespaces, None for all.
    """
    try:
        snapshot = task.snapshot()
        run = current_run_id(task)
        # Without a run, only the plan of the task itself shows which namespaces this run moved.
        listed = options.planned_namespaces if run is None else ()
        patterns = listed or options.namespace_patterns
        names = [name for pattern in patterns for name in match_namespaces(pattern, snapshot.namespaces)]
        steps, kept = plan_undos(snapshot, [name for name in names if only is None or name in only], run)
        for step in steps:
            task.progress(str(step))
        refused = apply_moves(task, steps).refused
    except MeshError as exc:
        return {"": exc.message}
    reasons = {**{name: undo.reason for name, undo in kept.items()}, **refused}
    return {name: f"namespace {name} keeps its labels: {reason}" for name, reason in sorted(reasons.items())}
