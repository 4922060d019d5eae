# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retires one revision, only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ConflictError,
    InstallerError,
    NotFoundError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import planned
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import restarted
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal import blockers, owned_objects
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.dependents import (
    OVERDUE,
    awaited,
    dependents,
    seconds_left,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import WEBHOOKS, Belonging
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    unrestartable,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.forget import forget
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import external
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import (
    installer as installer_module,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.dependents import known_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    RESOURCES,
    object_path,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

KINDS = (*WEBHOOKS, *(kind for kind in RESOURCES if kind not in (*WEBHOOKS, "CustomResourceDefinition")))
#: Seconds between looks at what is on its way out.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


def belongings(task: TaskContext, mesh: Mesh, kinds: Iterable[str] = KINDS) -> tuple[list[Belonging], list[Belonging]]:
    """Return every object of the revision, webhooks first: they reject what they select once their istiod is gone.

    Second come those of another mesh that has a revision of the same name. Gateways and CNI of Helm are releases of
    their own, which stay.
    """
    client, revision = task.client, task.params["revision"]
    stays = task.params["installer"] == HELM

    def of_kind(kind: str) -> list[Belonging]:
        prefix, resource, dummy = RESOURCES[kind]
        try:
            found = client.list(
                f"{prefix}/{resource}",
                doing=f"Reading {resource} of revision {revision}",
                metadata=kind not in WEBHOOKS,
                labelSelector=f"{REVISION_LABEL}={revision}",
            )
        except NotFoundError:
            return []  # an API that this cluster does not serve
        return [one for obj in found if (one := owned_objects.read_belonging(kind, obj)) and not (stays and one.shared)]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        found = [one for group in pool.map(of_kind, kinds) for one in group]
    return owned_objects.divided(found, mesh.namespace, mesh.others)


def _as_planned(snapshot: Snapshot, found: list[Blocker], plan: Mapping[str, t.Any]) -> list[Blocker]:
    """Return the blockers that are left after the restarts and handovers of a plan, which are only planned."""
    view = planned(snapshot, plan)
    places = restarted(snapshot, plan)
    mended = {
        str(workload)
        for key in view.stale_workloads()
        if (workload := view.workloads[key]).namespace in places and unrestartable(workload) is None
    }
    left = (blocker for blocker in found if blocker.object not in plan["taken_over"])
    return [blocker for blocker in left if not (blocker.code == "live_proxy" and blocker.object in mended)]


def _found(
    task: TaskContext, snapshot: Snapshot, owned: list[Belonging], patience: float
) -> tuple[list[Blocker], list[Pod]]:
    """Return the blockers, and the pods on their way out that are gone soon.

    In check mode both are told as the steps in ``planned`` would leave them; what is not planned is as it is.
    """
    revision, plan = task.params["revision"], task.params.get("planned") if task.check_mode else None
    view = planned(snapshot, plan)
    known = known_of(task.client, view, revision, owned, patience)
    found = dependents(view, revision, known)
    return _as_planned(snapshot, found, plan) if plan else found, awaited(view, revision, known)


def retire(task: TaskContext) -> TaskResult:
    """Remove the revision and what would dangle after it, or refuse with every blocker; then its past is forgotten."""
    deadline = time.monotonic() + task.params["timeout"]
    while True:
        snapshot = task.snapshot(pods=True)
        owned, foreign = belongings(task, snapshot.mesh)
        if task.check_mode:
            owned = owned_objects.without_moved(owned, task.params.get("planned"))
        if not owned:
            outcome = TaskResult(values={"revision": task.params["revision"], "overridden": []})
            break
        found, soon = _found(task, snapshot, owned, max(0, deadline - time.monotonic()))
        _refuse(task, [blocker for blocker in found if blocker.code not in task.params["allow_blockers"]])
        if task.check_mode or not soon or "terminating_proxy" in task.params["allow_blockers"]:
            outcome = _remove(task, snapshot, owned, found, shares_name=bool(foreign))
            break
        _await(task, soon)
    if not task.check_mode:
        outcome.warnings += forget(task, snapshot)
    return outcome


def _remove(
    task: TaskContext, snapshot: Snapshot, owned: list[Belonging], found: list[Blocker], *, shares_name: bool
) -> TaskResult:
    """Remove what nothing needs, or what may go all the same."""
    revision, mesh = task.params["revision"], snapshot.mesh
    if task.params["installer"] == external.EXTERNAL:
        return external.may_go(task, snapshot, revision)
    for one in owned:
        external.require_own(task, one.manager, str(one))
    installer_module.require_removable(task, mesh, revision)
    if not task.check_mode:
        _carry_out(task, mesh, owned, shares_name=shares_name)
    planes = {name: plane.version for name, plane in mesh.revisions.items() if plane.deployment}
    gone = f"retire revision {revision} ({planes[revision]})" if revision in planes else ""
    return TaskResult(
        actions=[
            gone or f"remove what is left of revision {revision}",
            *(f"remove {one} of tag {one.tag}" for one in owned if one.tag),
        ],
        before={"control_planes": planes, "objects": {str(one): "present" for one in owned}},
        after={
            "control_planes": {name: version for name, version in planes.items() if name != revision},
            "objects": {},
        },
        values={"revision": revision, "overridden": [blocker.as_dict() for blocker in found]},
        warnings=blockers.overridden(found, revision),
    )


def _refuse(task: TaskContext, refusing: list[Blocker]) -> None:
    if refusing:
        revision = task.params["revision"]
        listed = some([f"{b.message} ({b.remedy})" for b in refusing], between="; ")
        raise SafetyError(
            f"Revision {revision} on cluster {task.client.connection.label} is still needed and was not removed: "
            f"{listed}. If it has to go all the same, name the codes in allow_blockers (variable "
            f"istio_allow_blockers): {', '.join(dict.fromkeys(b.code for b in refusing))}.",
            {"blockers": [blocker.as_dict() for blocker in refusing]},
        )


def _await(task: TaskContext, pods: list[Pod]) -> None:
    """Wait for pods on their way out, until they are gone or overdue: then they are blockers."""
    last = max(pods, key=lambda pod: pod.gone_at)
    names = some([f"{pod.namespace}/{pod.name}" for pod in pods])
    task.progress(f"waiting until pods that end are gone, at the latest at {last.gone_at}: {names}")
    left = pods
    while left:
        time.sleep(FIRST_PAUSE if left is pods else LONGEST_PAUSE)
        left = [
            pod
            for pod in left
            if (seconds_left(pod, server_now(task.client)) or 0) >= -OVERDUE and _is_there(task, pod)
        ]


def _is_there(task: TaskContext, pod: Pod) -> bool:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    try:
        found = task.client.get(path, doing=f"Looking whether pod {pod.namespace}/{pod.name} is gone")
    except NotFoundError:
        return False
    return bool(found["metadata"].get("uid") == pod.uid)


def _carry_out(task: TaskContext, mesh: Mesh, owned: list[Belonging], *, shares_name: bool) -> None:
    """Remove tags first, then what the installer takes, then what it leaves.

    istioctl knows a revision by its name alone (operator/pkg/uninstall/prune.go): where another mesh has the same one,
    only what was found to be ours is deleted.
    """
    revision, timeout = task.params["revision"], task.params["timeout"]
    task.progress(f"retiring revision {revision}: {len(owned)} objects")
    _delete(task.client, [one for one in owned if one.tag and one.kind in WEBHOOKS])
    if revision in mesh.revisions and not (shares_name and task.params["installer"] == ISTIOCTL):
        with installer_module.opened(task, mesh) as installer:
            task.about_to_write()
            installer.uninstall(mesh, revision, timeout)
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    left = belongings(task, mesh)[0]
    while left:
        if time.monotonic() > deadline:
            names = some(left, between="; ")
            raise InstallerError(f"Revision {revision} is not gone after {timeout} s; still there: {names}. Run again.")
        _delete(task.client, [one for one in left if not one.deleting])
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        left = belongings(task, mesh, dict.fromkeys(one.kind for one in left))[0]


def _delete(client: Client, doomed: list[Belonging]) -> None:
    """Delete objects as they were read; one that somebody has just changed is looked at again."""
    for one in doomed:
        body: dict[str, t.Any] = {"preconditions": {"resourceVersion": one.resource_version}}
        try:
            client.request("DELETE", object_path(one.kind, one.namespace, one.name), doing=f"Deleting {one}", body=body)
        except (NotFoundError, ConflictError):
            continue
