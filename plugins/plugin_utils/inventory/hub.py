# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that a hub lists: Open Cluster Management and Argo CD; pure.

A hub gives names, labels and servers; the login comes from kubeconfig files of the user. Sources:
open-cluster-management.io, "ManagedCluster" (it holds no login by design); argo-cd.readthedocs.io, "Declarative Setup",
Clusters (Secrets whose key config holds the login, which is never decoded here).
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import without_secrets
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import Context
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    Source,
    filled,
    host_of,
    picked,
    safe,
    same_server,
)

MANAGED_CLUSTERS = "/apis/cluster.open-cluster-management.io/v1/managedclusters"
OF_ARGOCD = "argocd.argoproj.io/secret-type=cluster"
#: How Argo CD names the cluster that it runs in.
IN_CLUSTER = "https://kubernetes.default.svc"


@dataclasses.dataclass(frozen=True)
class Listed:
    """A cluster as its hub lists it; ``hub`` says that it is the hub itself."""

    name: str
    found: str
    server: str = ""
    hub: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


def request(source: Source) -> tuple[str, str, Json]:
    """Return what lists the clusters of a hub: path, what it is in words, and query."""
    selectors = [OF_ARGOCD] if source.type == "argocd" else []
    query: Json = {"labelSelector": ",".join(filter(None, [*selectors, source.label_selector]))}
    if source.type == "argocd":
        return f"/api/v1/namespaces/{source.namespace}/secrets", f"cluster Secrets in {source.namespace}", query
    return MANAGED_CLUSTERS, "ManagedClusters", {key: value for key, value in query.items() if value}


def read_listed(source: Source, obj: Json) -> Listed | None:
    """Return the cluster that an object of a hub describes; None where the hub has not accepted it.

    Raises:
        ParameterError: it describes none.
    """
    name, labels = name_of(obj), labels_of(obj)
    if source.type == "argocd":
        found = f"Secret {source.namespace}/{name}"
        server = _text(obj, "server", found)
        own = server.rstrip("/") == IN_CLUSTER
        return Listed(_text(obj, "name", found) or without_secrets(server), found, server, own, labels)
    if not (obj.get("spec") or {}).get("hubAcceptsClient"):
        return None
    return Listed(name, f"ManagedCluster {name}", hub=labels.get("local-cluster") == "true", labels=labels)


def _text(obj: Json, key: str, found: str) -> str:
    try:
        return base64.b64decode((obj.get("data") or {}).get(key) or "", validate=True).decode()
    except ValueError:
        raise ParameterError(f"{found} is no cluster of Argo CD: its key {key} is no text.") from None


def from_hub(
    source: Source, listed: Iterable[Listed], logins: Callable[[str], list[Context]], hub: Context
) -> tuple[list[Cluster], list[Listed]]:
    """Return the clusters of a hub, and those that are left out because no login was found.

    Args:
        logins: returns the contexts in which the login of a cluster may be, by its name.
        hub: the login of the hub itself.

    Raises:
        ParameterError: the source picks none; or one has no login, or several, and that is not to be skipped.
    """
    named = [(filled(source.host_name, "host_name", {"name": cluster.name}), cluster) for cluster in listed]
    wanted = picked(source, [name for name, dummy in named])
    found: list[Cluster] = []
    left: list[Listed] = []
    for name, cluster in named:
        if name not in wanted:
            continue
        login = hub if cluster.hub else _login(source, cluster, logins(safe(cluster.name)))
        if login:
            found.append(_cluster(source, name, cluster, login))
        elif source.without_login == "skip":
            left.append(cluster)
        else:
            context = filled(source.login_context, "login_context", {"name": cluster.name})
            sought = context or without_secrets(cluster.server)
            raise ParameterError(
                f"{source}: no context {sought} of logins leads to {cluster.found}; add it, name it by login_context, "
                "leave the cluster out by exclude, or all like it by without_login: skip."
            )
    return found, left


def _login(source: Source, cluster: Listed, contexts: Iterable[Context]) -> Context | None:
    """Return the context by the name that ``login_context`` gives it, else by the server."""
    name = filled(source.login_context, "login_context", {"name": cluster.name})
    if name:
        fitting = [context for context in contexts if context.name == name]
    else:
        server = _same(cluster)
        fitting = [context for context in contexts if context.same and context.same[0] == server]
    if len(fitting) > 1:
        raise ParameterError(
            f"{source}: both {fitting[0]} and {fitting[1]} lead to {cluster.found}; leave one out of logins, or name "
            "one by login_context."
        )
    if fitting and fitting[0].wrong:
        raise ParameterError(f"{source}: {fitting[0]} is not usable: {fitting[0].wrong}.")
    return fitting[0] if fitting else None


def _same(cluster: Listed) -> str:
    try:
        return same_server(cluster.server)
    except ValueError:
        raise ParameterError(
            f"{cluster.found}: its server {without_secrets(cluster.server)!r} is no URL; name its context by "
            "login_context."
        ) from None


def _cluster(source: Source, name: str, cluster: Listed, login: Context) -> Cluster:
    return Cluster(
        host=host_of(source, name),
        name=cluster.name,
        found=cluster.found,
        source=source.type,
        kubeconfig=login.file,
        context=login.name,
        server=login.server,
        same=login.same,
        labels=cluster.labels,
    )


def hub_context(source: Source, contexts: Iterable[Context]) -> Context:
    """Return the login of a hub.

    Raises:
        ParameterError: its kubeconfig does not hold it.
    """
    found: t.Any = next((context for context in contexts if context.name == source.context), None)
    why = found.wrong if found else "there is none of this name"
    if why:
        raise ParameterError(f"{source}: context {source.context} of {source.kubeconfig} is not usable: {why}.")
    return t.cast("Context", found)
