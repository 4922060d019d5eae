# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw API objects as a cluster would return them, and what the core reads from a list of them.

Everything takes and returns plain objects with a ``kind``, so that one list serves the pure functions and the fake API.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import labels_of
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PodShape
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import proxy_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import read_node
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    Labelled,
    read_labelled,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.budgets import read_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.istiod_capacity import (
    read_autoscaler,
    read_endpoints,
    read_quota,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import (
    PrecheckInputs,
    read_extension,
    read_remote_cluster,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS, read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import EXTENSIONS
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import read_namespace
from unit.support.capacity import autoscaler, endpoint_slice, endpoint_slices, quota
from unit.support.planes import (
    CLUSTER_ID,
    DECIDED,
    HUB,
    KUBERNETES,
    NEW,
    NEW_VERSION,
    OLD,
    OLD_VERSION,
    SYSTEM,
    Json,
    in_mesh,
    injector,
    injector_map,
    istiod,
    istiod_service,
    meta,
    namespace,
    namespaces,
    need,
    plane,
    proxy,
    revision_tag,
    two_planes,
    validator,
    values_map,
    version_of,
)
from unit.support.pods import (
    budget,
    configuration,
    deployed,
    envoy_filter,
    naming_istiod,
    node,
    owned,
    pod,
    replica_set,
    workload,
)

#: Kind -> its API group.
READ_BY_ISTIOD = {
    "EnvoyFilter": "networking.istio.io",
    "WasmPlugin": "extensions.istio.io",
    "AuthorizationPolicy": "security.istio.io",
    "VirtualService": "networking.istio.io",
    "WorkloadGroup": "networking.istio.io",
    "HTTPRoute": "gateway.networking.k8s.io",
    "Gateway": "gateway.networking.k8s.io",
}

__all__ = [
    "CLUSTER_ID",
    "DECIDED",
    "HUB",
    "KUBERNETES",
    "NEW",
    "NEW_VERSION",
    "OLD",
    "OLD_VERSION",
    "SYSTEM",
    "Json",
    "autoscaler",
    "budget",
    "configuration",
    "connected",
    "deployed",
    "endpoint_slice",
    "endpoint_slices",
    "envoy_filter",
    "in_mesh",
    "injector",
    "injector_map",
    "istiod",
    "istiod_service",
    "labelled",
    "mesh_of",
    "meta",
    "namespace",
    "namespace_of",
    "namespaces",
    "naming_istiod",
    "need",
    "node",
    "of_kind",
    "owned",
    "plane",
    "pod",
    "proxy",
    "quota",
    "replica_set",
    "revision_tag",
    "shape",
    "snapshot_of",
    "two_planes",
    "validator",
    "values_map",
    "version_of",
    "workload",
]


def of_kind(objects: Iterable[Json], *kinds: str) -> list[Json]:
    """The objects of some kinds."""
    return [obj for obj in objects if obj["kind"] in kinds]


def _here(objects: Iterable[Json], kind: str) -> list[Json]:
    """The objects of a kind in Istio's namespace."""
    return [obj for obj in of_kind(objects, kind) if obj["metadata"]["namespace"] == SYSTEM]


def mesh_of(objects: Iterable[Json]) -> Mesh:
    """The mesh that the code reads from the objects of control planes."""
    objects = list(objects)
    return read_mesh(
        SYSTEM,
        mutating=of_kind(objects, "MutatingWebhookConfiguration"),
        validating=of_kind(objects, "ValidatingWebhookConfiguration"),
        deployments=[obj for obj in _here(objects, "Deployment") if labels_of(obj).get("app") == "istiod"],
        services=of_kind(objects, "Service"),
        config_maps=_here(objects, "ConfigMap"),
        load=load_yaml,
    )


def namespace_of(obj: Json) -> Namespace:
    """A namespace as the core keeps it."""
    return read_namespace(obj)


def connected(pods: Iterable[Json]) -> tuple[Connected, ...]:
    """The proxies of all pods that have one, as their own istiods list them."""
    carriers = [pod for pod in map(read_pod, pods) if pod.proxy_image and pod.home in ("", SYSTEM)]
    return tuple(
        Connected(pod.namespace, pod.name, "sidecar", proxy_version(pod.proxy_image), "istiod-0", pod.revision or "")
        for pod in carriers
    )


def snapshot_of(objects: Iterable[Json], **over: t.Any) -> Snapshot:
    """The snapshot that the code reads from all objects of a cluster."""
    objects = list(objects)
    rolled = [read_workload(obj["kind"], obj) for obj in of_kind(objects, *COLLECTIONS) if "selector" in obj["spec"]]
    parents = {
        (obj["metadata"]["namespace"], obj["kind"], obj["metadata"]["name"]): Owner(ref["kind"], ref["name"])
        for obj in of_kind(objects, "ReplicaSet", "Job")
        for ref in obj["metadata"]["ownerReferences"]
    }
    budgets = map(read_budget, of_kind(objects, "PodDisruptionBudget"))
    given: Json = {
        "cluster_id": CLUSTER_ID,
        "kubernetes_version": KUBERNETES,
        "mesh": mesh_of(objects),
        "namespaces": {found.name: found for found in map(namespace_of, of_kind(objects, "Namespace"))},
        "pods": tuple(map(read_pod, of_kind(objects, "Pod"))),
        "pods_version": "1",
        "workloads": {found.ref: found for found in rolled},
        "parents": parents,
        "budgets": tuple(budgets),
        "extensions": tuple(read_extension(obj["kind"], obj) for obj in of_kind(objects, *EXTENSIONS)),
        "endpoints": tuple(map(read_endpoints, of_kind([*objects, *endpoint_slices(objects)], "EndpointSlice"))),
        "autoscalers": tuple(map(read_autoscaler, of_kind(objects, "HorizontalPodAutoscaler"))),
        "quotas": tuple(map(read_quota, of_kind(objects, "ResourceQuota"))),
        "remote_clusters": tuple(map(read_remote_cluster, of_kind(objects, "Secret"))),
        "nodes": tuple(map(read_node, of_kind(objects, "Node"))),
        "configuration": labelled(objects),
        **over,
    }
    precheck_inputs = {
        field.name: given.pop(field.name) for field in dataclasses.fields(PrecheckInputs) if field.name in given
    }
    return Snapshot(precheck_inputs=PrecheckInputs(**precheck_inputs), **given)


def labelled(objects: Iterable[Json]) -> tuple[Labelled, ...]:
    """The configuration objects that name a revision."""
    found = [obj for obj in of_kind(objects, *READ_BY_ISTIOD) if "istio.io/rev" in obj["metadata"].get("labels", {})]
    return tuple(read_labelled(obj["kind"], READ_BY_ISTIOD[obj["kind"]], obj) for obj in found)


def shape(
    labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None, host_network: bool = False
) -> PodShape:
    """The parts of a pod that count for injection."""
    return PodShape(labels or {}, annotations or {}, host_network)
