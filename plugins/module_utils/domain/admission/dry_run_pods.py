# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the pods of dry runs: those of a workload's own template, and one that stands for no workload."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef

#: Kinds whose pods have another direct owner, with its kind and API version.
_DIRECT_OWNERS = {
    "Deployment": ("ReplicaSet", "apps/v1"),
    "Rollout": ("ReplicaSet", "apps/v1"),
    "StatefulSet": ("StatefulSet", "apps/v1"),
    "DaemonSet": ("DaemonSet", "apps/v1"),
}
#: Requests and limits that quotas, and minimums, maximums and ratios of limits, usually allow.
_SMALL = {"cpu": "100m", "memory": "128Mi"}
#: The same for the proxy, which is injected with far higher limits by default (istio/istio pkg/kube/inject).
_SMALL_PROXY = {
    "sidecar.istio.io/proxyCPU": _SMALL["cpu"],
    "sidecar.istio.io/proxyCPULimit": _SMALL["cpu"],
    "sidecar.istio.io/proxyMemory": _SMALL["memory"],
    "sidecar.istio.io/proxyMemoryLimit": _SMALL["memory"],
}
#: Image of the stand-in if none of the cluster's own is known; nothing ever pulls it.
_IMAGE = "proof:1"


def pod_of_template(ref: ObjectRef, uid: str, template: Mapping[str, t.Any], labels: Mapping[str, str]) -> Json:
    """Return the pod that the controller of a workload would create, with an owner as policies may require one.

    Args:
        ref: the workload.
        uid: its uid.
        template: the annotations and the spec of its pods.
        labels: the labels of the pods; a planned change of them is not in the template yet.
    """
    kind, version = _DIRECT_OWNERS[ref.kind]
    owner = {"apiVersion": version, "kind": kind, "name": ref.name, "uid": uid or "unknown", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{ref.name[:50]}-",
            "labels": dict(labels),
            "annotations": template["metadata"]["annotations"],
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def stand_in(
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    image: str = "",
    *,
    host_network: bool = False,
) -> Json:
    """Return a pod that stands for no workload; policies refuse it as rarely as possible.

    It conforms to the level "restricted" of Pod Security (kubernetes.io, "Pod Security Standards"), and has a tagged
    image, requests, and limits.

    Args:
        labels: labels that select an injector.
        annotations: annotations that injection reads.
        image: an image of a registry that the cluster trusts.
        host_network: whether it uses the host network, which "restricted" forbids.
    """
    container = {
        "name": "app",
        "image": image or _IMAGE,
        "resources": {"requests": _SMALL, "limits": _SMALL},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "meshops-istio-proof-",
            "labels": dict(labels),
            "annotations": {**_SMALL_PROXY, **(annotations or {})},
        },
        "spec": {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"hostNetwork": True} if host_network else {}),
        },
    }
