# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until another client, such as a GitOps controller, has moved namespaces to a revision."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    selecting_labels,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import describe_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import DELETED
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import read_namespace
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Seconds between two readings of all namespaces, and between two lines about those that are waited for.
POLL_SECONDS = 3.0
REPORT_SECONDS = 60.0


@dataclasses.dataclass
class GitMoves:
    """The namespaces that lead to the target now, those that do not, with the reason, and those that were deleted."""

    moved: list[NamespaceMove] = dataclasses.field(default_factory=list)
    not_moved: dict[str, str] = dataclasses.field(default_factory=dict)
    deleted: dict[str, str] = dataclasses.field(default_factory=dict)


def moves_in_git(snapshot: Snapshot, moves: Sequence[NamespaceMove], revision: str | None) -> list[NamespaceMove]:
    """Return the moves of the namespaces that do not lead to the revision yet, by whatever label."""
    return [move for move in moves if not _leads_to(snapshot.mesh, snapshot.namespaces[move.namespace], revision)]


def wait_for_git(
    task: TaskContext, snapshot: Snapshot, moves: Sequence[NamespaceMove], revision: str | None, seconds: int
) -> GitMoves:
    """Show the changes to make, and wait until each namespace leads to the revision; in check mode only show them.

    Each time all namespaces are read by one list of their metadata. The API server may fail meanwhile.

    Raises:
        ClusterError: the API server cannot be reached when the time is over.
    """
    for move in moves:
        owner = snapshot.namespaces[move.namespace].writers.owner
        task.progress(f"wait until Git moves {move.change}{f' (owner: {owner})' if owner else ''}")
    if task.check_mode or not moves:
        return GitMoves(list(moves))
    waiting, results, begin = {move.namespace: move for move in moves}, GitMoves(), time.monotonic()
    reported = begin
    while True:
        left = max(0.0, seconds - (time.monotonic() - begin))
        namespaces = read_with_retries(left, functools.partial(_read_namespaces, task))
        _sort(snapshot.mesh, namespaces, waiting, results, revision)
        now = time.monotonic()
        if not waiting or now - begin >= seconds:
            break
        if now - reported >= REPORT_SECONDS:
            reported = now
            task.progress(f"waiting for {', '.join(waiting)}: {round(seconds - (now - begin))} s left")
        time.sleep(min(POLL_SECONDS, max(0.0, seconds - (now - begin))))
    for name in waiting:
        labels = describe_state(selecting_labels(namespaces[name].labels))
        results.not_moved[name] = f"Git has not moved it within {seconds} s: it has {labels}"
    return results


def _sort(
    mesh: Mesh,
    namespaces: Mapping[str, Namespace],
    waiting: dict[str, NamespaceMove],
    results: GitMoves,
    revision: str | None,
) -> None:
    """Move those that were deleted or that lead to the revision from the waiting ones to the results."""
    for name, move in list(waiting.items()):
        namespace = namespaces.get(name)
        if namespace is None or namespace.terminating:
            results.deleted[name] = DELETED
        elif _leads_to(mesh, namespace, revision):
            results.moved.append(move)
        else:
            continue
        del waiting[name]


def _leads_to(mesh: Mesh, namespace: Namespace, revision: str | None) -> bool:
    name = namespace.revision_label
    return name is not None and revision is not None and mesh.resolve(name) == revision


def _read_namespaces(task: TaskContext) -> dict[str, Namespace]:
    listed = task.client.collect(NAMESPACES, read_namespace, doing="Reading the labels of namespaces", metadata=True)[0]
    return {namespace.name: namespace for namespace in listed}
