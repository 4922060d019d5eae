# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a move by which configuration that only the previous revision reads would stop applying."""

from __future__ import annotations

import collections
from collections.abc import Container, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import NamespaceMove
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import (
    namespaces_leaving,
    namespaces_selecting_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    LOST,
    describe_loss,
    lost_by,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    fetch_configuration,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def require_configuration_kept(
    task: TaskContext,
    mesh: Mesh,
    moved: Mapping[str, Container[str]],
    target: str,
    *,
    undo: bool,
    allow: Container[str],
) -> list[str]:
    """Refuse a move by which configuration would silently stop applying; for an undo only warn of it.

    Args:
        task: the task that moves.
        mesh: the mesh before the move.
        moved: revision -> the namespaces that are moved away from it.
        target: the revision that they are moved to, as messages name it.
        undo: whether the move undoes another one: configuration never prevents an undo.
        allow: codes of findings that do not refuse the move.

    Returns:
        Warnings, also of the kinds of configuration that the user may not list.

    Raises:
        SafetyError: with the configuration.
    """
    if not moved:
        return []
    read = fetch_configuration(task.client)
    lost = lost_by(read.objects, mesh, moved)
    not_checked = "Not checked whether configuration stops applying by this move"
    warnings = [f"{not_checked} (finding {LOST}): {read.unread_reason}"] if read.unread_reason else []
    if not lost:
        return warnings
    loss = describe_loss(lost, target)
    if not undo and LOST not in allow:
        raise SafetyError(
            f"Nothing was moved on cluster {task.client.connection.label}: {loss}. If that is intended, name {LOST} in "
            "parameter allow (variable istio_allow of the playbooks).",
            {"configuration": [str(labelled) for labelled in lost]},
        )
    return [f"{loss}.", *warnings]


def require_moves_keep_configuration(
    task: TaskContext,
    snapshot: Snapshot,
    moves: Iterable[NamespaceMove],
    revision: str | None,
    *,
    undo: bool,
    allow: Container[str],
) -> list[str]:
    """Refuse, or for an undo warn of, configuration that would stop applying to moved namespaces.

    Args:
        task: the task that moves.
        snapshot: the cluster before the moves.
        moves: the moves.
        revision: the common target, None for an undo, where each namespace has its own target.
        undo: see `require_configuration_kept`, as for ``allow``.
        allow: codes of findings that do not refuse the move.

    Returns:
        Warnings.

    Raises:
        SafetyError: with the configuration.
    """
    by_target = collections.defaultdict(list)
    for move in moves:
        name = selected_name(move.after)
        by_target[revision or (snapshot.mesh.resolve(name) if name else None)].append(move.namespace)
    return [
        warning
        for target, names in by_target.items()
        for warning in require_configuration_kept(
            task,
            snapshot.mesh,
            namespaces_leaving(snapshot, names, target),
            target or "no revision",
            undo=undo,
            allow=allow,
        )
    ]


def require_default_configuration_kept(
    task: TaskContext, snapshot: Snapshot, after: str | None, allow: Container[str]
) -> list[str]:
    """Refuse an installation that moves the default as a side effect if configuration would stop applying by it.

    Returns:
        Warnings.

    Raises:
        SafetyError: with the configuration.
    """
    before = snapshot.mesh.default_revision
    followers = namespaces_selecting_tag(snapshot, DEFAULT)
    if None in (before, after) or before == after or not followers:
        return []
    return require_configuration_kept(
        task, snapshot.mesh, {str(before): followers}, str(after), undo=False, allow=allow
    )
