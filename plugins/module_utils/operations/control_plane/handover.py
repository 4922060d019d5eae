# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways, CNI and ztunnel that a mesh shares: who owns them, and how they change hands.

Each install gives what it renders to its own revision, and an uninstall takes along what its revision owns (rule S12).
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, RolloutError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import home_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import pod_failure
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_status import complete, failure
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Change,
    Installation,
    object_path,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import is_planned
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Components of which there are several, by name, in an IstioOperator; of the others there is one.
GATEWAYS = {"IngressGateways": "ingressGateways", "EgressGateways": "egressGateways"}
SINGLE = {"Cni": "cni", "Ztunnel": "ztunnel"}
OWNER = f"metadata.labels.{REVISION_LABEL}"
#: Fields that users set, and that no change of revision or version touches by itself.
OF_SERVICES = ("spec.", "metadata.annotations.")
OF_PODS = tuple(
    f"spec.template.spec.{key}"
    for key in ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints", "priorityClassName")
)
OF_USERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"), OF_SERVICES),
    **dict.fromkeys(ROLLED, ("spec.replicas", "spec.strategy.", "spec.updateStrategy.", *OF_PODS)),
    "ServiceAccount": ("metadata.annotations.",),
}


def components(client: Client, istio_namespace: str, revisions: Iterable[str]) -> Json:
    """Return the components of an IstioOperator that keep what these revisions own of the shared workloads."""
    selector = f"{REVISION_LABEL} in ({','.join(revisions)}),{COMPONENT_LABEL} in ({','.join(SHARED_COMPONENTS)})"
    found: Json = {}
    for resource in ("deployments", "daemonsets"):
        path, doing = f"/apis/apps/v1/{resource}", f"Reading shared {resource}"
        for obj in client.list(path, doing=doing, metadata=True, labelSelector=selector):
            component, namespace = labels_of(obj)[COMPONENT_LABEL], obj["metadata"]["namespace"]
            if home_of(obj) not in ("", istio_namespace):
                continue  # of another mesh, whose revision has the same name
            one = {"enabled": True, **({"namespace": namespace} if namespace != istio_namespace else {})}
            if component in SINGLE:
                found[SINGLE[component]] = one
            else:
                found.setdefault(GATEWAYS[component], []).append({"name": name_of(obj), **one})
    return found


def laid_over(base: Mapping[str, t.Any], over: Mapping[str, t.Any]) -> Json:
    """Return components with a user's own on top; gateways are told apart by their names."""
    result = dict(base)
    for key, value in over.items():
        mine = {gateway["name"]: gateway for gateway in value} if isinstance(value, list) else {}
        if mine:
            kept = {gateway["name"]: gateway for gateway in result.get(key, [])}
            result[key] = [{**kept.get(name, {}), **mine.get(name, {})} for name in {**kept, **mine}]
        else:
            result[key] = {**result.get(key, {}), **value} if isinstance(value, Mapping) else value
    return result


def taken_over(rendered: Iterable[Json], changes: Iterable[Change]) -> list[Change]:
    """Return the objects of shared components that an install would take from another revision."""
    shared = {ref_of(obj) for obj in rendered if labels_of(obj).get(COMPONENT_LABEL) in SHARED_COMPONENTS}
    return [change for change in changes if change.ref in shared and change.fields.get(OWNER, (None, None))[0]]


def wanted(task: TaskContext, source: str | None) -> Json:
    """Return the components that a revision owns or is to take over, with the user's own on top."""
    params = task.params
    owners = [params["revision"], *([source] if source and params["adopt_shared_components"] else [])]
    return laid_over(components(task.client, task.istio_namespace, owners), params["components"])


def claim(task: TaskContext, snapshot: Snapshot, installation: Installation) -> list[Change]:
    """Return what the install takes over; the revision has to be proven first (safety rule S3).

    In check mode after a planned install only that is left of the changes: the rest is what the earlier task would do.

    Raises:
        SafetyError: it would happen by the way, or settings would be lost.
        ProofError: the revision does not take workloads.
    """
    moving = taken_over(installation.rendered, installation.changes)
    refuse_harm(moving, task.params["allow_setting_changes"], meant=task.params["adopt_shared_components"])
    if is_planned(task, task.params["revision"]):
        installation.changes[:] = moving
    elif moving:
        readiness.require(task.client, snapshot.mesh, snapshot.namespaces, task.params["revision"])
    return moving


def said(moving: Iterable[Change]) -> str:
    """Return what changes hands, for the action of a task, or an empty string."""
    return ", ".join(f"take over {one.place} from {one.fields[OWNER][0]}" for one in moving if one.kind in ROLLED)


def refuse_harm(moving: list[Change], accepted: Iterable[str], *, meant: bool) -> None:
    """Refuse to take something over by the way, or to lose settings that no Helm value holds.

    Raises:
        SafetyError: with what would change.
    """
    if moving and not meant:
        owners = ", ".join(sorted({str(change.fields[OWNER][0]) for change in moving}))
        what = ", ".join(change.place for change in moving if change.kind in ROLLED) or moving[0].place
        raise SafetyError(
            f"This install would take {what} from revision {owners} by the way. Install with a profile that leaves it "
            "alone, and hand it over when the data plane has moved: adopt_shared_components=true (variable "
            "istio_adopt_shared_components)."
        )
    lost = {change.place: unexpected(change) for change in moving if change.place not in set(accepted)}
    told = [
        f"{what} {path}: {old!r} -> {new!r}" for what, fields in lost.items() for path, (old, new) in fields.items()
    ]
    if told:
        raise SafetyError(
            f"Taking over what the mesh shares would change more than its version: {'; '.join(told[:5])}. Give the "
            "settings in values or components, or name the objects in allow_setting_changes if that is meant.",
            {"settings": {what: sorted(fields) for what, fields in lost.items() if fields}},
        )


def unexpected(change: Change) -> dict[str, tuple[t.Any, t.Any]]:
    """Return the fields that change although users set them: no Helm value of the revision holds what they were."""
    own = OF_USERS.get(change.kind, ())
    return {
        path: pair
        for path, pair in change.fields.items()
        if path.startswith(own) or (change.kind in ROLLED and ".resources." in path)
    }


def wait(task: TaskContext, moving: list[Change]) -> None:
    """Wait until everything that was taken over runs its new template (rule S5).

    Raises:
        RolloutError: it does not in time, with what its pods say.
    """
    deadline = time.monotonic() + task.params["timeout"]
    for change in moving:
        if change.kind not in ROLLED:
            continue
        path = object_path(change.kind, change.namespace, change.name)
        obj = task.client.get(path, doing=f"Reading {change.place}")
        while not complete(change.kind, obj):
            if time.monotonic() >= deadline:
                raise broken(task, moving, "it did not roll out in time")
            task.progress(f"waiting for {change.place}")
            time.sleep(0.5)
            obj = task.client.get(path, doing=f"Reading {change.place}")


def broken(task: TaskContext, moving: list[Change], why: str) -> RolloutError:
    """Return the failure of a handover: what is not rolled out, what its pods say, and the way back."""
    evidence = []
    for change in moving:
        if change.kind in ROLLED:
            obj = task.client.get(object_path(change.kind, change.namespace, change.name))
            if not complete(change.kind, obj):
                evidence += [f"{change.place}: {text}" for text in _said(task, change, obj)] or [change.place]
    owner = moving[0].fields[OWNER][0]
    return RolloutError(
        f"Revision {task.params['revision']} did not take over what the mesh shares: {'; '.join(evidence) or why}. "
        "Pods that are not replaced yet serve on. Mend the cause and run again, or give it back: "
        f"istio_revision revision={owner} adopt_shared_components=true.",
        {"evidence": evidence},
    )


def _said(task: TaskContext, change: Change, obj: Json) -> list[str]:
    own = failure(change.kind, obj)
    path = f"/api/v1/namespaces/{change.namespace}/pods"
    selector = obj["spec"]["selector"]
    try:
        pods = [pod for pod in task.client.list(path, doing="Reading pods") if matches(selector, labels_of(pod))]
    except MeshError:
        pods = []
    found = [f"pod {name_of(pod)}, {text}" for pod in pods if (text := pod_failure(pod))]
    return [*([str(own)] if own else []), *found]
