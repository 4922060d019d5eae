# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the permissions that runs need, and ask the API server which of them are missing."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#: Kinds that only some settings of Istio render, so that a run does not need permission to write them in advance.
RARE = ("ResourceQuota", "NetworkAttachmentDefinition", "NetworkPolicy")
POLICIES = tuple(
    f"{kind}admission{resource}" for kind in ("mutating", "validating") for resource in ("policies", "policybindings")
)
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
#: Istio's own configuration, by API group.
CONFIGURATION = {
    "extensions.istio.io": "trafficextensions wasmplugins",
    "networking.istio.io": "destinationrules envoyfilters gateways proxyconfigs serviceentries sidecars "
    "virtualservices workloadentries workloadgroups",
    "security.istio.io": "authorizationpolicies peerauthentications requestauthentications",
    "telemetry.istio.io": "telemetries",
}
#: Resources of the Gateway API that istiod reads; a cluster may have all, some or none of them.
GATEWAY_API = {
    "gateway.networking.k8s.io": "backendtlspolicies gatewayclasses gateways grpcroutes httproutes listenersets "
    "referencegrants tcproutes tlsroutes udproutes",
    "gateway.networking.x-k8s.io": "xbackendtrafficpolicies xlistenersets xmeshes",
}
ANYTHING = Permission("*", "*", "*", "do anything")


def _permissions(
    group: str, resources: Iterable[str], verbs: str, purpose: str, *, local: bool = False
) -> list[Permission]:
    return [Permission(verb, group, resource, purpose, local) for resource in resources for verb in verbs.split()]


def _read_permissions() -> list[Permission]:
    purpose = "read the mesh"
    return [
        *_permissions("", ("configmaps", "services"), "get list", purpose, local=True),
        *_permissions("", ("namespaces", "pods"), "get list", purpose),
        *_permissions("apps", (*ROLLED.values(), "replicasets"), "get list", purpose),
        *_permissions("batch", ("cronjobs", "jobs"), "get list", purpose),
        *_permissions("policy", ("poddisruptionbudgets",), "get list", purpose),
        *_permissions("admissionregistration.k8s.io", WEBHOOKS, "get list", purpose),
        *_permissions("apiextensions.k8s.io", ("customresourcedefinitions",), "get list", purpose),
    ]


def _rendered_kinds() -> list[tuple[str, str, str, bool]]:
    """Return (kind, group, resource, namespaced) of everything that Istio's charts render."""
    return [
        (kind, prefix.split("/")[2] if prefix.startswith("/apis/") else "", resource, namespaced)
        for kind, (prefix, resource, namespaced) in RESOURCES.items()
    ]


def _move_permissions() -> list[Permission]:
    permissions = [
        *_permissions(
            "coordination.k8s.io", ("leases",), "get create patch delete", "lock the cluster for a run", local=True
        ),
        *_permissions("", ("configmaps",), "get create patch", "keep the record of a run", local=True),
        *_permissions("", ("namespaces",), "patch", "move namespaces"),
        *_permissions("", ("pods",), "create", "verify a revision with a dry-run pod"),
        *_permissions("apps", ROLLED.values(), "patch watch", "restart workloads"),
        *_permissions("", ("pods",), "watch", "restart workloads"),
        # A StatefulSet does not replace its own broken pod.
        *_permissions("", ("pods",), "delete", "undo a failed restart"),
        *_permissions("admissionregistration.k8s.io", WEBHOOKS, "create patch delete", "move tags"),
        *_permissions("", ("services",), "create patch delete", "move tags", local=True),
    ]
    # Both istioctl and the search for the objects of a revision list all namespaces.
    for dummy, group, resource, _namespaced in _rendered_kinds():
        permissions += _permissions(group, (resource,), "list", "find the objects of a revision")
    return permissions


def _install_permissions() -> list[Permission]:
    purpose, rbac, granting = "install and remove control planes", "rbac.authorization.k8s.io", "escalate bind"
    permissions = [
        *_permissions(rbac, ("clusterroles",), granting, purpose),
        *_permissions(rbac, ("roles",), granting, purpose, local=True),
    ]
    for kind, group, resource, namespaced in _rendered_kinds():
        if kind not in RARE:
            # A run removes control planes, but never their CRDs.
            verbs = "get create patch" + ("" if kind == "CustomResourceDefinition" else " delete")
            permissions += _permissions(group, (resource,), verbs, purpose, local=namespaced)
    return permissions


def _precheck_permissions() -> list[Permission]:
    purpose = "run istioctl x precheck"
    return [
        *_permissions("", ("namespaces", "pods", "services"), "list watch", purpose),
        *_permissions("apps", ("deployments",), "list watch", purpose),
        *_permissions("apiextensions.k8s.io", ("customresourcedefinitions",), "list", purpose),
        *_permissions("", ("configmaps",), "get", purpose, local=True),
    ]


def _analyze_permissions() -> list[Permission]:
    purpose = "run istioctl analyze"
    permissions = _permissions(
        "", ("configmaps", "namespaces", "nodes", "pods", "secrets", "services"), "list watch", purpose
    )
    permissions += _permissions("apps", ("deployments",), "list watch", purpose)
    permissions += _permissions("admissionregistration.k8s.io", WEBHOOKS, "list watch", purpose)
    permissions += _permissions("apiextensions.k8s.io", ("customresourcedefinitions",), "list watch", purpose)
    for group, resources in CONFIGURATION.items():
        permissions += _permissions(group, resources.split(), "list watch", purpose)
    return permissions


READ = tuple(_read_permissions())
#: Read permissions of single checks; a check that lacks one of them does not run, but the others do. Secrets are not
#: among them, because no role can allow their metadata alone, and one of them is the CA key of the mesh.
READ_FOR_CHECKS = (
    *_permissions("", ("nodes",), "list", "check the cluster around the mesh"),
    *(
        permission
        for group, resources in {**CONFIGURATION, **GATEWAY_API}.items()
        for permission in _permissions(group, resources.split(), "list", "find configuration of one revision")
    ),
    *_permissions("admissionregistration.k8s.io", POLICIES, "list", "find policies that act on pods and namespaces"),
    *_permissions("discovery.k8s.io", ("endpointslices",), "list", "check the cluster around the mesh", local=True),
    *_permissions(
        "autoscaling", ("horizontalpodautoscalers",), "list", "check the cluster around the mesh", local=True
    ),
    *_permissions("", ("resourcequotas",), "list", "check the cluster around the mesh", local=True),
    *_permissions("install.istio.io", ("istiooperators",), "list", "find operators that keep a control plane"),
    *_permissions("autoscaling.k8s.io", ("verticalpodautoscalers",), "list", "find autoscalers that evict pods"),
    # Since Kubernetes 1.35, websockets need verb create too.
    *_permissions("", ("pods/portforward",), "get create", "query istiod about its proxies", local=True),
)
#: Command of istioctl -> read permissions that it needs. If it may not list a resource, it waits for that resource
#: forever (audit logs of 1.30.3 and 1.31.0).
ISTIOCTL_COMMANDS = {"x precheck": tuple(_precheck_permissions()), "analyze": tuple(_analyze_permissions())}
#: Read permissions to explain a failed restart; without them the result has fewer details, and a failure is detected
#: later.
READ_FOR_EXPLANATIONS = (
    *_permissions("", ("events",), "list watch", "explain a failed restart"),
    *_permissions("", ("pods/log",), "get", "explain a failed restart"),
)
MOVE = (*READ, *_move_permissions())
INSTALL = (*MOVE, *_install_permissions())
#: Installer -> permissions for a whole run. istioctl lists every kind that an old version may have created
#: (istio/istio operator/pkg/uninstall/prune.go); Helm stores its releases in Secrets.
NEEDED_BY_INSTALLER = {
    "external": MOVE,
    "istioctl": (
        *INSTALL,
        *_permissions("", ("secrets",), "list", "let istioctl prune"),
        *_permissions("networking.istio.io", ("envoyfilters",), "list", "let istioctl prune"),
    ),
    "helm": (
        *INSTALL,
        *_permissions("", ("secrets",), "get list create update delete", "store Helm's releases", local=True),
    ),
}


def missing_permissions(client: Client, needed: Iterable[Permission], namespace: str) -> tuple[Permission, ...]:
    """Return the permissions that the user of a client lacks; queries the API server in parallel, once for each."""

    def is_allowed(permission: Permission) -> bool:
        attributes = {"verb": permission.verb, "group": permission.group, "resource": permission.resource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, **({"namespace": namespace} if permission.local else {})}},
        }
        doing = f"Checking whether this user may {permission}"
        review = client.request("POST", REVIEWS, doing=doing, body=body)
        return bool((review.get("status") or {}).get("allowed"))

    if is_allowed(ANYTHING):
        return ()
    # The purpose is not part of a review: permissions that differ only in it are reviewed once.
    review_of = {permission: dataclasses.replace(permission, purpose="") for permission in needed}
    reviews = set(review_of.values())
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        allowed = dict(zip(reviews, pool.map(is_allowed, reviews), strict=True))
    return tuple(permission for permission, review in review_of.items() if not allowed[review])
