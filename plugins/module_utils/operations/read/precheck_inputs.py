# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the inputs of the precheck beside the mesh: one list per kind; kinds that must not be read are named."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Node, read_node
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import (
    ISTIO_OPERATORS,
    IstioOperator,
    read_istio_operator,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.istiod_capacity import (
    read_autoscaler,
    read_endpoints,
    read_quota,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import (
    Extension,
    PendingRelease,
    PrecheckInputs,
    read_extension,
    read_pending_release,
    read_remote_cluster,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.vertical_autoscalers import (
    VerticalAutoscaler,
    read_vertical_autoscaler,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    Configuration,
    fetch_configuration,
)

PENDING_RELEASES = "owner=helm,status in (pending-install,pending-upgrade,pending-rollback,uninstalling)"
VERTICAL_API = "/apis/autoscaling.k8s.io/v1"
REMOTE_SECRETS = "istio/multiCluster=true"
EXTENSIONS = {
    "EnvoyFilter": "/apis/networking.istio.io/v1alpha3/envoyfilters",
    "WasmPlugin": "/apis/extensions.istio.io/v1alpha1/wasmplugins",
}


def _nodes(client: Client, dummy: str) -> list[Node]:
    return client.collect("/api/v1/nodes", read_node, doing="Reading nodes")[0]


def _extensions(client: Client, dummy: str) -> list[Extension]:
    """Return all EnvoyFilters and WasmPlugins; clusters without these kinds have none."""
    extensions: list[Extension] = []
    for kind, path in EXTENSIONS.items():
        with contextlib.suppress(NotFoundError):
            extensions += client.collect(path, functools.partial(read_extension, kind), doing=f"Reading {kind}s")[0]
    return extensions


def _istio_operators(client: Client, dummy: str) -> list[IstioOperator]:
    """Return all IstioOperators; most clusters have no such kind."""
    try:
        return client.collect(ISTIO_OPERATORS, read_istio_operator, doing="Reading IstioOperators")[0]
    except NotFoundError:
        return []


def _vertical_autoscalers(client: Client, dummy: str) -> list[VerticalAutoscaler]:
    """Return all VerticalPodAutoscalers; most clusters have no such kind.

    Every user may ask for the API. A list of what is not served would be forbidden to most users.
    """
    try:
        client.get(VERTICAL_API, doing="Reading whether VerticalPodAutoscalers are served")
    except NotFoundError:
        return []
    path, doing = f"{VERTICAL_API}/verticalpodautoscalers", "Reading VerticalPodAutoscalers"
    try:
        return client.collect(path, read_vertical_autoscaler, doing=doing)[0]
    except NotFoundError:
        return []


def _local(api: str, resource: str, each: Callable[[t.Any], t.Any]) -> Callable[[Client, str], list[t.Any]]:
    """Return a reader of the objects of one kind in Istio's namespace."""

    def read(client: Client, namespace: str) -> list[t.Any]:
        path = f"{api}/namespaces/{namespace}/{resource}"
        return client.collect(path, each, doing=f"Reading {resource} in {namespace}")[0]

    return read


def remote_clusters(client: Client, istio_namespace: str) -> list[str]:
    """Return the names of clusters with a remote Secret; only metadata is requested, so no credential is read."""
    path = f"/api/v1/namespaces/{istio_namespace}/secrets"
    doing = "Reading the metadata of remote Secrets"
    return client.collect(path, read_remote_cluster, doing=doing, metadata=True, labelSelector=REMOTE_SECRETS)[0]


def _pending_releases(client: Client, istio_namespace: str) -> list[PendingRelease]:
    """Return the releases that are not at rest; only metadata is requested, so no values are read."""
    path, doing = f"/api/v1/namespaces/{istio_namespace}/secrets", "Reading the metadata of Helm releases"
    return client.collect(path, read_pending_release, doing=doing, metadata=True, labelSelector=PENDING_RELEASES)[0]


#: Field of Around -> its reader, which is given Istio's namespace. A check that looks at a field names it in ``needs``.
READERS: Mapping[str, Callable[[Client, str], list[t.Any] | Configuration]] = {
    "nodes": _nodes,
    "extensions": _extensions,
    "endpoints": _local("/apis/discovery.k8s.io/v1", "endpointslices", read_endpoints),
    "autoscalers": _local("/apis/autoscaling/v2", "horizontalpodautoscalers", read_autoscaler),
    "quotas": _local("/api/v1", "resourcequotas", read_quota),
    "remote_clusters": remote_clusters,
    "operators": _istio_operators,
    "pending_releases": _pending_releases,
    "vertical_autoscalers": _vertical_autoscalers,
    "configuration": lambda client, dummy: fetch_configuration(client),
}
InputLists = Mapping[str, concurrent.futures.Future[list[t.Any] | Configuration]]


def submit_precheck_inputs(pool: concurrent.futures.Executor, client: Client, istio_namespace: str) -> InputLists:
    """Start all readings side by side."""
    return {field: pool.submit(reader, client, istio_namespace) for field, reader in READERS.items()}


def precheck_inputs_from(jobs: InputLists) -> PrecheckInputs:
    """Return the inputs once all lists are read; kinds that this user may not read are left out and named."""
    inputs: dict[str, t.Any] = {}
    unread: dict[str, str] = {}
    for field, job in jobs.items():
        try:
            read = job.result()
        except ForbiddenError as exc:
            unread[field] = exc.message
            continue
        if isinstance(read, Configuration):
            # The objects that were read count, although there may be more.
            unread.update({field: read.unread_reason} if read.unread_reason else {})
            read = read.objects
        inputs[field] = tuple(read)
    return PrecheckInputs(unread=unread, **inputs)
