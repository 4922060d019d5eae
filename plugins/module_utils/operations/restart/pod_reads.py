# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads workloads and their pods as they are now, where a watch alone proves nothing."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import PodState, read_pod_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries


def read_pod_states(client: Client, workloads: Iterable[Workload], seconds: float) -> dict[ObjectRef, list[PodState]]:
    """Return the pods of some workloads from lists, one per namespace, which are repeated for some seconds on failure.

    Raises:
        MeshError: a list cannot be read.
    """
    states: dict[ObjectRef, list[PodState]] = {workload.ref: [] for workload in workloads}
    for namespace in sorted({ref.namespace for ref in states}):
        read = functools.partial(list_states, client, f"{NAMESPACES}/{namespace}/pods", states)
        for ref, state in read_with_retries(seconds, read)[0]:
            states[ref].append(state)
    return states


def read_object(client: Client, workload: Workload) -> Json | None:
    """Return the object of a workload as it is now, or None if no object has its name."""
    try:
        return client.get(workload.path, doing=f"Reading {workload}")
    except NotFoundError:
        return None


def is_same_object(workload: Workload, obj: Json | None) -> bool:
    """Whether an object is the workload that was read before, and not a new object of the same name."""
    return obj is not None and obj["metadata"].get("uid", "") == workload.uid


def list_states(client: Client, path: str, refs: Collection[ObjectRef]) -> tuple[list[tuple[ObjectRef, PodState]], str]:
    """Return the pods of some workloads as they are now, and the resource version of the list."""

    def read(obj: Json) -> tuple[ObjectRef, PodState] | None:
        ref = ref_of_owner(obj, refs)
        return (ref, read_pod_state(obj)) if ref else None

    pods, version = client.collect(path, read, doing="Reading pods")
    return [pair for pair in pods if pair], version


def ref_of_owner(pod: Json, refs: Collection[ObjectRef]) -> ObjectRef | None:
    """Return the workload that a raw pod belongs to, if it is one of some workloads.

    The name of a ReplicaSet begins with the name of the workload above it.
    """
    owners = pod["metadata"].get("ownerReferences") or ()
    owner = next((Owner(o["kind"], o["name"]) for o in owners if o.get("controller")), None)
    if owner is None:
        return None
    namespace = pod["metadata"]["namespace"]
    if owner.kind != "ReplicaSet":
        ref = ObjectRef(namespace, owner.kind, owner.name)
        return ref if ref in refs else None
    above = (ObjectRef(namespace, kind, owner.name.rpartition("-")[0]) for kind in ("Deployment", ROLLOUT))
    return next((ref for ref in above if ref in refs), None)
