# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds that Istio's charts render, and the API path of an object of such a kind."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import segment


class ApiResource(t.NamedTuple):
    """Where the API server serves the objects of a kind."""

    prefix: str
    name: str
    namespaced: bool


#: Every kind that Istio's charts render.
RESOURCES: dict[str, ApiResource] = {
    "ConfigMap": ApiResource("/api/v1", "configmaps", True),
    "Service": ApiResource("/api/v1", "services", True),
    "ServiceAccount": ApiResource("/api/v1", "serviceaccounts", True),
    "Deployment": ApiResource("/apis/apps/v1", "deployments", True),
    "DaemonSet": ApiResource("/apis/apps/v1", "daemonsets", True),
    "Role": ApiResource("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ApiResource("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "PodDisruptionBudget": ApiResource("/apis/policy/v1", "poddisruptionbudgets", True),
    "HorizontalPodAutoscaler": ApiResource("/apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "NetworkPolicy": ApiResource("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "ResourceQuota": ApiResource("/api/v1", "resourcequotas", True),
    "NetworkAttachmentDefinition": ApiResource("/apis/k8s.cni.cncf.io/v1", "network-attachment-definitions", True),
    "ClusterRole": ApiResource("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ApiResource("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "MutatingWebhookConfiguration": ApiResource(
        "/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", False
    ),
    "ValidatingWebhookConfiguration": ApiResource(
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        False,
    ),
    "ValidatingAdmissionPolicy": ApiResource(
        "/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", False
    ),
    "ValidatingAdmissionPolicyBinding": ApiResource(
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        False,
    ),
    "CustomResourceDefinition": ApiResource("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
}


def object_path(kind: str, namespace: str, name: str) -> str:
    """Return the path of an object at the API server.

    Raises:
        MeshError: the kind is not in the table.
    """
    if kind not in RESOURCES:
        raise MeshError(f"Istio renders the kind {kind}, which this collection does not know; please report it.")
    prefix, resource, namespaced = RESOURCES[kind]
    folder = f"/namespaces/{segment(namespace)}" if namespaced else ""
    return f"{prefix}{folder}/{resource}/{segment(name)}"
