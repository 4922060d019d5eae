# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. What an install would change, exactly: rendered objects against the live ones.

The recipe: render with the target's istioctl, add the ownership labels that only the installer adds, let the API server
compute each result by a server-side dry-run apply under the installer's field manager, and compare.
Source of the labels: istio/istio operator/pkg/install/install.go (getOwnerLabels).
"""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils._client import Client, Json
from ansible_collections.meshops.istio.plugins.module_utils._errors import MeshError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils._mesh import CRD_VERSION, DEFAULT, REV, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils._reading import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils._settings import flatten

MANAGER = "istio-operator"
OWNER_NAMESPACE = "install.operator.istio.io/owning-resource-namespace"
OWNER = "install.operator.istio.io/owning-resource"
COMPONENT = "operator.istio.io/component"
MANAGED = "operator.istio.io/managed"
NOT_PRUNED = "install.operator.istio.io/owning-resource-not-pruned"

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
#: What an install deletes again when it is no longer rendered (istio/istio operator/pkg/uninstall/prune.go).
PRUNED = (
    "Deployment", "DaemonSet", "Service", "ConfigMap", "ServiceAccount", "RoleBinding", "Role",
    "PodDisruptionBudget", "HorizontalPodAutoscaler",
)  # fmt: skip
PARKED = {"matchLabels": {"istio.io/deactivated": "never-match"}}
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
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.change} {self.kind} {place}"

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


def parse_manifest(text: str, *, with_crds: bool) -> list[Json]:
    """Return the objects of a rendered manifest; CRDs are 95 % of its text, so they are parsed only when asked for."""
    documents = (part for part in _DOCUMENT.split(text) if part.strip())
    wanted = (part for part in documents if with_crds or not _CRD.search(part))
    return [obj for obj in map(load_yaml, wanted) if obj]


def object_path(kind: str, namespace: str, name: str) -> str:
    """Return the path of an object at the API server."""
    prefix, resource, namespaced = RESOURCES[kind]
    return f"{prefix}/namespaces/{namespace}/{resource}/{name}" if namespaced else f"{prefix}/{resource}/{name}"


def changes(client: Client, rendered: Iterable[Json], *, revision: str, version: str, namespace: str) -> list[Change]:
    """Return what applying the rendered objects would create or change; asks the API server, writes nothing."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda obj: change_of(client, obj, revision, version, namespace), rendered)
        return sorted(filter(None, found), key=lambda c: (c.kind, c.namespace, c.name))


def change_of(client: Client, rendered: Json, revision: str, version: str, owner_namespace: str) -> Change | None:
    """Return what applying one rendered object would change, or None."""
    kind, name = rendered["kind"], name_of(rendered)
    if kind not in RESOURCES:
        raise MeshError(
            f"Istio {version} renders the kind {kind}, which this collection does not know; please report it."
        )
    namespace = rendered["metadata"].get("namespace", "") if RESOURCES[kind][2] else ""
    path = object_path(kind, namespace, name)
    doing = f"Comparing {kind} {name}"
    try:
        live = client.get(path, doing=doing)
    except NotFoundError:
        return Change(kind, namespace, name, "create")
    wanted = with_ownership(rendered, live, revision, version, owner_namespace)
    result = client.apply(path, wanted, manager=MANAGER, doing=doing)
    fields = differences(comparable(live), comparable(result))
    return Change(kind, namespace, name, "update", fields) if fields else None


def with_ownership(rendered: Json, live: Json, revision: str, version: str, owner_namespace: str) -> Json:
    """Return a rendered object as the installer would apply it, without undoing istiod's own work."""
    wanted = copy.deepcopy(rendered)
    labels = wanted["metadata"].setdefault("labels", {})
    labels.update({MANAGED: "Reconcile", CRD_VERSION: version, OWNER_NAMESPACE: owner_namespace, REV: revision})
    for key in (COMPONENT, OWNER):
        if key in labels_of(live):
            labels.setdefault(key, labels_of(live)[key])
    if wanted["kind"] == "ValidatingWebhookConfiguration":
        # istiod raises Ignore to Fail once it is ready, and does so again after every install
        policies = {hook["name"]: hook.get("failurePolicy") for hook in live.get("webhooks") or ()}
        for hook in wanted.get("webhooks") or ():
            hook["failurePolicy"] = policies.get(hook["name"], hook.get("failurePolicy"))
    if wanted["kind"] == "MutatingWebhookConfiguration" and revision == DEFAULT:
        # the installer parks the webhooks of an install without a revision behind the default tag
        for hook in wanted.get("webhooks") or ():
            hook.update(namespaceSelector=PARKED, objectSelector=PARKED)
    return wanted


def comparable(obj: Json) -> Json:
    """Return an object without what the API server writes by itself."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def differences(before: Json, after: Json) -> dict[str, tuple[t.Any, t.Any]]:
    """Return dotted path -> (before, after) of every leaf that differs."""
    old, new = dict(flatten(_keyed(before))), dict(flatten(_keyed(after)))
    return {path: (old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}


def _keyed(value: t.Any) -> t.Any:
    """Return a value with lists as mappings (by the entries' names, else by position), so that leaves have paths."""
    if isinstance(value, Mapping):
        return {key: _keyed(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in value]
    by_name = all(names) and len(set(names)) == len(names)
    return {f"[{names[at] if by_name else at}]": _keyed(entry) for at, entry in enumerate(value)}


def prunes(client: Client, rendered: Iterable[Json], *, revision: str, version: str, namespace: str) -> list[Change]:
    """Return what an install would delete: objects of its owner, version and revision that it no longer renders."""
    kept = {(obj["kind"], obj["metadata"].get("namespace", ""), name_of(obj)) for obj in rendered}
    selector = f"{MANAGED}=Reconcile,{CRD_VERSION}={version},{OWNER_NAMESPACE}={namespace},{REV}={revision},{COMPONENT}"

    def of_kind(kind: str) -> list[Change]:
        prefix, resource, dummy = RESOURCES[kind]
        found = client.list(f"{prefix}/{resource}", doing=f"Reading {resource}", metadata=True, labelSelector=selector)
        return [
            Change(kind, obj["metadata"].get("namespace", ""), name_of(obj), "prune")
            for obj in found
            if (kind, obj["metadata"].get("namespace", ""), name_of(obj)) not in kept
            and labels_of(obj).get(NOT_PRUNED) != "true"
        ]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return [change for group in pool.map(of_kind, PRUNED) for change in group]


def default_changes(client: Client, *, version: str, namespace: str) -> list[Change]:
    """Return which objects of the default tag an install without a revision rewrites: it stamps its version on them."""
    found = []
    place = "" if namespace == "istio-system" else f"-{namespace}"
    for kind, name in (
        ("MutatingWebhookConfiguration", f"istio-revision-tag-default{place}"),
        ("Service", "istiod-revision-tag-default"),
        ("ValidatingWebhookConfiguration", "istiod-default-validator"),
    ):
        inside = namespace if RESOURCES[kind][2] else ""
        try:
            live = client.get(object_path(kind, inside, name), doing=f"Comparing {kind} {name}")
        except NotFoundError:
            continue
        have = labels_of(live).get(CRD_VERSION)
        if have not in (None, version):
            found.append(Change(kind, inside, name, "update", {f"metadata.labels.{CRD_VERSION}": (have, version)}))
    return found


def shown(value: t.Any, limit: int = 160) -> t.Any:
    """Return a field's value for a diff; long texts (whole configurations) are shortened, with their length."""
    text = value if isinstance(value, str) else None
    return f"{text[:limit]}... ({len(text)} characters)" if text and len(text) > limit else value
