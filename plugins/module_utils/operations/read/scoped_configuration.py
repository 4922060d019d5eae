# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds configuration that only one revision reads: one list of metadata for each kind."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import group_path
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    GROUPS,
    Labelled,
    read_labelled,
)

#: Requests all kinds in one answer, since Kubernetes 1.27; an older server answers with the names of the groups only.
AGGREGATED_DISCOVERY = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)


class Configuration(t.NamedTuple):
    """The configuration that was read, and one error for each kind that this user may not list."""

    objects: list[Labelled]
    forbidden: list[str]

    @property
    def unread_reason(self) -> str:
        """The reason why there may be more objects, or an empty text."""
        return "; ".join(self.forbidden)


class _Kind(t.NamedTuple):
    group: str
    version: str
    resource: str
    kind: str

    @property
    def path(self) -> str:
        return f"{group_path(f'{self.group}/{self.version}')}/{self.resource}"


def _served_kinds(client: Client) -> list[_Kind]:
    """Return each served kind of the groups, in the version that the server prefers."""
    doing = "Reading which APIs are served"
    answer = client.get("/apis", doing=doing, accept=AGGREGATED_DISCOVERY)
    kinds: dict[tuple[str, str], _Kind] = {}
    aggregated = answer.get("kind") == "APIGroupDiscoveryList"
    for kind in _from_aggregated(answer) if aggregated else _discover_groups(client, answer, doing):
        # Versions come in the order of preference.
        kinds.setdefault((kind.group, kind.resource), kind)
    return list(kinds.values())


def _from_aggregated(answer: Json) -> Iterator[_Kind]:
    for group in answer.get("items") or ():
        name = group["metadata"]["name"]
        for version in group.get("versions") or () if name in GROUPS else ():
            for row in version.get("resources") or ():
                if "list" in (row.get("verbs") or ()):
                    kind = (row.get("responseKind") or {}).get("kind") or row["resource"]
                    yield _Kind(name, version["version"], row["resource"], kind)


def _discover_groups(client: Client, answer: Json, doing: str) -> Iterator[_Kind]:
    for group in answer.get("groups") or ():
        for version in group.get("versions") or () if group["name"] in GROUPS else ():
            resources = client.get(group_path(version["groupVersion"]), doing=doing).get("resources")
            for row in resources or ():
                if "list" in (row.get("verbs") or ()) and "/" not in row["name"]:
                    yield _Kind(group["name"], version["version"], row["name"], row["kind"])


def fetch_configuration(client: Client) -> Configuration:
    """Return all configuration with label istio.io/rev that this user may read."""

    def listed(kind: _Kind) -> list[Labelled] | str:
        def read(obj: Json) -> Labelled:
            return read_labelled(kind.kind, kind.group, obj)

        doing = f"Reading {kind.resource} with label {REVISION_LABEL}"
        try:
            return client.collect(kind.path, read, doing=doing, metadata=True, labelSelector=REVISION_LABEL)[0]
        except NotFoundError:
            return []  # The kind was removed meanwhile.
        except ForbiddenError as exc:
            return exc.message

    try:
        kinds = _served_kinds(client)
    except ForbiddenError as exc:
        return Configuration([], [exc.message])
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(listed, kinds))
    objects = [obj for answer in answers if not isinstance(answer, str) for obj in answer]
    objects.sort(key=lambda obj: (obj.namespace, obj.kind, obj.name))
    return Configuration(objects, [error for error in answers if isinstance(error, str)])


def machines(client: Client) -> list[str]:
    """Return the WorkloadGroups and WorkloadEntries of a cluster by name: machines with a proxy, but without a pod.

    Raises:
        ForbiddenError: they may not be listed.
    """
    refs: list[ObjectRef] = []
    for kind in _served_kinds(client):
        if kind.resource in ("workloadgroups", "workloadentries"):
            objects = client.list(kind.path, doing=f"Reading {kind.resource}", metadata=True)
            # Rows of a list have no kind.
            refs += [ref_of({**obj, "kind": kind.kind}) for obj in objects]
    return [str(ref) for ref in sorted(refs, key=lambda ref: ref.kind != "WorkloadGroup")]
