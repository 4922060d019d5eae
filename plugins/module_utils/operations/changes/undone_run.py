# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run the option ``run_id`` names, and where that run led to."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Stands for the run that the task itself belongs to.
CURRENT = "current"


def undone_run(task: TaskContext) -> tuple[str | None, str]:
    """Return the id of the run to undo, None for the newest change of each object, and the revision that it led to.

    That revision is asked for only where changes were remembered without a state after them.
    """
    wanted = task.params["run_id"]
    if wanted == CURRENT:
        return own_run(task), ""
    return run_to_undo(task.lock().record(), wanted) if wanted == UNKNOWN_RUN else (wanted or None, "")


def own_run(task: TaskContext) -> str | None:
    """Return the id of the run that a task belongs to, None where it belongs to none."""
    return task.lock().current_run_id() if task.run else task.lock().adopted_run_id
