# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand shared gateways, CNI and ztunnel over to a revision, and wait until they run its version."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.shared_components import (
    OWNER,
    components_of,
    find_takeovers,
    merge_components,
    require_safe_takeover,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import pod_failure
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_status import (
    rollout_complete,
    rollout_failure,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.proven import (
    require_proven,
    warn_unproven,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def read_owned_components(client: Client, istio_namespace: str, revisions: Iterable[str]) -> Json:
    """Return the components of an IstioOperator that keep the shared workloads of these revisions."""
    selector = f"{REVISION_LABEL} in ({','.join(revisions)}),{COMPONENT_LABEL} in ({','.join(SHARED_COMPONENTS)})"
    workloads: list[Json] = []
    for resource in ("deployments", "daemonsets"):
        path, doing = f"/apis/apps/v1/{resource}", f"Reading shared {resource}"
        workloads += client.list(path, doing=doing, metadata=True, labelSelector=selector)
    return components_of(workloads, istio_namespace)


def requested_components(task: TaskContext, options: InstallOptions, source: str | None) -> Json:
    """Return the components that a revision owns or takes over, with the user's own components merged in."""
    owners = [options.revision, *([source] if source and options.adopt_shared_components else [])]
    return merge_components(read_owned_components(task.client, task.istio_namespace, owners), options.components)


def plan_takeover(
    task: TaskContext, options: InstallOptions, snapshot: Snapshot, installation: Installation
) -> list[ObjectChange]:
    """Return what the installation takes over; the revision must be proven first (safety rule S3).

    Raises:
        SafetyError: the takeover is not intended, or settings would be lost.
        ProofError: the revision does not take workloads.
    """
    takeovers = find_takeovers(installation.rendered, installation.changes)
    require_safe_takeover(takeovers, options.allow_setting_changes, intended=options.adopt_shared_components)
    if takeovers:
        warn_unproven(task, options.revision, require_proven(task, snapshot, options.revision))
    return takeovers


def wait_for_takeover(task: TaskContext, options: InstallOptions, takeovers: list[ObjectChange]) -> None:
    """Wait until every workload that was taken over runs its new template (rule S5).

    Raises:
        RolloutError: a workload does not in time; it shows the state of its pods.
    """
    deadline = time.monotonic() + options.timeout
    for change in takeovers:
        if change.kind not in ROLLED:
            continue
        path = object_path(change.kind, change.namespace, change.name)
        obj = task.client.get(path, doing=f"Reading {change.place}")
        while not rollout_complete(change.kind, obj):
            if time.monotonic() >= deadline:
                raise takeover_error(task, options, takeovers, "it did not roll out in time")
            task.progress(f"waiting for {change.place}")
            time.sleep(0.5)
            obj = task.client.get(path, doing=f"Reading {change.place}")


def takeover_error(
    task: TaskContext, options: InstallOptions, takeovers: list[ObjectChange], reason: str
) -> RolloutError:
    """Return the failure of a takeover: the incomplete workloads, the state of their pods, and the way back."""
    evidence = []
    for change in takeovers:
        if change.kind in ROLLED:
            obj = task.client.get(object_path(change.kind, change.namespace, change.name))
            if not rollout_complete(change.kind, obj):
                evidence += [f"{change.place}: {text}" for text in _failures(task, change, obj)] or [change.place]
    owner = takeovers[0].fields[OWNER][0]
    return RolloutError(
        f"Revision {options.revision} did not take over the shared components: {'; '.join(evidence) or reason}. "
        "Pods that are not replaced yet are still serving. Fix the cause and run again, or give the components back: "
        f"istio_revision revision={owner} adopt_shared_components=true.",
        {"evidence": evidence},
    )


def _failures(task: TaskContext, change: ObjectChange, obj: Json) -> list[str]:
    """Return the failure of a workload and those of its pods."""
    trouble = rollout_failure(change.kind, obj)
    path = f"/api/v1/namespaces/{change.namespace}/pods"
    selector = obj["spec"]["selector"]
    try:
        pods = [pod for pod in task.client.list(path, doing="Reading pods") if matches(selector, labels_of(pod))]
    except MeshError as exc:
        return [*([str(trouble)] if trouble else []), f"its pods could not be read: {exc.message}"]
    pod_failures = [f"pod {name_of(pod)}, {text}" for pod in pods if (text := pod_failure(pod))]
    return [*([str(trouble)] if trouble else []), *pod_failures]
