# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove one revision, only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ConflictError,
    InstallerError,
    NotFoundError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES, object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import apply_planned_steps
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal import owned_objects
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import (
    Blocker,
    BlockerRow,
    override_warnings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import find_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import WEBHOOKS, OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.planned_removal import blockers_after_plan
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.terminating_proxies import (
    OVERDUE,
    pods_to_await,
    seconds_left,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.workload_blockers import gateways_to_await
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.journal_cleanup import (
    forget_unreachable_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import external
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import (
    open_installer,
    require_removable,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import RemovalOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.removal_inputs import (
    fetch_removal_inputs,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.owner_chains import (
    has_proxy,
    with_owner_chains,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

KINDS = (*WEBHOOKS, *(kind for kind in RESOURCES if kind not in (*WEBHOOKS, "CustomResourceDefinition")))
#: Seconds between two reads of terminating pods or objects.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


class RemovalValues(t.TypedDict):
    """The return values of a removal."""

    revision: str
    overridden: list[BlockerRow]


def read_owned_objects(
    task: TaskContext, options: RemovalOptions, mesh: Mesh, kinds: Iterable[str] = KINDS
) -> tuple[list[OwnedObject], list[OwnedObject]]:
    """Return every object of the revision, and those of another mesh that has a revision of the same name.

    Webhooks come first: they reject the pods that they select once their istiod is gone. Gateways and CNI of Helm are
    separate releases, which are kept.
    """
    revision, keep_shared = options.revision, options.installer.name == HELM

    def read_kind(kind: str) -> list[OwnedObject]:
        prefix, resource, dummy = RESOURCES[kind]
        try:
            objects = task.client.list(
                f"{prefix}/{resource}",
                doing=f"Reading {resource} of revision {revision}",
                metadata=kind not in WEBHOOKS,
                labelSelector=f"{REVISION_LABEL}={revision}",
            )
        except NotFoundError:
            return []  # This cluster does not serve the API.
        owned = (owned_objects.read_owned_object(kind, obj) for obj in objects)
        return [obj for obj in owned if obj and not (keep_shared and obj.shared)]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        owned = [obj for group in pool.map(read_kind, kinds) for obj in group]
    return owned_objects.split_by_mesh(owned, mesh.namespace, mesh.other_mesh_namespaces)


def remove_revision(task: TaskContext, options: RemovalOptions) -> TaskResult:
    """Remove the revision with its tags and webhooks, or refuse with every blocker; then forget its journal entries."""
    deadline = time.monotonic() + options.timeout
    while True:
        snapshot = with_owner_chains(task.client, task.snapshot(pods=True), has_proxy)
        owned, foreign = read_owned_objects(task, options, snapshot.mesh)
        owned = owned_objects.without_planned_moves(owned, task.planned)
        if not owned:
            values: RemovalValues = {"revision": options.revision, "overridden": []}
            result = TaskResult(values={**values})
            break
        patience = max(0, deadline - time.monotonic())
        blockers, awaited = _find_blockers(task, options, snapshot, owned, patience)
        _refuse(task, options, [blocker for blocker in blockers if blocker.code not in options.allow_blockers])
        if task.check_mode or not awaited or "terminating_proxy" in options.allow_blockers:
            result = _remove(task, options, snapshot, owned, blockers, shares_name=bool(foreign))
            break
        _await(task, awaited, deadline)
    if not task.check_mode:
        result.warnings += forget_unreachable_states(task, snapshot, options.revision)
    return result


def _find_blockers(
    task: TaskContext, options: RemovalOptions, snapshot: Snapshot, owned: list[OwnedObject], patience: float
) -> tuple[list[Blocker], list[Pod]]:
    """Return the blockers, and the pods that are gone soon: terminating ones, and those that istiod replaces.

    In check mode both are as the steps in ``planned`` would leave them.
    """
    revision, steps = options.revision, task.planned
    view = apply_planned_steps(snapshot, steps)
    inputs = fetch_removal_inputs(task.client, view, revision, owned, patience)
    blockers = find_blockers(view, revision, inputs)
    awaited = [*pods_to_await(view, revision, inputs), *gateways_to_await(view, revision, inputs)]
    return blockers_after_plan(snapshot, blockers, steps) if steps else blockers, awaited


def _remove(
    task: TaskContext,
    options: RemovalOptions,
    snapshot: Snapshot,
    owned: list[OwnedObject],
    blockers: list[Blocker],
    *,
    shares_name: bool,
) -> TaskResult:
    """Remove a revision without blockers, or with blockers that are allowed."""
    revision, mesh = options.revision, snapshot.mesh
    if options.installer.name == external.EXTERNAL:
        return external.report_removable(task, snapshot, revision)
    for obj in owned:
        external.require_not_operator_managed(task, obj.manager, str(obj))
    require_removable(task, options.installer, mesh, revision)
    if not task.check_mode:
        _delete_revision(task, options, mesh, owned, shares_name=shares_name)
    planes = {name: plane.version for name, plane in mesh.revisions.items() if plane.deployment}
    action = f"remove revision {revision} ({planes[revision]})" if revision in planes else ""
    values: RemovalValues = {"revision": revision, "overridden": [blocker.as_row() for blocker in blockers]}
    return TaskResult(
        actions=[
            action or f"remove what is left of revision {revision}",
            *(f"remove {obj} of tag {obj.tag}" for obj in owned if obj.tag),
        ],
        before={"control_planes": planes, "objects": {str(obj): "present" for obj in owned}},
        after={
            "control_planes": {name: version for name, version in planes.items() if name != revision},
            "objects": {},
        },
        values={**values},
        warnings=override_warnings(blockers, revision),
    )


def _refuse(task: TaskContext, options: RemovalOptions, blockers: list[Blocker]) -> None:
    if blockers:
        listed = join_limited([f"{b.message} ({b.remedy})" for b in blockers], between="; ")
        raise SafetyError(
            f"Revision {options.revision} on cluster {task.client.connection.label} is still needed and was not "
            f"removed: {listed}. To remove it anyway, name the codes in allow_blockers (variable "
            f"istio_allow_blockers): {', '.join(dict.fromkeys(b.code for b in blockers))}.",
            {"blockers": [blocker.as_row() for blocker in blockers]},
        )


def _await(task: TaskContext, pods: list[Pod], deadline: float) -> None:
    """Wait until pods are gone, or terminating ones are overdue: then they are blockers."""
    names, latest = join_limited([f"{pod.namespace}/{pod.name}" for pod in pods]), max(pod.gone_at for pod in pods)
    if latest:
        task.progress(f"waiting until terminating pods are gone, at the latest at {latest}: {names}")
    else:
        task.progress(f"waiting until istiod has replaced pods of managed gateways: {names}")
    left = pods
    while left and time.monotonic() < deadline:
        time.sleep(FIRST_PAUSE if left is pods else LONGEST_PAUSE)
        left = [
            pod
            for pod in left
            if (seconds_left(pod, server_now(task.client)) or 0) >= -OVERDUE and _pod_exists(task, pod)
        ]


def _pod_exists(task: TaskContext, pod: Pod) -> bool:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    try:
        live = task.client.get(path, doing=f"Checking whether pod {pod.namespace}/{pod.name} is gone")
    except NotFoundError:
        return False
    return bool(live["metadata"].get("uid") == pod.uid)


def _delete_revision(
    task: TaskContext, options: RemovalOptions, mesh: Mesh, owned: list[OwnedObject], *, shares_name: bool
) -> None:
    """Delete tags first, then run the uninstall of the installer, then delete the objects that it leaves.

    istioctl identifies a revision by its name alone (operator/pkg/uninstall/prune.go): if another mesh has the same
    one, only the objects that belong to this mesh are deleted.
    """
    revision, timeout = options.revision, options.timeout
    task.progress(f"removing revision {revision}: {len(owned)} objects")
    _delete_objects(task.client, [obj for obj in owned if obj.tag and obj.kind in WEBHOOKS])
    if revision in mesh.revisions and not (shares_name and options.installer.name == ISTIOCTL):
        with open_installer(task, options.installer, revision, mesh) as installer:
            task.about_to_write()
            installer.uninstall(mesh, revision, timeout)
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    left = read_owned_objects(task, options, mesh)[0]
    while left:
        if time.monotonic() > deadline:
            names = join_limited(left, between="; ")
            raise InstallerError(f"Revision {revision} is not gone after {timeout} s; still there: {names}. Run again.")
        _delete_objects(task.client, [obj for obj in left if not obj.deleting])
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        left = read_owned_objects(task, options, mesh, dict.fromkeys(obj.kind for obj in left))[0]


def _delete_objects(client: Client, objects: list[OwnedObject]) -> None:
    """Delete objects as they were read; an object that another client has just changed is read again first."""
    for obj in objects:
        body: dict[str, t.Any] = {"preconditions": {"resourceVersion": obj.resource_version}}
        try:
            client.request("DELETE", object_path(obj.kind, obj.namespace, obj.name), doing=f"Deleting {obj}", body=body)
        except (NotFoundError, ConflictError):
            continue
