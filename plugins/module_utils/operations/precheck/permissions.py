# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run must be allowed to do, and what the API server says about it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import RESOURCES

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#: Kinds that only some settings of Istio render; nobody needs the right to write them beforehand.
RARE = ("ResourceQuota", "NetworkAttachmentDefinition", "NetworkPolicy")
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
#: Istio's own configuration, by API group.
CONFIGURATION = {
    "extensions.istio.io": "trafficextensions wasmplugins",
    "networking.istio.io": "destinationrules envoyfilters gateways proxyconfigs serviceentries sidecars "
    "virtualservices workloadentries workloadgroups",
    "security.istio.io": "authorizationpolicies peerauthentications requestauthentications",
    "telemetry.istio.io": "telemetries",
}
#: What of the Gateway API istiod reads; a cluster may have some of it, or none.
GATEWAY_API = {
    "gateway.networking.k8s.io": "backendtlspolicies gatewayclasses gateways grpcroutes httproutes listenersets "
    "referencegrants tcproutes tlsroutes udproutes",
    "gateway.networking.x-k8s.io": "xbackendtrafficpolicies xlistenersets xmeshes",
}
ANYTHING = Permission("*", "*", "*", "do anything")


def _of(group: str, resources: Iterable[str], verbs: str, purpose: str, *, local: bool = False) -> list[Permission]:
    return [Permission(verb, group, resource, purpose, local) for resource in resources for verb in verbs.split()]


def _reading() -> list[Permission]:
    purpose = "read the mesh"
    return [
        *_of("", ("configmaps",), "get list", purpose, local=True),
        *_of("", ("namespaces", "pods", "services"), "get list", purpose),
        *_of("apps", (*ROLLED.values(), "replicasets"), "get list", purpose),
        *_of("batch", ("cronjobs", "jobs"), "get list", purpose),
        *_of("policy", ("poddisruptionbudgets",), "get list", purpose),
        *_of("admissionregistration.k8s.io", WEBHOOKS, "get list", purpose),
        *_of("apiextensions.k8s.io", ("customresourcedefinitions",), "get list", purpose),
    ]


def _kinds() -> list[tuple[str, str, str, bool]]:
    """Return (kind, group, resource, namespaced) of everything that Istio's charts render."""
    return [
        (kind, prefix.split("/")[2] if prefix.startswith("/apis/") else "", resource, namespaced)
        for kind, (prefix, resource, namespaced) in RESOURCES.items()
    ]


def _moving() -> list[Permission]:
    found = [
        *_of("coordination.k8s.io", ("leases",), "get create patch delete", "lock the cluster for a run", local=True),
        *_of("", ("configmaps",), "get create patch", "keep the record of a run", local=True),
        *_of("", ("namespaces",), "patch", "move namespaces"),
        *_of("", ("pods",), "create", "prove a revision by a dry-run pod"),
        *_of("apps", ROLLED.values(), "patch watch", "restart workloads"),
        *_of("", ("pods",), "watch", "restart workloads"),
        # a StatefulSet does not replace its own broken pod
        *_of("", ("pods",), "delete", "take a failed restart back"),
        *_of("admissionregistration.k8s.io", WEBHOOKS, "create patch delete", "move tags"),
        *_of("", ("services",), "create patch delete", "move tags", local=True),
    ]
    # both istioctl and the search for what belongs to a revision look in all namespaces
    for dummy, group, resource, _namespaced in _kinds():
        found += _of(group, (resource,), "list", "find what belongs to a revision")
    return found


def _installing() -> list[Permission]:
    purpose, rbac, giving = "install and retire control planes", "rbac.authorization.k8s.io", "escalate bind"
    found = _of(rbac, ("clusterroles",), giving, purpose) + _of(rbac, ("roles",), giving, purpose, local=True)
    for kind, group, resource, namespaced in _kinds():
        if kind not in RARE:
            # a control plane is retired, its CRDs never are
            verbs = "get create patch" + ("" if kind == "CustomResourceDefinition" else " delete")
            found += _of(group, (resource,), verbs, purpose, local=namespaced)
    return found


def _prechecking() -> list[Permission]:
    purpose = "ask istioctl x precheck"
    return [
        *_of("", ("namespaces", "pods", "services"), "list watch", purpose),
        *_of("apps", ("deployments",), "list watch", purpose),
        *_of("apiextensions.k8s.io", ("customresourcedefinitions",), "list", purpose),
        *_of("", ("configmaps",), "get", purpose, local=True),
    ]


def _analyzing() -> list[Permission]:
    purpose = "ask istioctl analyze"
    found = _of("", ("configmaps", "namespaces", "nodes", "pods", "secrets", "services"), "list watch", purpose)
    found += _of("apps", ("deployments",), "list watch", purpose)
    found += _of("admissionregistration.k8s.io", WEBHOOKS, "list watch", purpose)
    found += _of("apiextensions.k8s.io", ("customresourcedefinitions",), "list watch", purpose)
    for group, resources in CONFIGURATION.items():
        found += _of(group, resources.split(), "list watch", purpose)
    return found


READING = tuple(_reading())
#: What single checks look at beside the mesh; without it they are not made, and the others are. Secrets are left out:
#: no role allows the metadata alone, and the key of the mesh is among them.
LOOKING = (
    *_of("", ("nodes",), "list", "judge what surrounds the mesh"),
    *(
        one
        for group, resources in {**CONFIGURATION, **GATEWAY_API}.items()
        for one in _of(group, resources.split(), "list", "find configuration of one revision")
    ),
    *_of("discovery.k8s.io", ("endpointslices",), "list", "judge what surrounds the mesh", local=True),
    *_of("autoscaling", ("horizontalpodautoscalers",), "list", "judge what surrounds the mesh", local=True),
    *_of("", ("resourcequotas",), "list", "judge what surrounds the mesh", local=True),
    # since Kubernetes 1.35 create counts for websockets too
    *_of("", ("pods/portforward",), "get create", "ask istiod about its proxies", local=True),
)
#: Command of istioctl -> what it reads. It waits for ever for what it may not list (audit logs of 1.30.3 and 1.31.0).
ASKING = {"x precheck": tuple(_prechecking()), "analyze": tuple(_analyzing())}
#: What explains a failed restart; without it the result says less, and later.
EXPLAINING = (
    *_of("", ("events",), "list watch", "explain a failed restart"),
    *_of("", ("pods/log",), "get", "explain a failed restart"),
)
MOVING = (*READING, *_moving())
INSTALLING = (*MOVING, *_installing())
#: Who installs -> what a whole run needs. istioctl looks at every kind that an old version may have left
#: (istio/istio operator/pkg/uninstall/prune.go); Helm keeps its releases in Secrets.
NEEDED = {
    "external": MOVING,
    "istioctl": (
        *INSTALLING,
        *_of("", ("secrets",), "list", "let istioctl prune"),
        *_of("networking.istio.io", ("envoyfilters",), "list", "let istioctl prune"),
    ),
    "helm": (*INSTALLING, *_of("", ("secrets",), "get list create update delete", "keep Helm's releases", local=True)),
}


def missing_permissions(client: Client, wanted: Iterable[Permission], namespace: str) -> tuple[Permission, ...]:
    """Return which permissions the user of a client lacks; asks the API server, each question once and side by side."""

    def allowed(one: Permission) -> bool:
        attributes = {"verb": one.verb, "group": one.group, "resource": one.resource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, **({"namespace": namespace} if one.local else {})}},
        }
        answer = client.request("POST", REVIEWS, doing=f"Asking whether this user may {one}", body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    if allowed(ANYTHING):
        return ()
    asked = {one: dataclasses.replace(one, purpose="") for one in wanted}
    questions = set(asked.values())
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip(questions, pool.map(allowed, questions), strict=True))
    return tuple(one for one, question in asked.items() if not answers[question])
