# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the past of a retired revision: nothing remembers a way back that is not there."""

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
    """Take what leads nowhere out of the journals, once a revision is gone; return warnings.

    Args:
        snapshot: with pods and workloads; the control planes are read again.
    """
    mesh = fetch_mesh(task.client, task.istio_namespace)
    if mesh.runs(revision):
        # somebody else removes it
        return []
    changed = [
        (path, left)
        for path, journal, of_pods in _journals(snapshot, mesh)
        if (left := journal.without_past(functools.partial(cannot_be_undone, mesh, of_pods=of_pods))).changes
        != journal.changes
    ]

    def send(one: tuple[str, Journal]) -> str:
        path, journal = one
        try:
            task.client.merge(path, {"metadata": {"annotations": journal.annotations}}, doing=f"Forgetting at {path}")
        except NotFoundError:
            return ""
        except ApiError as exc:
            return f"A way back that is not there any more is still remembered: {exc.message}"
        return ""

    with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
        return [warning for warning in pool.map(send, changed) if warning]


def _journals(snapshot: Snapshot, mesh: Mesh) -> Iterator[tuple[str, Journal, bool]]:
    """Return the path of each object that can have a journal, its journal, and whether that is about pods."""
    for namespace in snapshot.namespaces.values():
        yield f"{NAMESPACES}/{namespace.name}", namespace.journal, False
    for injector in mesh.injectors:
        yield f"{ADMISSION}/mutatingwebhookconfigurations/{injector.name}", injector.journal, False
    for workload in snapshot.workloads.values():
        yield workload.path, workload.journal, True
