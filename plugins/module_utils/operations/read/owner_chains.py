# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows owner references above the kinds that a snapshot lists, such as ReplicationController > DeploymentConfig.

Each owner is read once, only its metadata, and only if discovery knows its kind. An owner that cannot be read is the
top of its chain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import group_path
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_maps
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner, Pod, controller_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyStatus
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import top_owner
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import OWNER_KINDS

#: Levels above the direct owner; a deeper chain is not followed.
LEVELS = 4
#: Results name owners; more of them than a reader reads cost no request.
MOST_READS = 20
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


def is_stale(dummy: Pod, status: ProxyStatus) -> bool:
    """Return whether a pod is one that a restart is about."""
    return status.stale


def has_proxy(pod: Pod, status: ProxyStatus) -> bool:
    """Return whether a pod is one that an upgrade is about."""
    return status.stale or bool(pod.proxy_image)


def with_owner_chains(
    client: Client, snapshot: Snapshot, concerns: Callable[[Pod, ProxyStatus], bool] = is_stale
) -> Snapshot:
    """Return a snapshot that also knows the owners above the owners of some pods, by default of the stale ones."""
    owners = {
        (pod.namespace, owner)
        for pod, status in snapshot.proxy_statuses
        if concerns(pod, status) and (owner := top_owner(pod, snapshot.parents)) and owner.kind not in OWNER_KINDS
    }
    chains, parents = _Chains(client, snapshot), dict(snapshot.parents)
    for dummy in range(LEVELS):
        above = {place: owner for place in owners if (owner := chains.owner_of(*place))}
        parents.update({ObjectRef(place, below.kind, below.name): owner for (place, below), owner in above.items()})
        owners = {(place, owner) for (place, below), owner in above.items() if owner.kind not in OWNER_KINDS}
    return dataclasses.replace(snapshot, parents=parents)


class _Chains:
    """Reads owners of owners, each once."""

    def __init__(self, client: Client, snapshot: Snapshot) -> None:
        self._client = client
        self._snapshot = snapshot
        self._resources: dict[str, dict[str, str]] = {}
        self._reads = 0

    def owner_of(self, namespace: str, owner: Owner) -> Owner | None:
        """Return the controller of an owner, or None if it has none, or cannot be read."""
        if owner.kind == "Pod":
            pod = self._snapshot.pods_by_place.get((namespace, owner.name))
            return pod.owner if pod else None
        resource = self._resource(owner)
        if not resource or self._reads >= MOST_READS:
            return None
        self._reads += 1
        path = f"{group_path(owner.api_version)}/namespaces/{namespace}/{resource}/{owner.name}"
        try:
            obj = self._client.get(path, doing=f"Reading {owner.kind} {namespace}/{owner.name}", accept=METADATA)
        except ApiError:
            return None
        return controller_of(obj)

    def _resource(self, owner: Owner) -> str:
        """Return the name of the namespaced resource of a kind, or an empty text if discovery does not know it."""
        version = owner.api_version
        if not version:
            return ""
        if version not in self._resources:
            try:
                answer: Json = self._client.get(group_path(version), doing=f"Reading the resources of {version}")
            except ApiError:
                answer = {}
            self._resources[version] = {
                str(row.get("kind")): str(row.get("name"))
                for row in as_maps(answer.get("resources"))
                if row.get("namespaced") and "/" not in str(row.get("name"))
            }
        return self._resources[version].get(owner.kind, "")
