# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw objects of control planes, tags and namespaces, as a cluster would return them."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import TAG_LABEL as TAG

Json = dict[str, t.Any]

HUB = "lab.invalid/istio"
SYSTEM = "istio-system"
CLUSTER_ID = "11111111-2222-3333-4444-555555555555"
KUBERNETES = "v1.36.3"
OLD, NEW = "1-30-3", "1-31-0"
OLD_VERSION, NEW_VERSION = "1.30.3", "1.31.0"
#: Settings of a user who has decided about what 1.31 does otherwise in every mesh.
DECIDED = {"PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS": "true", "ENABLE_XDS_API_GENERATOR_AUTH": "true"}


def version_of(revision: str) -> str:
    """The version that a revision's name says."""
    return OLD_VERSION if revision == "default" else revision.replace("-", ".")


def proxy(version: str) -> str:
    """Image of a proxy."""
    return f"{HUB}/proxyv2:{version}"


def meta(
    name: str,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **more: t.Any,
) -> Json:
    """Metadata of an object; empty parts are left out as an API server does."""
    found = {"namespace": namespace, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    return {"name": name, "uid": f"uid-{namespace}-{name}", **{k: v for k, v in found.items() if v}, **more}


def need(key: str, operator: str, *values: str) -> Json:
    """One entry of matchExpressions."""
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _selectors(name: str, *, default: bool, auto: bool) -> Iterable[tuple[str, list[Json], list[Json]]]:
    """Webhook prefix, namespace and object expressions, as Istio's charts render them (domain 3)."""
    no_rev, no_injection, not_false = (
        need(REV, "DoesNotExist"),
        need(INJECTION, "DoesNotExist"),
        need(INJECT, "NotIn", "false"),
    )
    yield "rev.namespace", [need(REV, "In", name), no_injection], [not_false]
    yield "rev.object", [no_rev, no_injection], [not_false, need(REV, "In", name)]
    if default:
        yield "namespace", [need(INJECTION, "In", "enabled")], [not_false]
        yield "object", [no_rev, no_injection], [need(INJECT, "In", "true"), no_rev]
    if auto:
        system = need(
            "kubernetes.io/metadata.name",
            "NotIn",
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "local-path-storage",
        )
        yield "auto", [no_rev, no_injection, system], [need(INJECT, "DoesNotExist"), no_rev]


def injector(
    revision: str = OLD,
    *,
    tag: str = "",
    default: bool | None = None,
    parked: bool = False,
    auto: bool = False,
    ca: str = "Q0E=",
    policy: str = "Fail",
    service: str | None = None,
) -> Json:
    """MutatingWebhookConfiguration of a revision, or of a tag that points at it."""
    suffix = "" if revision == "default" else f"-{revision}"
    default = "default" in (revision, tag) if default is None else default
    called = {"namespace": SYSTEM, "name": f"istiod{suffix}" if service is None else service}
    never = {"matchLabels": {"istio.io/deactivated": "never-match"}}
    hooks = [
        {
            "name": f"{prefix}.sidecar-injector.istio.io",
            "clientConfig": {"service": called, **({"caBundle": ca} if ca else {})},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "failurePolicy": policy,
            "namespaceSelector": never if parked else {"matchExpressions": of_namespace},
            "objectSelector": never if parked else {"matchExpressions": of_pod},
        }
        for prefix, of_namespace, of_pod in _selectors(tag or revision, default=default, auto=auto)
    ]
    name = f"istio-revision-tag-{tag}" if tag else f"istio-sidecar-injector{suffix}"
    labels = {REV: revision, **({TAG: tag} if tag else {})}
    return {"kind": "MutatingWebhookConfiguration", "metadata": meta(name, labels=labels), "webhooks": hooks}


def istiod(
    revision: str = OLD,
    version: str = "",
    *,
    replicas: int = 1,
    ready: int | None = None,
    updated: int | None = None,
    total: int | None = None,
    generation: int = 1,
    observed: int | None = None,
    image: str = "",
) -> Json:
    """Deployment of istiod; healthy by default."""
    ready = replicas if ready is None else ready
    container = {"name": "discovery", "image": image or f"{HUB}/pilot:{version or version_of(revision)}"}
    return {
        "kind": "Deployment",
        "metadata": meta(
            "istiod" if revision == "default" else f"istiod-{revision}",
            SYSTEM,
            {"app": "istiod", REV: revision},
            generation=generation,
        ),
        "spec": {"replicas": replicas, "template": {"metadata": {}, "spec": {"containers": [container]}}},
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": replicas if total is None else total,
            "updatedReplicas": replicas if updated is None else updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
        },
    }


def istiod_service(revision: str = OLD, tag: str = "", *, remote: bool = False) -> Json:
    """Service of a revision or of a tag; one of a remote control plane selects no pods."""
    suffix = "" if revision == "default" else f"-{revision}"
    name = f"istiod-revision-tag-{tag}" if tag else f"istiod{suffix}"
    return {
        "kind": "Service",
        "metadata": meta(name, SYSTEM, {"app": "istiod", REV: revision, **({TAG: tag} if tag else {})}),
        "spec": {} if remote else {"selector": {"app": "istiod", REV: revision}},
    }


def injector_map(revision: str = OLD, tag: str = OLD_VERSION, *, config: str = "", **shared: t.Any) -> Json:
    """ConfigMap of the injector: image parts and istiod's own policy."""
    suffix = "" if revision == "default" else f"-{revision}"
    values = {"global": {"hub": HUB, "tag": tag, "proxy": {"image": "proxyv2"}, **shared}}
    data = {"values": json.dumps(values), "config": config or "policy: enabled\n"}
    return {
        "kind": "ConfigMap",
        "metadata": meta(f"istio-sidecar-injector{suffix}", SYSTEM, {REV: revision, COMPONENT: "Pilot"}),
        "data": data,
    }


def values_map(revision: str, values: Json) -> Json:
    """ConfigMap that remembers what the user asked for."""
    suffix = "" if revision == "default" else f"-{revision}"
    data = {"original-values": json.dumps(values), "merged-values": "{}"}
    return {
        "kind": "ConfigMap",
        "metadata": meta(f"values{suffix}", SYSTEM, {REV: revision, COMPONENT: "Pilot"}),
        "data": data,
    }


def plane(
    revision: str = OLD,
    version: str = "",
    *,
    values: Json | None = None,
    parked: bool = False,
    **of_istiod: t.Any,
) -> list[Json]:
    """All objects of one control plane that the core reads."""
    return [
        istiod(revision, version, **of_istiod),
        istiod_service(revision),
        injector(revision, parked=parked),
        injector_map(revision, version or version_of(revision)),
        values_map(revision, {"pilot": {"env": DECIDED}} if values is None else values),
    ]


def in_mesh(namespace: str, objects: Iterable[Json]) -> list[Json]:
    """The same objects as those of another mesh: what belongs to the whole cluster is called after its namespace."""
    found: list[Json] = json.loads(json.dumps([*objects]))
    for obj in found:
        if "namespace" in obj["metadata"]:
            obj["metadata"]["namespace"] = namespace
        else:
            obj["metadata"]["name"] += f"-{namespace}"
        for hook in obj.get("webhooks", []):
            hook["clientConfig"]["service"]["namespace"] = namespace
    return found


def validator(revision: str, policy: str = "Ignore") -> Json:
    """The mesh-wide default validator; istiod raises its policy to Fail."""
    service = {"namespace": SYSTEM, "name": "istiod" if revision == "default" else f"istiod-{revision}"}
    hook = {"name": "validation.istio.io", "clientConfig": {"service": service}, "failurePolicy": policy}
    return {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": meta("istiod-default-validator", labels={REV: revision}),
        "webhooks": [hook],
    }


def revision_tag(name: str, revision: str) -> list[Json]:
    """A tag with its Service; tag default comes with the default validator."""
    found = [injector(revision, tag=name), istiod_service(revision, name)]
    return [*found, validator(revision)] if name == "default" else found


def two_planes() -> list[Json]:
    """The usual middle of a canary: 1-30-3 with tags prod and default, 1-31-0 beside it."""
    return [
        *plane(OLD, OLD_VERSION),
        *plane(NEW, NEW_VERSION),
        *revision_tag("prod", OLD),
        *revision_tag("default", OLD),
    ]


def namespace(name: str, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None) -> Json:
    """A namespace; kube-system carries the identity of the cluster."""
    uid = {"uid": CLUSTER_ID} if name == "kube-system" else {}
    return {"kind": "Namespace", "metadata": {**meta(name, "", labels, annotations, resourceVersion="7"), **uid}}


def namespaces(**labels: str | None) -> list[Json]:
    """System namespaces, and others by the value of their label istio.io/rev (None: no label)."""
    system = [namespace(name) for name in ("default", "kube-system", SYSTEM)]
    return [*system, *(namespace(name, {REV: rev} if rev is not None else {}) for name, rev in labels.items())]
