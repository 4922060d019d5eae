# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces pods that were broken before a restart, where their controller keeps them until another pod is ready.

A Deployment keeps an old pod, broken or not, until a new one is available, and a StatefulSet does not replace a broken
pod at all (Kubernetes documentation, Deployments and Forced rollback). So a workload that was broken before would never
get the new proxy. The pod serves nothing, so that nothing is lost; its controller creates it again.
"""

from __future__ import annotations

import contextlib

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ConflictError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import Down
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import PodState
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext


def keeps_broken_pods(workload: Workload, state: PodState, before: Down) -> bool:
    """Return whether a controller keeps a pod that was down before; a StatefulSet waits for one that may get ready."""
    if state.pod.ready:
        return False
    return workload.kind == "Deployment" or (workload.kind == "StatefulSet" and before.broken)


def delete_pod(client: Client, path: str, pod: Pod, doing: str) -> None:
    """Delete a pod unless it is gone already; the uid protects a new pod of the same name."""
    body = {"preconditions": {"uid": pod.uid}}
    with contextlib.suppress(ConflictError, NotFoundError):
        client.request("DELETE", f"{path}/{pod.name}", doing=doing, body=body)


def replace_broken_pod(context: RestartContext, workload: Workload, pod: Pod) -> None:
    """Delete a pod that was broken before, once; without the right to do so it stays."""
    if pod.uid in context.state.replaced_pods:
        return
    context.state.replaced_pods.add(pod.uid)
    context.task.progress(f"{workload}: pod {pod.name} is broken as before, and is replaced")
    try:
        path, doing = f"{NAMESPACES}/{pod.namespace}/pods", f"Deleting the broken pod {pod.name} of {workload}"
        delete_pod(context.client, path, pod, doing)
    except ApiError as exc:
        context.task.progress(f"{workload}: pod {pod.name} stays as it is: {exc.message}")
