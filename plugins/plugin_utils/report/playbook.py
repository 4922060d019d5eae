# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the plays and tasks that use this collection, from the text of a playbook."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import COLLECTION

ROLE_ACTIONS = ("include_role", "import_role", "ansible.builtin.include_role", "ansible.builtin.import_role")


def module_of(task: t.Any) -> str:
    """Return the short name of a task's module, or an empty text if it is not one of this collection."""
    name = str(task.action)
    if "." not in name:
        name = str(task.resolved_action or name)
    return name.removeprefix(COLLECTION) if name.startswith(COLLECTION) else ""


def uses_collection(play: t.Any) -> bool:
    """Return whether a play uses a module or a role of this collection."""
    return any(_task_uses_collection(task) for block in play.compile() for task in block.get_tasks())


def _task_uses_collection(task: t.Any) -> bool:
    if str(task.action).startswith(COLLECTION):
        return True
    return task.action in ROLE_ACTIONS and str(task.args.get("name", "")).startswith(COLLECTION)
