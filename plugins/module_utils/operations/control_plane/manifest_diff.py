# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an install would change, exactly: rendered objects against the live ones.

The recipe: render as the installer would, add what only the installer adds, let the API server compute each result by a
server-side dry-run apply under the installer's field manager, and compare.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    InstallerError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, name_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import segment
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import flatten

#: Returns a rendered object as its installer would apply it, given the live one.
Dress = Callable[[Json, Json], Json]

#: kind -> (API path prefix, resource, namespaced): every kind that Istio's charts render.
RESOURCES: dict[str, tuple[str, str, bool]] = {
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Service": ("/api/v1", "services", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "DaemonSet": ("/apis/apps/v1", "daemonsets", True),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets", True),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "NetworkAttachmentDefinition": ("/apis/k8s.cni.cncf.io/v1", "network-attachment-definitions", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "MutatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", False),
    "ValidatingWebhookConfiguration": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        False,
    ),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", False),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        False,
    ),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
}
#: A CRD has hundreds of fields that differ; results show the first ones.
FIELDS_SHOWN = 25
_NOISE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
_DOCUMENT = re.compile(r"^---\s*$", re.MULTILINE)
_CRD = re.compile(r"^kind: CustomResourceDefinition\s*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Change:
    """One object that an install would create, change or prune; ``fields`` maps a path to [before, after]."""

    kind: str
    namespace: str
    name: str
    change: str
    fields: Mapping[str, tuple[t.Any, t.Any]] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.change} {self.place}"

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return ObjectRef(self.namespace, self.kind, self.name)

    @property
    def place(self) -> str:
        """The object as blockers and results name it."""
        return str(self.ref)

    def as_dict(self) -> Json:
        """Return the JSON-ready form that results carry: the first field paths, and how many there are."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "change": self.change,
            "fields": sorted(self.fields)[:FIELDS_SHOWN],
            "field_count": len(self.fields),
        }


@dataclasses.dataclass(frozen=True)
class Installation:
    """What an installer would do to a cluster, and how it does it.

    ``default_after`` is where the tag default points then; ``carry_out`` is given the seconds that it may take.
    """

    rendered: list[Json]
    changes: list[Change]
    default_after: str | None
    manager: str
    dress: Dress
    carry_out: Callable[[int], None]


def parse_manifest(text: str, *, with_crds: bool) -> list[Json]:
    """Return the objects of a rendered manifest; CRDs are 95 % of its text, so they are parsed only when asked for."""
    documents = (part for part in _DOCUMENT.split(text) if part.strip())
    wanted = (part for part in documents if with_crds or not _CRD.search(part))
    try:
        return [_object(obj) for obj in map(load_yaml, wanted) if obj]
    except ValueError as exc:
        raise InstallerError(f"A manifest cannot be read: {exc}.") from exc


def _object(obj: t.Any) -> Json:
    """What Helm keeps of a release stands in a Secret of the cluster."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict) or not all(
        isinstance(one, str) for one in (obj.get("kind"), metadata.get("name"))
    ):
        raise ValueError("one of its documents is no object")
    if not isinstance(metadata.get("namespace", ""), str):
        raise ValueError(f"{obj['kind']} {metadata['name']} has a namespace that is no text")
    return t.cast("Json", obj)


def object_path(kind: str, namespace: str, name: str) -> str:
    """Return the path of an object at the API server.

    Raises:
        MeshError: nothing is known of the kind.
    """
    if kind not in RESOURCES:
        raise MeshError(f"Istio renders the kind {kind}, which this collection does not know; please report it.")
    prefix, resource, namespaced = RESOURCES[kind]
    place = f"/namespaces/{segment(namespace)}" if namespaced else ""
    return f"{prefix}{place}/{resource}/{segment(name)}"


def changes(
    client: Client, rendered: Iterable[Json], dress: Dress, manager: str, former: Mapping[ObjectRef, Json] | None = None
) -> list[Change]:
    """Return what applying the rendered objects would create or change; asks the API server, writes nothing.

    ``former`` are the objects of the manifest before, where the installer takes away what it no longer renders.
    """
    before = former or {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda obj: change_of(client, obj, dress, manager, before.get(ref_of(obj))), rendered)
        return sorted(filter(None, found), key=lambda c: (c.kind, c.namespace, c.name))


def change_of(client: Client, rendered: Json, dress: Dress, manager: str, former: Json | None = None) -> Change | None:
    """Return what applying one rendered object would change, or None."""
    kind, name = rendered["kind"], name_of(rendered)
    path = object_path(kind, rendered["metadata"].get("namespace", ""), name)
    namespace = rendered["metadata"].get("namespace", "") if RESOURCES[kind][2] else ""
    doing = f"Comparing {kind} {name}"
    try:
        live = client.get(path, doing=doing)
    except NotFoundError:
        return Change(kind, namespace, name, "create")
    dressed = dress(rendered, live)
    result = comparable(client.apply(path, dressed, manager=manager, doing=doing))
    fields = differences(comparable(live), result)
    if former is not None:
        # a client-side merge takes these away, whoever owns them; a server-side apply has done so already
        dropped = set(leaves(former)) - set(leaves(dressed))
        fields |= {path: (value, None) for path, value in leaves(result).items() if path in dropped}
    return Change(kind, namespace, name, "update", fields) if fields else None


def comparable(obj: Json) -> Json:
    """Return an object without what the API server writes by itself."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def differences(before: Json, after: Json) -> dict[str, tuple[t.Any, t.Any]]:
    """Return dotted path -> (before, after) of every leaf that differs."""
    old, new = leaves(before), leaves(after)
    return {path: (old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}


def leaves(obj: Json) -> Json:
    """Return dotted path -> value of every leaf."""
    return dict(flatten(_keyed(obj)))


def _keyed(value: t.Any) -> t.Any:
    """Return a value with lists as mappings (by the entries' names, else by position), so that leaves have paths."""
    if isinstance(value, Mapping):
        return {key: _keyed(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in value]
    by_name = all(names) and len(set(names)) == len(names)
    return {f"[{names[at] if by_name else at}]": _keyed(entry) for at, entry in enumerate(value)}


def shown(value: t.Any, limit: int = 160) -> t.Any:
    """Return a field's value for a diff; long texts (whole configurations) are shortened, with their length."""
    text = value if isinstance(value, str) else None
    return f"{text[:limit]}... ({len(text)} characters)" if text and len(text) > limit else value
