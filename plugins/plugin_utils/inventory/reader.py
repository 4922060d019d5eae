# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory plugin reads: kubeconfig files, hubs, and clusters it looks at."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_revision
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.hub import (
    from_hub,
    hub_context,
    read_listed,
    request,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import (
    Context,
    files,
    from_kubeconfig,
    read_contexts,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    Look,
    Options,
    Source,
    groups,
    refuse_equal_names,
    refuse_same_cluster,
    variables,
)

HUB_SECONDS = 15.0
#: Enough for 300 clusters in some seconds; more would only wait for one another.
LOOKS_AT_ONCE = 16
#: A second try for a connection that broke; a cluster that is away shall not hold up the inventory.
TRIES = 2


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads the clusters of an inventory file; paths are relative to its folder."""

    base: str
    warn: Callable[[str], None]

    def hosts(self, options: Options) -> list[Json]:
        """Return the hosts as plain JSON, which is what the cache keeps: name, variables, groups.

        Raises:
            MeshError: a file, a hub or a source is not right, or a cluster is there twice.
        """
        read = functools.cache(read_contexts)
        clusters = [cluster for source in options.sources for cluster in self._clusters(source, read)]
        refuse_equal_names(clusters)
        looks = look_at(clusters, options, self.warn) if options.look else {}
        refuse_same_cluster(clusters, looks)
        return [
            {
                "name": cluster.host,
                "variables": variables(cluster, looks.get(cluster.host)),
                "groups": groups(looks.get(cluster.host)),
            }
            for cluster in clusters
        ]

    def _contexts(self, paths: Iterable[str], read: Callable[[str], list[Context]]) -> list[Context]:
        return [context for file in files(paths, self.base) for context in read(file)]

    def _clusters(self, source: Source, read: Callable[[str], list[Context]]) -> list[Cluster]:
        if source.type == "kubeconfig":
            return from_kubeconfig(source, self._contexts(source.path, read))
        hub = hub_context(source, self._contexts([source.kubeconfig], read))
        client = _client(hub.file, hub.name, HUB_SECONDS, self.warn)
        path, what, query = request(source)
        listed = client.list(path, doing=f"{source}: Reading {what}", **query)

        def logins(name: str) -> list[Context]:
            found: list[Context] = []
            for login in source.logins:
                path = login.replace("{name}", name)
                # a cluster may have no file of its own
                if path == login or os.path.exists(os.path.join(self.base, path)):
                    found += self._contexts([path], read)
            return found

        known = filter(None, [read_listed(source, obj) for obj in listed])
        found, left = from_hub(source, known, functools.cache(logins), hub)
        if left:
            names = ", ".join(sorted(cluster.name for cluster in left))
            self.warn(f"{source}: left out, as logins has no context for them: {names}.")
        return found


def look_at(clusters: Sequence[Cluster], options: Options, warn: Callable[[str], None]) -> dict[str, Look]:
    """Return what each cluster answers, by host."""
    ask = functools.partial(_look, options=options, warn=warn)
    with concurrent.futures.ThreadPoolExecutor(max_workers=LOOKS_AT_ONCE) as pool:
        return dict(zip((cluster.host for cluster in clusters), pool.map(ask, clusters), strict=True))


def _look(cluster: Cluster, *, options: Options, warn: Callable[[str], None]) -> Look:
    """Ask one cluster: who it is, and which istiods it has; two requests."""
    apps = f"/apis/apps/v1/namespaces/{options.istio_namespace}"
    try:
        client = _client(cluster.kubeconfig, cluster.context, options.look_timeout, warn)
        system = client.get(f"{NAMESPACES}/kube-system", doing="Reading namespace kube-system")
        istiods = client.list(f"{apps}/deployments", doing="Reading istiod Deployments", labelSelector="app=istiod")
    except MeshError as exc:
        return Look(failed=exc.message)
    found = ((labels_of(obj).get(REVISION_LABEL) or DEFAULT, obj) for obj in istiods)
    read = (read_revision(name, options.istio_namespace, obj, {}, load_yaml) for name, obj in found)
    running = sorted((revision.name, revision.version) for revision in read)
    return Look(str(system.get("metadata", {}).get("uid") or ""), tuple(running))


def _client(kubeconfig: str, context: str, seconds: float, warn: Callable[[str], None]) -> Client:
    client = Client(connection({"kubeconfig": kubeconfig, "context": context}), timeout=seconds, tries=TRIES)
    if client.tls_warning:
        warn(f"Context {context}: {client.tls_warning}")
    return client
