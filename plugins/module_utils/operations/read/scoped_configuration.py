# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds configuration that only one revision reads: one list of metadata for each kind."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    GROUPS,
    Labelled,
    read_labelled,
)

#: All kinds at once, since Kubernetes 1.27; an older server answers with the names of the groups alone.
AT_ONCE = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)


class Configuration(t.NamedTuple):
    """What was read, and why not the rest: one reason for each kind that may not be listed."""

    found: list[Labelled]
    forbidden: list[str]

    @property
    def unread(self) -> str:
        """Why there may be more, or an empty text."""
        return "; ".join(self.forbidden)


class _Kind(t.NamedTuple):
    group: str
    version: str
    resource: str
    kind: str


def _kinds(client: Client) -> list[_Kind]:
    """Return each kind of the groups that are served, in the version that the server prefers for it."""
    doing = "Reading which APIs are served"
    answer = client.get("/apis", doing=doing, accept=AT_ONCE)
    found: dict[tuple[str, str], _Kind] = {}
    listed = answer.get("kind") == "APIGroupDiscoveryList"
    for one in _discovered(answer) if listed else _asked_one_by_one(client, answer, doing):
        # versions come in the order of preference
        found.setdefault((one.group, one.resource), one)
    return list(found.values())


def _discovered(answer: Json) -> Iterator[_Kind]:
    for group in answer.get("items") or ():
        name = group["metadata"]["name"]
        for version in group.get("versions") or () if name in GROUPS else ():
            for one in version.get("resources") or ():
                if "list" in (one.get("verbs") or ()):
                    kind = (one.get("responseKind") or {}).get("kind") or one["resource"]
                    yield _Kind(name, version["version"], one["resource"], kind)


def _asked_one_by_one(client: Client, answer: Json, doing: str) -> Iterator[_Kind]:
    for group in answer.get("groups") or ():
        for version in group.get("versions") or () if group["name"] in GROUPS else ():
            found = client.get(f"/apis/{version['groupVersion']}", doing=doing)
            for one in found.get("resources") or ():
                if "list" in (one.get("verbs") or ()) and "/" not in one["name"]:
                    yield _Kind(group["name"], version["version"], one["name"], one["kind"])


def fetch_configuration(client: Client) -> Configuration:
    """Return all configuration with label istio.io/rev, as far as it may be read."""

    def listed(one: _Kind) -> list[Labelled] | str:
        def read(obj: Json) -> Labelled:
            return read_labelled(one.kind, one.group, obj)

        path, doing = (
            f"/apis/{one.group}/{one.version}/{one.resource}",
            f"Reading {one.resource} with label {REVISION_LABEL}",
        )
        try:
            return client.collect(path, read, doing=doing, metadata=True, labelSelector=REVISION_LABEL)[0]
        except NotFoundError:
            return []  # removed meanwhile
        except ForbiddenError as exc:
            return exc.message

    try:
        kinds = _kinds(client)
    except ForbiddenError as exc:
        return Configuration([], [exc.message])
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(listed, kinds))
    found = [one for group in answers if not isinstance(group, str) for one in group]
    found.sort(key=lambda one: (one.namespace, one.kind, one.name))
    return Configuration(found, [why for why in answers if isinstance(why, str)])


def machines(client: Client) -> list[str]:
    """Return the WorkloadGroups and WorkloadEntries of a cluster by name: machines with a proxy, but without a pod.

    Raises:
        ForbiddenError: they may not be listed.
    """
    refs: list[ObjectRef] = []
    for kind in _kinds(client):
        if kind.resource in ("workloadgroups", "workloadentries"):
            path, doing = f"/apis/{kind.group}/{kind.version}/{kind.resource}", f"Reading {kind.resource}"
            objects = client.list(path, doing=doing, metadata=True)
            # Rows of a list have no kind.
            refs += [ref_of({**obj, "kind": kind.kind}) for obj in objects]
    return [str(ref) for ref in sorted(refs, key=lambda ref: ref.kind != "WorkloadGroup")]
