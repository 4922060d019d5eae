# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the gateways and waypoints of the Gateway API that istiod replaces itself, and the revision that does so."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Container, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Label of the pods: the name of their Gateway.
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


class GatewayRow(t.TypedDict):
    """A managed gateway that changes its revision, as results carry it."""

    gateway: str
    before: str
    revision: str
    pods: int


@dataclasses.dataclass(frozen=True)
class ReplacedGateway:
    """A managed gateway whose pods istiod of another revision replaces, because it owns the Gateway now."""

    #: The Deployment that istiod made for the Gateway.
    ref: ObjectRef
    name: str
    before: str
    revision: str
    pods: int
    #: Whether all of its pods were ready before.
    ready: bool

    def __str__(self) -> str:
        pods = "1 pod" if self.pods == 1 else f"{self.pods} pods"
        return f"istiod of revision {self.revision} replaces {self.ref} ({pods} of revision {self.before})"

    def as_row(self) -> GatewayRow:
        """Return the JSON-ready form that results carry."""
        return {"gateway": str(self.ref), "before": self.before, "revision": self.revision, "pods": self.pods}

    def is_complete(self, pods: Iterable[Pod]) -> bool:
        """Return whether the pods of its namespace show that it is replaced; it must be ready if it was before."""
        own = [pod for pod in pods if pod.labels.get(GATEWAY_NAME) == self.name and pod.live and not pod.deleting]
        return bool(own) and all(pod.revision == self.revision and (pod.ready or not self.ready) for pod in own)


def managing_revision(mesh: Mesh, own_label: str | None, namespace_labels: Mapping[str, str]) -> str | None:
    """Return the revision whose istiod owns a Gateway, or None if no revision of the mesh does.

    The label ``istio.io/rev`` of the Gateway decides, else that of its namespace, else the default;
    ``istio-injection`` has no effect (istio/istio pkg/revisions/tag_watcher.go, IsMine).
    """
    selected = namespace_labels.get(REVISION_LABEL, "") if own_label is None else own_label
    if not selected:
        return mesh.tags.get(DEFAULT) or mesh.default_validator
    return selected if selected in mesh.revisions else mesh.tags.get(selected)


def managing_revision_of(snapshot: Snapshot, pod: Pod) -> str | None:
    """Return the revision whose istiod owns the Gateway of a pod.

    istiod copies the labels of a Gateway to the template of its pods.
    """
    workload, namespace = snapshot.workload_of(pod), snapshot.namespaces.get(pod.namespace)
    labels = workload.template_labels if workload else pod.labels
    return managing_revision(snapshot.mesh, labels.get(REVISION_LABEL), namespace.labels if namespace else {})


def is_replaced(snapshot: Snapshot, pod: Pod) -> bool:
    """Return whether a pod belongs to a managed gateway that istiod of another revision replaces by itself."""
    if MANAGED_GATEWAY not in pod.labels or not snapshot.in_this_mesh(pod):
        return False
    revision = managing_revision_of(snapshot, pod)
    return revision not in (None, pod.revision) and snapshot.mesh.runs(str(revision))


def replaced_gateways(snapshot: Snapshot, namespaces: Container[str]) -> list[ReplacedGateway]:
    """Return the managed gateways of some namespaces that istiod of another revision replaces, sorted."""
    groups: dict[ObjectRef, list[Pod]] = {}
    for pod in snapshot.pods:
        if pod.namespace in namespaces and pod.live and not pod.deleting and is_replaced(snapshot, pod):
            groups.setdefault(snapshot.owner_ref(pod), []).append(pod)
    return [
        ReplacedGateway(
            ref=ref,
            name=pods[0].labels.get(GATEWAY_NAME, ""),
            before=str(pods[0].revision),
            revision=str(managing_revision_of(snapshot, pods[0])),
            pods=len(pods),
            ready=all(pod.ready for pod in pods),
        )
        for ref, pods in sorted(groups.items())
    ]
