# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects around a mesh that only prechecks read."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
    place_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Reader, Unreadable, as_map, shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Node
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import IstioOperator
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import Labelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.istiod_capacity import (
    Autoscaler,
    Endpoints,
    Quota,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.vertical_autoscalers import (
    VerticalAutoscaler,
)

#: Annotation of a remote Secret that names the cluster, and what its own name starts with.
REMOTE_CLUSTER, REMOTE_PREFIX = "networking.istio.io/cluster", "istio-remote-secret-"


@dataclasses.dataclass(frozen=True)
class Extension:
    """An EnvoyFilter or WasmPlugin.

    Of its patches: the expressions of proxyVersion, and the names of the listener filters that they match.
    """

    kind: str
    namespace: str
    name: str
    proxy_versions: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclasses.dataclass(frozen=True)
class Permission:
    """One verb on one resource, and its purpose; ``local`` limits it to the namespace of the mesh."""

    verb: str
    group: str
    resource: str
    purpose: str
    local: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


@dataclasses.dataclass(frozen=True)
class PendingRelease:
    """A Helm release that a helm works on, or that a killed one left: its name, revision and status."""

    name: str
    revision: str
    status: str


#: Fields that can be used even if only a part of them was read.
USABLE_IN_PART = frozenset({"configuration", "rejections"})


@dataclasses.dataclass(frozen=True)
class PrecheckInputs:
    """The objects around the mesh; ``unread`` maps a field to the reason why it could not be read.

    Endpoints, autoscalers, quotas and releases are those of Istio's namespace. ``rejections`` maps a revision to the
    words with which its istiod rejects a dry-run pod, and ``proof_doubts`` to why no dry run can prove it.
    """

    nodes: tuple[Node, ...] = ()
    extensions: tuple[Extension, ...] = ()
    endpoints: tuple[Endpoints, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    quotas: tuple[Quota, ...] = ()
    remote_clusters: tuple[str, ...] = ()
    configuration: tuple[Labelled, ...] = ()
    operators: tuple[IstioOperator, ...] = ()
    pending_releases: tuple[PendingRelease, ...] = ()
    vertical_autoscalers: tuple[VerticalAutoscaler, ...] = ()
    rejections: Mapping[str, str] = dataclasses.field(default_factory=dict)
    proof_doubts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    denied: tuple[Permission, ...] = ()
    #: Namespace -> why the API server would refuse its move.
    namespace_moves: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: None if no istiod was queried.
    proxies: tuple[Connected, ...] | None = None
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def lacks(self, field: str) -> bool:
        """Whether a check cannot use a field; of some fields, a part can be used."""
        return field in self.unread and not (field in USABLE_IN_PART and getattr(self, field))


def read_remote_cluster(obj: Mapping[str, t.Any]) -> str:
    """Return the name of the cluster of a remote Secret from its metadata; no data of it is kept (safety rule S13).

    Source: istio/istio istioctl/pkg/multicluster/constants.go; a Secret that was written
    manually may lack the annotation.
    """
    return annotations_of(obj).get(REMOTE_CLUSTER) or name_of(obj).removeprefix(REMOTE_PREFIX)


def read_pending_release(obj: Mapping[str, t.Any]) -> PendingRelease:
    """Return a release from the metadata of its Secret (helm/helm pkg/storage/driver/secrets.go); no data is kept."""
    labels = labels_of(obj)
    return PendingRelease(*(shown(labels.get(key, "")) for key in ("name", "version", "status")))


def read_extension(kind: str, obj: Mapping[str, t.Any]) -> Extension:
    """Return what of an EnvoyFilter or WasmPlugin counts for an upgrade (istio/api networking/v1alpha3)."""
    namespace, name = place_of(obj)
    read = Reader(ObjectRef(namespace, kind, name))
    patches = read.maps("spec.configPatches", read.map("spec", obj.get("spec")).get("configPatches"))
    matches = [read.map("match in spec.configPatches", patch.get("match")) for patch in patches]
    proxies = [read.map("match.proxy in spec.configPatches", match.get("proxy")) for match in matches]
    versions = [
        read.text("match.proxy.proxyVersion in spec.configPatches", proxy.get("proxyVersion")) for proxy in proxies
    ]
    filters = (as_map(as_map(as_map(match.get("listener")).get("filterChain")).get("filter")) for match in matches)
    anchors = (as_map(rule.get("subFilter")).get("name") or rule.get("name") for rule in filters)
    return Extension(kind, namespace, name, _texts(versions), _texts(anchors), read.unreadable)


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and value))
