# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the id of the run to undo that option ``run_id`` names, and of the run that a task belongs to."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Value of ``run_id`` for the run that the task itself belongs to.
CURRENT_RUN = "current"


def find_run_to_undo(task: TaskContext, run_id: str | None) -> tuple[str | None, str]:
    """Return the id of the run to undo, None for the newest change of each object, and the revision that it led to.

    The revision is read only for changes that were recorded without a state after them, else it is empty.
    """
    if run_id == CURRENT_RUN:
        return current_run_id(task), ""
    return run_to_undo(task.lock().record(), run_id) if run_id == UNKNOWN_RUN else (run_id or None, "")


def current_run_id(task: TaskContext) -> str | None:
    """Return the id of the run that a task belongs to, None if it belongs to none."""
    return task.lock().current_run_id() if task.run else task.lock().adopted_run_id
