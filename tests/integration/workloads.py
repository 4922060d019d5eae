# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads of every kind and state, as objects of the API: for the precheck, and for restarts of Argo Rollouts."""

from __future__ import annotations

from typing import Any

from integration.objects import until
from lab import Cluster

Json = dict[str, Any]
PLACE = "annex"
NOT_YET = "annex-late"
APP = {"name": "app", "image": "registry.example/app:1"}
PROXY = {"name": "istio-proxy"}
NO_PROXY = {"sidecar.istio.io/inject": "false"}
ZTUNNEL = "registry.example/istio/ztunnel:1.29.4-distroless"
CNI = {"name": "install-cni", "image": "registry.example/istio/install-cni:1.30.3"}
OWN_PROXY = "registry.example/istio/proxyv2:1.30.1"
PIN = "sidecar.istio.io/proxyImage"
LASTING = {"lab.meshops.dev/duration": "24h"}
ARGO = "argoproj.io"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
ROLLOUTS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"rollouts.{ARGO}"},
    "spec": {
        "group": ARGO,
        "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": ANYTHING},
            }
        ],
    },
}


def pod_template(
    name: str, *containers: Json, labels: Json | None = None, notes: Json | None = None, **spec: Any
) -> Json:
    """A pod template with an app, or with containers of its own."""
    metadata = {"labels": {"app": name, **(labels or {})}, "annotations": notes or {}}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [APP], **spec}}


def workload(kind: str, name: str, template: Json | None = None, *, namespace: str = PLACE, **spec: Any) -> Json:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet."""
    body = {"selector": {"matchLabels": {"app": name}}, "template": template or pod_template(name), **spec}
    if kind == "StatefulSet":
        body["serviceName"] = name
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def job(name: str, kind: str = "Job", **spec: Any) -> Json:
    """A Job that lasts, or a CronJob of such Jobs that does not start any by itself."""
    own = {"template": pod_template(name, notes=LASTING, restartPolicy="Never")}
    body = own if kind == "Job" else {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": own}}
    return {
        "apiVersion": "batch/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {**body, **spec},
    }


def budget(name: str, **spec: Any) -> Json:
    """A PodDisruptionBudget over the pods of one workload."""
    metadata = {"name": f"of-{name}", "namespace": PLACE}
    body = {"selector": {"matchLabels": {"app": name}}, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": body}


def namespace(name: str, **labels: str) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


NO_SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
STATES: list[Json] = [
    workload("Deployment", "paused"),
    workload("DaemonSet", "by-hand", updateStrategy={"type": "OnDelete"}),
    workload(
        "StatefulSet",
        "half",
        replicas=2,
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
    ),
    workload("ReplicaSet", "lonely"),
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare", "namespace": PLACE},
        "spec": pod_template("bare")["spec"],
    },
    job("once"),
    job("nightly", "CronJob"),
    workload("Deployment", "single", strategy={"type": "Recreate"}),
    workload("Deployment", "tight", replicas=2, strategy=NO_SURGE),
    budget("tight", minAvailable=2),
    workload("Deployment", "locked", replicas=2, strategy=NO_SURGE),
    budget("locked", maxUnavailable=0),
    workload("Deployment", "surging", replicas=2),
    budget("surging", maxUnavailable=0),
    workload("Deployment", "noted", pod_template("noted", notes={PIN: OWN_PROXY})),
    workload("Deployment", "fixed", pod_template("fixed", APP, {**PROXY, "image": OWN_PROXY})),
    workload("Deployment", "current", replicas=2),
    workload("Deployment", "gateway", pod_template("gateway", {**PROXY, "image": "auto"}, labels=NO_PROXY)),
    workload("DaemonSet", "ztunnel", pod_template("ztunnel", {**PROXY, "image": ZTUNNEL}, labels=NO_PROXY)),
    workload("DaemonSet", "istio-cni-node", pod_template("istio-cni-node", CNI, labels=NO_PROXY)),
    workload("Deployment", "outside", namespace=NOT_YET, replicas=2),
]


def owned(item: Json, owner: Json) -> Json:
    """An object as the controller of another one would make it."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    item["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    return item


def put_rollout(cluster: Cluster) -> None:
    """An Argo Rollout with the ReplicaSet that its controller would make."""
    cluster.apply([ROLLOUTS])
    path = f"/apis/{ARGO}/v1alpha1/namespaces/{PLACE}/rollouts"
    until(
        lambda: ARGO in {one["name"] for one in cluster.request("GET", "/apis")["groups"]}, "Argo's CRD is not served"
    )
    body = {"apiVersion": f"{ARGO}/v1alpha1", "kind": "Rollout", "metadata": {"name": "progressive"}}
    rollout = cluster.request("POST", path, body)
    cluster.apply([owned(workload("ReplicaSet", "progressive-7f"), rollout)])
