# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares the observation of a batch before its first patch, and notices changes by other clients."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import FIELD_MANAGER, Json
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import (
    managers_of,
    name_writer,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import read_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import read_pod_states

TEMPLATE = ("spec", "template")


def observe_batch(context: RestartContext, batch: Sequence[Workload]) -> None:
    """Note which pods of a batch are down before it starts, let the tracker follow its pods, and note its resumes."""
    state, refs = context.state, {workload.ref for workload in batch}
    _note_pods_down(context, batch)
    context.tracker.follow(refs, ((ref, pod) for ref in refs for pod in context.pods_before.get(ref, ())))
    state.undo_patches.update({ref: undo_patch for ref in refs if (undo_patch := context.plan.resumed.get(ref))})


def _note_pods_down(context: RestartContext, batch: Sequence[Workload]) -> None:
    """Note the pods that are down and the reason; the snapshot has the workloads with such pods, but no reason."""
    suspects = [
        workload
        for workload in batch
        if any(not pod.ready or pod.deleting for pod in context.pods_before.get(workload.ref, ()))
    ]
    for ref, states in read_pod_states(context.client, suspects, context.options.budget_timeout).items():
        for pod_state in states:
            if down := read_down(pod_state):
                context.state.down_before.setdefault(ref, []).append(down)


def note_foreign_change(context: RestartContext, workload: Workload) -> bool:
    """Note that another client changed the template of a workload after our patch; returns whether that is new."""
    state = context.state
    patched, obj = state.own_patches.get(workload.ref), context.tracker.get(workload.ref)
    if patched is None or obj is None or workload.ref in state.foreign_changes:
        return False
    if obj["metadata"].get("uid") != workload.uid:
        return False
    if obj["metadata"].get("generation") == patched["metadata"].get("generation"):
        return False
    if as_map(obj.get("spec")).get("template") == as_map(patched.get("spec")).get("template"):
        return False
    state.foreign_changes[workload.ref] = manager = _writer_after(patched, obj)
    context.task.progress(f"{workload} was changed by {manager} meanwhile; waiting for that rollout")
    return True


def _writer_after(patched: Json, obj: Json) -> str:
    """Name the client that changed a template after our patch; a client that only took it back has left no entry."""
    own = (manager for manager in managers_of(patched, TEMPLATE) if manager.name == FIELD_MANAGER)
    patch = next(own, None)
    return name_writer(obj, TEMPLATE, (FIELD_MANAGER,), patch.time if patch else None)
