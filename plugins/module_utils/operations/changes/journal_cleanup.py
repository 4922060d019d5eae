# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes journal entries that can no longer be undone because their revision was removed."""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION, NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import cannot_be_undone
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

PATCHES_AT_ONCE = 8


def forget_unreachable_states(task: TaskContext, snapshot: Snapshot, revision: str) -> list[str]:
    """Delete the entries of the journals that cannot be undone once a revision is removed; return warnings.

    Args:
        snapshot: with pods and workloads; the control planes are read again.
    """
    mesh = fetch_mesh(task.client, task.istio_namespace)
    if mesh.runs(revision):
        # Another client still removes it.
        return []
    changed = [
        (path, remaining)
        for path, journal, of_pods in _journals(snapshot, mesh)
        if (remaining := journal.without_obsolete(functools.partial(cannot_be_undone, mesh, of_pods=of_pods))).changes
        != journal.changes
    ]

    def send(change: tuple[str, Journal]) -> str:
        path, journal = change
        try:
            task.client.merge(
                path, {"metadata": {"annotations": journal.annotations}}, doing=f"Deleting journal entries of {path}"
            )
        except NotFoundError:
            return ""
        except ApiError as exc:
            return f"A change that cannot be undone any more is still recorded: {exc.message}"
        return ""

    with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
        return [warning for warning in pool.map(send, changed) if warning]


def _journals(snapshot: Snapshot, mesh: Mesh) -> Iterator[tuple[str, Journal, bool]]:
    """Yield the path of each object that can have a journal, the journal, and whether it records labels of pods."""
    for namespace in snapshot.namespaces.values():
        yield f"{NAMESPACES}/{namespace.name}", namespace.journal, False
    for injector in mesh.injectors:
        yield f"{ADMISSION}/mutatingwebhookconfigurations/{injector.name}", injector.journal, False
    for workload in snapshot.workloads.values():
        yield workload.path, workload.journal, True
