# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which plays and tasks of a playbook are about clusters, as far as their text tells."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.plugin_utils.report.facts import COLLECTION

INCLUDES = ("include_role", "import_role", "ansible.builtin.include_role", "ansible.builtin.import_role")


def action_of(task: t.Any) -> str:
    """Return the short name of a task's module if it is one of ours."""
    name = str(task.action)
    if "." not in name:
        name = str(task.resolved_action or name)
    return name.removeprefix(COLLECTION) if name.startswith(COLLECTION) else ""


def about_meshes(play: t.Any) -> bool:
    """Return whether a play uses a module or a role of this collection."""
    return any(_task_about_meshes(task) for block in play.compile() for task in block.get_tasks())


def _task_about_meshes(task: t.Any) -> bool:
    if str(task.action).startswith(COLLECTION):
        return True
    return task.action in INCLUDES and str(task.args.get("name", "")).startswith(COLLECTION)
