# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters from a hub, Open Cluster Management or Argo CD; pure.

A hub provides names, labels and servers; the logins come from kubeconfig files of the user. Sources:
open-cluster-management.io, "ManagedCluster" (it has no login by design); argo-cd.readthedocs.io, "Declarative Setup",
Clusters (Secrets whose key config has the login, which is never decoded here).
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import without_secrets
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import Context
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    fill_template,
    host_name_of,
    normalize_server,
    safe_name,
    select_names,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import Source

MANAGED_CLUSTERS = "/apis/cluster.open-cluster-management.io/v1/managedclusters"
ARGOCD_SELECTOR = "argocd.argoproj.io/secret-type=cluster"
#: Server of the cluster that Argo CD runs in.
IN_CLUSTER = "https://kubernetes.default.svc"


@dataclasses.dataclass(frozen=True)
class HubCluster:
    """A cluster as its hub lists it."""

    name: str
    #: The object that lists the cluster, for messages.
    origin: str
    server: str = ""
    #: Whether the cluster is the hub itself.
    is_hub: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


def list_request(source: Source) -> tuple[str, str, Json]:
    """Return the request that lists the clusters of a hub: path, description and query."""
    selectors = [ARGOCD_SELECTOR] if source.type == "argocd" else []
    query: Json = {"labelSelector": ",".join(filter(None, [*selectors, source.label_selector]))}
    if source.type == "argocd":
        return f"/api/v1/namespaces/{source.namespace}/secrets", f"cluster Secrets in {source.namespace}", query
    return MANAGED_CLUSTERS, "ManagedClusters", {key: value for key, value in query.items() if value}


def parse_hub_cluster(source: Source, obj: Json) -> HubCluster | None:
    """Return the cluster that an object of a hub describes, or None if the hub has not accepted it.

    Raises:
        ParameterError: the object does not describe a cluster.
    """
    name, labels = name_of(obj), labels_of(obj)
    if source.type == "argocd":
        origin = f"Secret {source.namespace}/{name}"
        server = _decode_text(obj, "server", origin)
        cluster_name = _decode_text(obj, "name", origin) or without_secrets(server)
        return HubCluster(cluster_name, origin, server, server.rstrip("/") == IN_CLUSTER, labels)
    if not (obj.get("spec") or {}).get("hubAcceptsClient"):
        return None
    is_hub = labels.get("local-cluster") == "true"
    return HubCluster(name, f"ManagedCluster {name}", is_hub=is_hub, labels=labels)


def _decode_text(obj: Json, key: str, origin: str) -> str:
    try:
        return base64.b64decode((obj.get("data") or {}).get(key) or "", validate=True).decode()
    except ValueError:
        raise ParameterError(f"{origin} is not a cluster of Argo CD: its key {key} is not text.") from None


def clusters_from_hub(
    source: Source, listed: Iterable[HubCluster], logins: Callable[[str], list[Context]], hub: Context
) -> tuple[list[Cluster], list[HubCluster]]:
    """Return the clusters of a hub, and those that are skipped because they have no login.

    Args:
        source: the source of type ocm or argocd.
        listed: the clusters that the hub lists.
        logins: returns the contexts that may have the login of a cluster, by its name.
        hub: the login of the hub itself.

    Raises:
        ParameterError: the source selects no cluster; or a cluster has several logins, or none and ``without_login``
            is fail.
    """
    named = [(fill_template(source.host_name, "host_name", {"name": cluster.name}), cluster) for cluster in listed]
    selected = select_names(source, [name for name, dummy in named])
    clusters: list[Cluster] = []
    skipped: list[HubCluster] = []
    for name, cluster in named:
        if name not in selected:
            continue
        login = hub if cluster.is_hub else _login(source, cluster, logins(safe_name(cluster.name)))
        if login:
            clusters.append(_cluster(source, name, cluster, login))
        elif source.without_login == "skip":
            skipped.append(cluster)
        else:
            context = fill_template(source.login_context, "login_context", {"name": cluster.name})
            expected = context or without_secrets(cluster.server)
            raise ParameterError(
                f"{source}: no context {expected} of logins leads to {cluster.origin}; add it, set login_context, "
                "leave the cluster out by exclude, or skip all clusters without a login by without_login: skip."
            )
    return clusters, skipped


def _login(source: Source, cluster: HubCluster, contexts: Iterable[Context]) -> Context | None:
    """Return the context of a cluster: the one named by ``login_context``, else the one with the same server."""
    name = fill_template(source.login_context, "login_context", {"name": cluster.name})
    if name:
        matches = [context for context in contexts if context.name == name]
    else:
        server = _normalized_server(cluster)
        matches = [context for context in contexts if context.server_key and context.server_key[0] == server]
    if len(matches) > 1:
        raise ParameterError(
            f"{source}: both {matches[0]} and {matches[1]} lead to {cluster.origin}; remove one from logins, or select "
            "one by login_context."
        )
    if matches and matches[0].problem:
        raise ParameterError(f"{source}: {matches[0]} is not usable: {matches[0].problem}.")
    return matches[0] if matches else None


def _normalized_server(cluster: HubCluster) -> str:
    try:
        return normalize_server(cluster.server)
    except ValueError:
        raise ParameterError(
            f"{cluster.origin}: its server {without_secrets(cluster.server)!r} is not a valid URL; select its context "
            "by login_context."
        ) from None


def _cluster(source: Source, name: str, cluster: HubCluster, login: Context) -> Cluster:
    return Cluster(
        host=host_name_of(source, name),
        name=cluster.name,
        origin=cluster.origin,
        source=source.type,
        kubeconfig=login.file,
        context=login.name,
        server=login.server,
        server_key=login.server_key,
        labels=cluster.labels,
    )


def hub_context(source: Source, contexts: Iterable[Context]) -> Context:
    """Return the login of a hub.

    Raises:
        ParameterError: its kubeconfig has no such context, or the context is not usable.
    """
    context = next((context for context in contexts if context.name == source.context), None)
    if context and not context.problem:
        return context
    reason = context.problem if context else "the file has no context with this name"
    raise ParameterError(f"{source}: context {source.context} of {source.kubeconfig} is not usable: {reason}.")
