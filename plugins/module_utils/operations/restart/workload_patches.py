# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches the workloads of a batch, which starts their rollouts, unless another client changed them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import unique_timestamp
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, annotations_of, labels_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import RevisionLabelChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, restart_patch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import (
    is_same_object,
    read_object,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import workloads_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import leave_out

#: How many workloads are patched in parallel.
PATCHES_AT_ONCE = 8
#: A workload is also written by its controllers, at any time.
TRIES = 10
#: HTTP statuses that concern one object or the rights to change it, not the API server as a whole.
REFUSED = (400, 403, 422)


def patch_batch(context: RestartContext, label: str, batch: Sequence[Workload]) -> list[Workload]:
    """Patch the workloads of a batch in parallel, and return those that cannot be patched.

    Raises:
        RolloutError: a workload cannot be patched, and ``on_workload_failure`` is ``stop``.
        ApiError: the API server failed as a whole.
        ClusterError: the API server does not answer.
    """
    restarted_at = unique_timestamp(
        context.client, {workload.template_annotations.get(RESTARTED_AT) for workload in batch}
    )
    with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
        outcomes = pool.map(lambda workload: patch_workload(context, workload, restarted_at), batch)
        problems = [problem for problem in outcomes if problem]
    leave_out(context, f"{label} failed", problems)
    return workloads_of(problems)


def patch_workload(context: RestartContext, workload: Workload, restarted_at: str) -> Problem | None:
    """Patch a workload; returns why it cannot be patched, if that concerns this workload alone."""
    state, change = context.state, context.plan.label_changes.get(workload.ref)
    restarted = restart_patch(workload, workload.template_annotations.get(RESTARTED_AT))
    state.undo_patches[workload.ref] = change.back() if change else restarted
    problem = None
    try:
        patched = _change_label(context, change) if change else _restart(context, workload, restarted_at)
        if patched:
            return None
        state.deleted[workload.ref] = workload
    except RolloutError as exc:
        problem = Problem(workload, Trouble("Changed", exc.message, own=True))
    except ApiError as exc:
        if exc.status not in REFUSED:
            raise
        problem = Problem(workload, Trouble("Refused", exc.message.rstrip("."), own=True))
    # Nothing was written, so nothing is to be undone.
    state.undo_patches.pop(workload.ref, None)
    return problem


def _restart(context: RestartContext, workload: Workload, restarted_at: str) -> bool:
    """Write the restart annotation into the template of a workload; returns whether the workload still exists."""
    for dummy in range(TRIES):
        try:
            patch = restart_patch(workload, restarted_at)
            answer = context.client.merge(workload.path, patch, doing=f"Restarting {workload}")
        except (ConflictError, NotFoundError):
            # A new object of the same name has another uid, or many clients write at the same time.
            if not is_same_object(workload, read_object(context.client, workload)):
                return False
        else:
            record_patch(context, workload, answer)
            return True
    raise RolloutError("other clients keep changing it, so it could not be restarted")


def _change_label(context: RestartContext, change: RevisionLabelChange) -> bool:
    """Change the revision label of a workload's pods, unless another client did since it was read.

    Returns:
        Whether the workload still exists.
    """
    workload = change.workload
    obj = context.tracker.get(workload.ref)
    patch, undo_patch = change.patch(context.task.begin_change()), change.back()
    for dummy in range(TRIES):
        if obj is None or not is_same_object(workload, obj):
            return False
        if _is_state(workload, obj, change.after, patch):
            # This is our own write, whose answer was lost.
            record_patch(context, workload, obj)
            return True
        if not _is_state(workload, obj, change.before, undo_patch):
            raise RolloutError("another client changed it meanwhile")
        patch["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
        try:
            answer = context.client.merge(workload.path, patch, doing=str(change))
        except ConflictError:
            obj = read_object(context.client, workload)
        except NotFoundError:
            return False
        else:
            record_patch(context, workload, answer)
            return True
    raise RolloutError("other clients keep changing it, so it could not be moved")


def record_patch(context: RestartContext, workload: Workload, answer: Json) -> None:
    """Record the object that our own patch left."""
    context.state.own_patches[workload.ref] = answer
    context.tracker.put(workload.ref, answer)


def _is_state(workload: Workload, obj: Json, label: str | None, patch: Json) -> bool:
    """Whether an object is the workload that was read, with a revision label and the journal that a patch writes."""
    journal = {key: annotations_of(obj).get(key) for key in patch["metadata"]["annotations"]}
    state = (obj["metadata"].get("uid"), labels_of(obj["spec"]["template"]).get(REVISION_LABEL), journal)
    return state == (workload.uid, label, patch["metadata"]["annotations"])
