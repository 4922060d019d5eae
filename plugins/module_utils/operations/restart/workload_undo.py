# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoes restarts: restores the previous templates, and deletes pods that Kubernetes would leave broken."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import unique_timestamp
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ConflictError, MeshError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import ROLLBACK
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, restart_patch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.broken_before import delete_pod
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.observation import note_foreign_change
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import (
    is_same_object,
    list_states,
    read_object,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import wait_for_rollouts
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_patches import record_patch

#: How many workloads are read in parallel.
READS_AT_ONCE = 8


def undo_restart(context: RestartContext) -> list[str]:
    """Undo all restarts of the task, wait for the rollouts, and return the problems.

    A workload that another client changed meanwhile is left as it is. A restart does not change the template of an
    Argo Rollout: it is restarted once more, and its pods get the proxy that the labels select by then.
    """
    state = context.state
    planned = itertools.chain.from_iterable(context.plan.batches)
    restarted = [w for w in planned if w.ref in state.undo_patches and w.ref not in state.deleted]
    context.tracker.follow(w.ref for w in restarted)
    problems = _start_undo(context, [w for w in restarted if w.ref not in state.undone])
    return problems + _finish_undo(context, restarted, "roll back")


def start_undo_of_failed(context: RestartContext, failed: list[Workload]) -> None:
    """Start to undo failed restarts before the others continue, so that their rollouts take down no more pods."""
    if failed and context.options.on_workload_failure == ROLLBACK:
        context.state.undo_problems += _start_undo(context, failed)


def finish_undo_of_failed(context: RestartContext, failed: list[Workload]) -> None:
    """Wait until failed restarts are undone, unless they are left as they are."""
    if failed and context.options.on_workload_failure == ROLLBACK:
        context.tracker.follow(workload.ref for workload in failed)
        context.state.undo_problems += _finish_undo(context, failed, "undo failed restarts")


def _start_undo(context: RestartContext, workloads: list[Workload]) -> list[str]:
    """Restore the previous templates of workloads; return which ones were not restored, and why."""
    _read_again(context, workloads)
    foreign = context.state.foreign_changes
    unchanged = [w for w in workloads if w.ref not in foreign]
    problems = [
        f"{w} was changed by {foreign[w.ref]} meanwhile and is left as it is" for w in workloads if w.ref in foreign
    ]
    for workload in unchanged:
        try:
            _restore_template(context, workload)
        except MeshError as exc:
            problems.append(exc.message)
    return problems + _delete_broken_pods(context, unchanged)


def _restore_template(context: RestartContext, workload: Workload) -> None:
    client, state = context.client, context.state
    again = workload.kind == ROLLOUT
    patch = restart_patch(workload, unique_timestamp(client)) if again else state.undo_patches[workload.ref]
    try:
        answer = client.merge(workload.path, patch, doing=f"Undoing the restart of {workload}")
    except (ConflictError, NotFoundError):
        if is_same_object(workload, read_object(client, workload)):
            raise
        state.deleted[workload.ref] = workload
    else:
        record_patch(context, workload, answer)
        state.undone.add(workload.ref)


def _finish_undo(context: RestartContext, workloads: Sequence[Workload], label: str) -> list[str]:
    """Wait for the rollouts of workloads whose template was restored; return the problems that they have."""
    restored = [w for w in workloads if w.ref in context.state.undone and context.tracker.get(w.ref)]
    progress = Progress(context.task.progress, watched=context.task.watched)
    try:
        return list(map(str, wait_for_rollouts(context, label, restored, judged=False, progress=progress)))
    except MeshError as exc:
        return [exc.message]


def _read_again(context: RestartContext, workloads: list[Workload]) -> None:
    """Read workloads and note changes by other clients, which the watch may not have reported yet."""

    def read(workload: Workload) -> None:
        with contextlib.suppress(MeshError):
            obj = context.client.get(workload.path, doing=f"Reading {workload}")
            context.tracker.put(workload.ref, obj)
        note_foreign_change(context, workload)

    with concurrent.futures.ThreadPoolExecutor(max_workers=READS_AT_ONCE) as pool:
        list(pool.map(read, workloads))


def _delete_broken_pods(context: RestartContext, workloads: list[Workload]) -> list[str]:
    """Delete new broken pods of StatefulSets, which never replace them (Kubernetes documentation, Forced rollback)."""
    before = {pod.uid for pod in context.snapshot.pods}
    refs = {workload.ref for workload in workloads if workload.kind == "StatefulSet"}
    problems = []
    for namespace in sorted({ref.namespace for ref in refs}):
        path = f"{NAMESPACES}/{namespace}/pods"
        try:
            for dummy, state in list_states(context.client, path, refs)[0]:
                if state.stays and not state.pod.ready and state.pod.uid not in before:
                    doing = f"Deleting the broken pod {state.pod.name} of a StatefulSet"
                    delete_pod(context.client, path, state.pod, doing)
        except MeshError as exc:
            problems.append(exc.message)
    return problems
