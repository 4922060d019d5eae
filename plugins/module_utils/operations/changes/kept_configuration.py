# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a move by which configuration of the revision that is left would stop to apply."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import users
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    LOST,
    lost_by,
    refusal,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    fetch_configuration,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def require_kept(
    task: TaskContext, mesh: Mesh, moved: Mapping[str, Container[str]], target: str, *, back: bool
) -> list[str]:
    """Refuse a move by which configuration would silently stop to apply; on the way back only warn of it.

    Args:
        moved: revision that is left, with the namespaces that leave it.
        target: what these ask for then, as messages say it.
        back: whether it is a way back, which nothing may stand in.

    Returns:
        Warnings, also of the kinds at which nobody may look.

    Raises:
        SafetyError: it names the configuration.
    """
    if not moved:
        return []
    read = fetch_configuration(task.client)
    lost = lost_by(read.found, mesh, moved)
    unread = "Nobody looked whether configuration stops to apply by this move"
    warnings = [f"{unread} (finding {LOST}): {read.unread}"] if read.unread else []
    if not lost:
        return warnings
    told = refusal(lost, target)
    if not back and LOST not in task.params["allow"]:
        raise SafetyError(
            f"Nothing was moved on cluster {task.client.connection.label}: {told}. If that is meant, name {LOST} in "
            "parameter allow (variable istio_allow of the playbooks).",
            {"configuration": [str(one) for one in lost]},
        )
    return [f"{told}.", *warnings]


def require_default_kept(task: TaskContext, snapshot: Snapshot, after: str | None) -> list[str]:
    """Refuse an install that moves the default by the way, where configuration would stop to apply to who follows it.

    Returns:
        Warnings.

    Raises:
        SafetyError: it names the configuration.
    """
    before = snapshot.mesh.default_revision
    following = users(snapshot, DEFAULT)
    if None in (before, after) or before == after or not following:
        return []
    return require_kept(task, snapshot.mesh, {str(before): following}, str(after), back=False)
