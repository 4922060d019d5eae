# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the hosts of an inventory file from kubeconfig files, hubs and clusters."""

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
    clusters_from_hub,
    hub_context,
    list_request,
    parse_hub_cluster,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import (
    Context,
    clusters_from_kubeconfig,
    find_files,
    read_contexts,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    Probe,
    host_groups,
    host_variables,
    refuse_equal_names,
    refuse_same_cluster,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import InventoryOptions, Source

HUB_SECONDS = 15.0
#: Parallel probes: enough for 300 clusters in a few seconds; more would only wait for each other.
MAX_PROBES = 16
#: One retry for a broken connection; an unreachable cluster must not delay the inventory.
TRIES = 2


@dataclasses.dataclass(frozen=True)
class InventoryReader:
    """Reads the hosts of an inventory file."""

    #: Folder of the inventory file, at which relative paths start.
    base: str
    warn: Callable[[str], None]

    def read_hosts(self, options: InventoryOptions) -> list[Json]:
        """Return the hosts in the plain JSON of the cache: name, variables and groups of each.

        Raises:
            MeshError: a file, a hub or a source is invalid, or two hosts are the same cluster.
        """
        read = functools.cache(read_contexts)
        clusters = [cluster for source in options.sources for cluster in self._clusters(source, read)]
        refuse_equal_names(clusters)
        probes = probe_clusters(clusters, options, self.warn) if options.probe else {}
        refuse_same_cluster(clusters, probes)
        return [
            {
                "name": cluster.host,
                "variables": host_variables(cluster, probes.get(cluster.host)),
                "groups": host_groups(probes.get(cluster.host)),
            }
            for cluster in clusters
        ]

    def _contexts(self, paths: Iterable[str], read: Callable[[str], list[Context]]) -> list[Context]:
        return [context for file in find_files(paths, self.base) for context in read(file)]

    def _clusters(self, source: Source, read: Callable[[str], list[Context]]) -> list[Cluster]:
        if source.type == "kubeconfig":
            return clusters_from_kubeconfig(source, self._contexts(source.path, read))
        hub = hub_context(source, self._contexts([source.kubeconfig], read))
        client = _client(hub.file, hub.name, HUB_SECONDS, self.warn)
        path, description, query = list_request(source)
        objects = client.list(path, doing=f"{source}: Reading {description}", **query)

        def logins(name: str) -> list[Context]:
            contexts: list[Context] = []
            for login in source.logins:
                path = login.replace("{name}", name)
                # The file of a single cluster may be missing.
                if path == login or os.path.exists(os.path.join(self.base, path)):
                    contexts += self._contexts([path], read)
            return contexts

        listed = filter(None, [parse_hub_cluster(source, obj) for obj in objects])
        clusters, skipped = clusters_from_hub(source, listed, functools.cache(logins), hub)
        if skipped:
            names = ", ".join(sorted(cluster.name for cluster in skipped))
            self.warn(f"{source}: skipped, because logins has no context for them: {names}.")
        return clusters


def probe_clusters(
    clusters: Sequence[Cluster], options: InventoryOptions, warn: Callable[[str], None]
) -> dict[str, Probe]:
    """Return the probe of each cluster, by host."""
    probe = functools.partial(_probe, options=options, warn=warn)
    with concurrent.futures.ThreadPoolExecutor(max_workers=MAX_PROBES) as pool:
        return dict(zip((cluster.host for cluster in clusters), pool.map(probe, clusters), strict=True))


def _probe(cluster: Cluster, *, options: InventoryOptions, warn: Callable[[str], None]) -> Probe:
    """Read the identity and the istiods of a cluster, with two requests."""
    apps = f"/apis/apps/v1/namespaces/{options.istio_namespace}"
    try:
        client = _client(cluster.kubeconfig, cluster.context, options.probe_timeout, warn)
        system = client.get(f"{NAMESPACES}/kube-system", doing="Reading namespace kube-system")
        istiods = client.list(f"{apps}/deployments", doing="Reading istiod Deployments", labelSelector="app=istiod")
    except MeshError as exc:
        return Probe(error=exc.message)
    named = ((labels_of(istiod).get(REVISION_LABEL) or DEFAULT, istiod) for istiod in istiods)
    revisions = (read_revision(name, options.istio_namespace, istiod, {}, load_yaml) for name, istiod in named)
    running = sorted((revision.name, revision.version) for revision in revisions)
    return Probe(str(system.get("metadata", {}).get("uid") or ""), tuple(running))


def _client(kubeconfig: str, context: str, seconds: float, warn: Callable[[str], None]) -> Client:
    client = Client(connection({"kubeconfig": kubeconfig, "context": context}), timeout=seconds, tries=TRIES)
    if client.tls_warning:
        warn(f"Context {context}: {client.tls_warning}")
    return client
