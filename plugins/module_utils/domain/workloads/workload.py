# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads workloads, the owners of pods, and builds the patch that restarts one."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    FIELD_MANAGER,
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import (
    Reader,
    Unreadable,
    as_map,
    as_maps,
    shown,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import (
    PLACEHOLDER,
    RESTARTED_AT,
    Owner,
    Pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import (
    TEMPLATE_LABELS,
    LabelWriters,
    read_label_writers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Journal, read_label_journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.argo_rollout import (
    checked_rollout,
    restarted,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.istiod_addresses import istiod_services
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import (
    ROLLOUT,
    surge,
    takes_down,
)

#: Annotation on a workload: its position in a restart, set by the user.
RESTART_ORDER = "meshops.istio/restart-order"
#: Kinds whose template change replaces pods, and their API collection.
ROLLED = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
#: Reason of a condition: a rollout that made no progress within its deadline.
DEADLINE = "ProgressDeadlineExceeded"
#: Phases of an Argo Rollout; RESTARTING is not one of its own phases, but computed.
HEALTHY, RESTARTING = "Healthy", "Restarting"
#: Kinds that are restarted, and their API collections.
COLLECTIONS = {
    **{kind: f"/apis/apps/v1/{resource}" for kind, resource in ROLLED.items()},
    ROLLOUT: "/apis/argoproj.io/v1alpha1/rollouts",
}
#: Levels of owners above a pod; a longer chain is a circle.
MOST_LEVELS = 8
#: Label of the pods -> name of the DaemonSets of the CNI plugin and of ambient mode.
ZTUNNEL = "ztunnel"
NODE_PARTS = {"istio-cni-node": "the CNI plugin", ZTUNNEL: "ztunnel"}


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """The facts of a workload that an upgrade needs; one object per workload and snapshot."""

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
    #: Istio component that it is and the revision that owns it; both empty for workloads of users.
    component: str
    revision: str
    image: str
    host_network: bool
    placeholder: bool
    labels: Mapping[str, str]
    restart_order: str
    #: The changes of the revision label of its pods by runs.
    journal: Journal
    #: Phase of an Argo Rollout, or RESTARTING; empty if no controller has reported it.
    phase: str
    #: Whether its last rollout made no progress within its deadline.
    stalled: bool
    unreadable: tuple[Unreadable, ...] = ()
    #: The template of its pods as JSON, to ask the API server for such a pod; empty if it is in another object.
    template: str = dataclasses.field(default="", repr=False)
    #: The last writer and the owner of the revision label of its pods, if they have one or a run has changed it.
    writers: LabelWriters = dataclasses.field(default_factory=LabelWriters)
    #: Namespace and name of each Service of istiod that its pods name by address.
    istiod_services: tuple[tuple[str, str], ...] = ()

    @functools.cached_property
    def ref(self) -> ObjectRef:
        """Reference by which it is looked up as the owner of a pod."""
        return ObjectRef(self.namespace, self.kind, self.name)

    @functools.cached_property
    def shape(self) -> str:
        """Digest of what its new pods are made of."""
        parts = [self.template or dict(self.template_annotations), dict(self.template_labels)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def path(self) -> str:
        """Path of the object at the API server."""
        group, dummy, resource = COLLECTIONS[self.kind].rpartition("/")
        return f"{group}/namespaces/{self.namespace}/{resource}/{self.name}"

    def __str__(self) -> str:
        return str(self.ref)


def node_part(workload: Workload) -> str | None:
    """Return the key of NODE_PARTS that a workload is, or None."""
    label = workload.template_labels.get("k8s-app") or workload.template_labels.get("app") or ""
    return label if workload.kind == "DaemonSet" and label in NODE_PARTS else None


def read_workload(kind: str, obj: Mapping[str, t.Any]) -> Workload:
    """Return the facts of a raw workload; an Argo Rollout may have its template in a Deployment instead."""
    read = Reader(ObjectRef(obj["metadata"]["namespace"], kind, name_of(obj)))
    raw, obj = obj, checked_rollout(obj, read) if kind == ROLLOUT else obj
    journal = read_label_journal(annotations_of(obj), (REVISION_LABEL,))
    journal.report_unreadable(read)
    order = annotations_of(obj).get(RESTART_ORDER, "").strip()
    if order and not re.fullmatch("-?[0-9]{1,9}", order):
        read.refuse(f"annotation {RESTART_ORDER}", f"{shown(order)!r} is not a whole number")
    template = (spec := obj.get("spec") or {}).get("template") or {}
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
        stalled=_stalled(obj),
        writers=_writers(obj, journal),
        unreadable=read.unreadable,
        template=_template_text(name_of(raw), as_map(raw.get("spec"))),
        istiod_services=istiod_services(template),
    )


def _template_text(name: str, spec: Mapping[str, t.Any]) -> str:
    """Return the pod template of a workload as JSON, without the time of its last restart.

    The volumes of a StatefulSet's claims are added, as its controller does (kubernetes/kubernetes
    pkg/controller/statefulset/stateful_set_utils.go); without them its pods are not valid.
    """
    template = as_map(spec.get("template"))
    meta, pod_spec = as_map(template.get("metadata")), as_map(template.get("spec"))
    if not pod_spec:
        return ""
    annotations = {key: value for key, value in as_map(meta.get("annotations")).items() if key != RESTARTED_AT}
    claims = [as_map(claim.get("metadata")).get("name") for claim in as_maps(spec.get("volumeClaimTemplates"))]
    if claims:
        own = [{"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}-0"}} for claim in claims]
        others = [volume for volume in as_maps(pod_spec.get("volumes")) if volume.get("name") not in claims]
        pod_spec = {**pod_spec, "volumes": [*others, *own]}
    try:
        return json.dumps({"metadata": {"annotations": annotations}, "spec": pod_spec}, sort_keys=True)
    except (RecursionError, ValueError):
        # Only the open schema of a Rollout allows a template that cannot be written; it is not asked for.
        return ""


def _writers(obj: Mapping[str, t.Any], journal: Journal) -> LabelWriters:
    """Return the writers of the revision label of the pods; they matter where they have it or a run has changed it."""
    template = (obj.get("spec") or {}).get("template") or {}
    if not journal.changes and REVISION_LABEL not in labels_of(template):
        return LabelWriters()
    return read_label_writers(obj, (REVISION_LABEL,), FIELD_MANAGER, TEMPLATE_LABELS)


def _stalled(obj: Mapping[str, t.Any]) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(condition.get("reason") == DEADLINE for condition in conditions)


def _phase(obj: Mapping[str, t.Any]) -> str:
    phase = str((obj.get("status") or {}).get("phase") or "")
    return RESTARTING if phase == "Progressing" and not restarted(obj) else phase


def _is_gateway(template: Mapping[str, t.Any], own_proxy: str | None) -> bool:
    """Whether it is an injected gateway, by an istio-proxy container or the annotation with the gateway template."""
    templates = annotations_of(template).get("inject.istio.io/templates", "")
    return own_proxy is not None or "gateway" in map(str.strip, templates.split(","))


def restart_patch(workload: Workload, stamp: str | None) -> dict[str, t.Any]:
    """Return the merge patch that restarts a workload, or with None as stamp undoes a restart of its template.

    The uid protects another workload of the same name. Sources: kubectl rollout restart, kubectl argo rollouts restart.
    """
    if workload.kind == ROLLOUT:
        return {"metadata": {"uid": workload.uid}, "spec": {"restartAt": stamp}}
    template = {"metadata": {"annotations": {RESTARTED_AT: stamp}}}
    return {"metadata": {"uid": workload.uid}, "spec": {"template": template}}


def restart_in_progress(workload: Workload, stale: Iterable[Pod]) -> bool:
    """Return whether an earlier restart already replaces these pods, so that another one would replace more pods.

    Pods carry the annotations of the template that they were created from: stale pods of an older template are being
    replaced already, unless that rollout has stalled. Pods of an Argo Rollout carry no trace of its restart, but its
    phase shows that its controller is restarting it.
    """
    if workload.kind == ROLLOUT:
        return workload.phase == RESTARTING
    stamp = workload.template_annotations.get(RESTARTED_AT)
    return bool(stamp and not workload.stalled) and all(pod.annotations.get(RESTARTED_AT) != stamp for pod in stale)


def top_owner(pod: Pod, parents: Mapping[ObjectRef, Owner]) -> Owner | None:
    """Return the topmost owner of a pod; ``parents`` maps owners to their own owners, possibly in a circle."""
    owner, above = None, pod.owner
    for dummy in range(MOST_LEVELS):
        if above is None:
            break
        owner = above
        above = parents.get(ObjectRef(pod.namespace, owner.kind, owner.name))
    return owner
