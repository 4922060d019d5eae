# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads: what owns pods, and whether a rollout can replace them.

Source of the restart rules: Kubernetes documentation of Deployment, StatefulSet (partition, OnDelete), DaemonSet.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import Reader, Unreadable, shown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    PLACEHOLDER,
    RESTARTED_AT,
    Owner,
    Pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Journal, read_label_journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.argo_rollout import (
    checked_rollout,
    restarted,
)

#: Annotation on a workload: its place in a restart that is ordered by hand.
RESTART_ORDER = "meshops.istio/restart-order"
#: Kinds whose template change replaces pods, and their API collection.
ROLLED = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
#: Reason of a condition: a rollout that did not get on in its time.
DEADLINE = "ProgressDeadlineExceeded"
#: The workload of Argo Rollouts, which restarts its pods at a time that is written into its spec.
ROLLOUT, HEALTHY, RESTARTING = "Rollout", "Healthy", "Restarting"
#: Kinds that are restarted, and their API collections.
COLLECTIONS = {
    **{kind: f"/apis/apps/v1/{resource}" for kind, resource in ROLLED.items()},
    ROLLOUT: "/apis/argoproj.io/v1alpha1/rollouts",
}
#: Codes of what a snapshot knows to be unrestartable.
PINNED_IMAGE, NO_ROOM = "pinned_image", "no_room"
#: DaemonSets of the CNI plugin and of ambient mode, by the label of their pods.
NODE_PARTS = {"istio-cni-node": "the CNI plugin", "ztunnel": "ztunnel"}


@dataclasses.dataclass(frozen=True)
class Unrestartable:
    """Why a rollout cannot replace the pods of something, and what a person can do."""

    code: str
    reason: str
    remedy: str


#: A workload without pods is not stale, but a restart does not move it either.
SCALED_TO_ZERO = Unrestartable(
    "scaled_to_zero", "it has no pods to restart", "nothing: its pods get the new proxy when it is scaled up"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """A workload of one of COLLECTIONS as an upgrade sees it; one object per workload and snapshot."""

    kind: str
    namespace: str
    name: str
    uid: str
    replicas: int
    template_labels: Mapping[str, str]
    template_annotations: Mapping[str, str]
    gateway: bool
    pinned_image: str
    paused: bool
    strategy: str
    partition: int
    takes_down: int
    #: How many pods a rollout replaces at a time, and how long each must be ready to count.
    at_once: int
    min_ready: int
    selector: Mapping[str, t.Any]
    #: What of an install it is, and the revision that owns it; both empty for workloads of users.
    component: str
    revision: str
    image: str
    host_network: bool
    placeholder: bool
    labels: Mapping[str, str]
    restart_order: str
    #: How runs changed what its pods ask for.
    journal: Journal
    #: What the controller of an Argo Rollout says of it, or RESTARTING; empty where nobody looks after it.
    phase: str
    #: Whether its last rollout did not get on in its time.
    stalled: bool
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def ref(self) -> ObjectRef:
        """What a pod's owner is looked up by."""
        return ObjectRef(self.namespace, self.kind, self.name)

    @property
    def path(self) -> str:
        """Path of the object at the API server."""
        group, dummy, resource = COLLECTIONS[self.kind].rpartition("/")
        return f"{group}/namespaces/{self.namespace}/{resource}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def node_part(workload: Workload) -> str | None:
    """Return which of NODE_PARTS a workload is, or None."""
    label = workload.template_labels.get("k8s-app") or workload.template_labels.get("app") or ""
    return label if workload.kind == "DaemonSet" and label in NODE_PARTS else None


def read_workload(kind: str, obj: Mapping[str, t.Any]) -> Workload:
    """Return the facts of a raw workload; an Argo Rollout may have its template in a Deployment instead."""
    read = Reader(f"{kind} {obj['metadata']['namespace']}/{name_of(obj)}")
    obj = checked_rollout(obj, read) if kind == ROLLOUT else obj
    journal = read_label_journal(annotations_of(obj), (REVISION_LABEL,))
    journal.report(read)
    order = annotations_of(obj).get(RESTART_ORDER, "").strip()
    if order and not re.fullmatch("-?[0-9]{1,9}", order):
        read.refuse(f"annotation {RESTART_ORDER}", f"{shown(order)!r} is not a whole number")
    spec = obj.get("spec") or {}
    template = spec.get("template") or {}
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    pod_spec = template.get("spec") or {}
    containers = [*(pod_spec.get("containers") or ()), *(pod_spec.get("initContainers") or ())]
    own_proxy = next((str(c.get("image") or "") for c in containers if c.get("name") == "istio-proxy"), None)
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or strategy.get("blueGreen") or {}
    wanted = (obj.get("status") or {}).get("desiredNumberScheduled") if kind == "DaemonSet" else spec.get("replicas")
    desired = int(kind != "DaemonSet" if wanted is None else wanted)
    return Workload(
        kind=kind,
        namespace=obj["metadata"]["namespace"],
        name=name_of(obj),
        uid=obj["metadata"].get("uid", ""),
        replicas=desired,
        takes_down=(down := takes_down(kind, str(strategy.get("type") or ""), rolling, desired)),
        at_once=down + surge(kind, rolling, desired),
        min_ready=int(spec.get("minReadySeconds") or 0),
        template_labels=labels_of(template),
        template_annotations=annotations_of(template),
        gateway=_is_gateway(template, own_proxy),
        pinned_image="" if own_proxy in (None, "", PLACEHOLDER) else str(own_proxy),
        paused=kind != ROLLOUT and bool(spec.get("paused")),
        strategy=str(strategy.get("type") or "RollingUpdate"),
        partition=int(rolling.get("partition") or 0),
        selector=spec.get("selector") or {},
        component=labels_of(obj).get(COMPONENT_LABEL, ""),
        revision=labels_of(obj).get(REVISION_LABEL, ""),
        image=next((str(c.get("image") or "") for c in containers), ""),
        host_network=bool(pod_spec.get("hostNetwork")),
        placeholder=own_proxy == PLACEHOLDER,
        labels=labels_of(obj),
        restart_order=order,
        journal=journal,
        phase=_phase(obj),
        stalled=any(one.get("reason") == DEADLINE for one in (obj.get("status") or {}).get("conditions") or ()),
        unreadable=read.unreadable,
    )


def _phase(obj: Mapping[str, t.Any]) -> str:
    phase = str((obj.get("status") or {}).get("phase") or "")
    return RESTARTING if phase == "Progressing" and not restarted(obj) else phase


def takes_down(kind: str, strategy: str, rolling: Mapping[str, t.Any], replicas: int) -> int:
    """Return how many pods a rollout takes down at once before their successors are ready.

    Source: Kubernetes API reference; percentages of maxUnavailable round down, but up for a DaemonSet
    (kubernetes/kubernetes pkg/controller/daemon/util, UnavailableCount). An Argo Rollout never surges for a restart:
    it evicts (Argo Rollouts documentation, "Restarting Rollout Pods").
    """
    if strategy == "Recreate":
        return replicas
    if strategy == "OnDelete" or replicas == 0:
        return 0
    more = surge(kind, rolling, replicas)
    if kind == "DaemonSet" and more:
        return 0
    limit = rolling.get("maxUnavailable", "25%" if kind in ("Deployment", ROLLOUT) else 1)
    down = _count(limit, replicas, up=kind == "DaemonSet")
    # without room to surge a rollout always takes down one
    return min(replicas, down if more else max(1, down))


def surge(kind: str, rolling: Mapping[str, t.Any], replicas: int) -> int:
    """Return how many pods more than it has a rollout may start; percentages round up."""
    if kind not in ("Deployment", "DaemonSet"):
        return 0
    given = rolling.get("maxSurge")
    usual = "25%" if kind == "Deployment" else 0
    return _count(usual if given is None else given, replicas, up=True)


def _count(limit: t.Any, replicas: int, *, up: bool) -> int:
    if isinstance(limit, str) and limit.endswith("%"):
        share = replicas * int(limit.rstrip("%"))
        return -(-share // 100) if up else share // 100
    return int(limit)


def _is_gateway(template: Mapping[str, t.Any], own_proxy: str | None) -> bool:
    """An injected gateway brings its own istio-proxy container, or asks for the gateway template."""
    templates = annotations_of(template).get("inject.istio.io/templates", "")
    return own_proxy is not None or "gateway" in map(str.strip, templates.split(","))


def unrestartable(workload: Workload) -> Unrestartable | None:
    """Return why a template change would not replace the pods of a workload, or None (safety rule S6)."""
    if workload.kind == ROLLOUT:
        return _unrestartable_rollout(workload)
    if workload.paused:
        return Unrestartable("paused", "the Deployment is paused", "resume it: kubectl rollout resume")
    if workload.strategy == "OnDelete":
        return Unrestartable(
            "on_delete", "its update strategy is OnDelete", "restart it, then delete its pods one by one when it suits"
        )
    if workload.partition > 0:
        return Unrestartable(
            "partition",
            f"its rolling update stops at partition {workload.partition}",
            "lower the partition, or delete the pods below it one by one",
        )
    return None


def _unrestartable_rollout(workload: Workload) -> Unrestartable | None:
    """A restart waits until all pods are available, and Healthy until an update is over (argo-rollouts restart.go)."""
    if workload.phase in (HEALTHY, RESTARTING):
        return None
    if not workload.phase:
        return _argo_rollout(workload.name)
    return Unrestartable(
        "argo_rollout",
        f"the Argo Rollout is {workload.phase}: an update of it is not over",
        "promote, abort or mend the update, then run again",
    )


def _argo_rollout(name: str) -> Unrestartable:
    return Unrestartable(
        "argo_rollout",
        "an Argo Rollout replaces its pods itself",
        f"set its spec.restartAt: kubectl argo rollouts restart {name}",
    )


def restart_patch(workload: Workload, stamp: str | None) -> dict[str, t.Any]:
    """Return the merge patch that restarts a workload, or with None takes a restart of its template back.

    The uid guards against a namesake. Sources: kubectl rollout restart, kubectl argo rollouts restart.
    """
    if workload.kind == ROLLOUT:
        return {"metadata": {"uid": workload.uid}, "spec": {"restartAt": stamp}}
    template = {"metadata": {"annotations": {RESTARTED_AT: stamp}}}
    return {"metadata": {"uid": workload.uid}, "spec": {"template": template}}


def under_way(workload: Workload, stale: Iterable[Pod]) -> bool:
    """Return whether a restart that was begun before replaces these pods, so that another one would replace more.

    Pods carry the annotations of the template they were made from: stale ones of an older template are on their way
    out already, unless that came to a stop. Those of an Argo Rollout carry nothing of its restart, but its controller
    says that it is at work.
    """
    if workload.kind == ROLLOUT:
        return workload.phase == RESTARTING
    stamp = workload.template_annotations.get(RESTARTED_AT)
    return bool(stamp and not workload.stalled) and all(pod.annotations.get(RESTARTED_AT) != stamp for pod in stale)


def unrestartable_owner(owner: Owner | None) -> Unrestartable:
    """Return why pods that no Deployment, StatefulSet or DaemonSet owns cannot be restarted (safety rule S6)."""
    if owner is None:
        return Unrestartable("bare_pod", "no controller owns the pod", "create it again by hand")
    if owner.kind == "CronJob":
        return Unrestartable(
            "cron_job", "a run of a CronJob is in progress", "nothing: its next run gets the new proxy"
        )
    if owner.kind == "Job":
        return Unrestartable(
            "job", "a Job never replaces a running pod", "wait until it ends, or delete and create the Job"
        )
    if owner.kind == "ReplicaSet":
        return Unrestartable(
            "replica_set",
            "a ReplicaSet without a Deployment has no rollout",
            "delete its pods one by one when it suits",
        )
    if owner.kind == ROLLOUT:
        return _argo_rollout(owner.name)
    return Unrestartable(
        "custom_owner", f"its owner is a {owner.kind}", f"restart it through the controller of {owner.kind}"
    )


def top_owner(pod: Pod, parents: Mapping[ObjectRef, Owner]) -> Owner | None:
    """Return the workload above a pod; ``parents`` maps ReplicaSets and Jobs to their owners."""
    if pod.owner is None:
        return None
    return parents.get(ObjectRef(pod.namespace, pod.owner.kind, pod.owner.name), pod.owner)
