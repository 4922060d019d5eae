# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A realistic population of a cluster: ten namespaces with about thirty pods."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

REVISION = "1-30-3"
TAG = "prod"
NAMESPACES = (
    "shop",
    "payments",
    "orders",
    "catalog",
    "search",
    "logging",
    "ingress",
    "reports",
    "batch",
    "legacy",
)
REGISTRY = "registry.example"


def objects(revision: str = REVISION, pod_start: str | None = None) -> list[Json]:
    """Return all objects, namespaces first. `revision` is the label of the namespaces that have one.

    With `pod_start`, such as "2s", pods get ready after that time instead of immediately.
    """
    items = _objects(revision)
    if pod_start is not None:
        for item in items:
            _slow(item, pod_start)
    return items


def _slow(item: Json, pod_start: str) -> None:
    spec = item.get("spec", {})
    if "template" in spec and item["kind"] != "Job":
        notes = spec["template"]["metadata"].setdefault("annotations", {})
        notes |= {"lab.meshops.dev/fault": "slow-start", "lab.meshops.dev/delay": pod_start}


def _objects(revision: str) -> list[Json]:
    return [
        *(_namespace(name, _mesh_labels(name, revision)) for name in NAMESPACES),
        *_deployment("shop", "web", 3),
        *_deployment("shop", "cart", 2),
        _budget("shop", "web", 2),
        *_deployment("payments", "api", 2),
        *_stateful_set("payments", "ledger", 2),
        *_deployment("orders", "intake", 2),
        _job("orders", "import-prices"),
        _cron_job("orders", "close-day", "0 3 * * *"),
        *_deployment("catalog", "browse", 2),
        *_deployment("catalog", "images", 2),
        *_stateful_set("search", "index", 3),
        _daemon_set("logging", "collector"),
        *_deployment("logging", "shipper", 1),
        *_gateway("ingress", "ingressgateway", 2),
        *_deployment("reports", "monthly", 2),
        _bare_pod("batch", "migration-shell"),
        _job("batch", "reindex", duration="24h"),
        *_deployment("legacy", "billing", 2),
        *_stateful_set("legacy", "files", 1),
    ]


def _mesh_labels(namespace: str, revision: str) -> dict[str, str]:
    if namespace == "legacy":
        return {}
    if namespace == "catalog":
        return {"istio-injection": "enabled"}
    return {"istio.io/rev": TAG if namespace == "reports" else revision}


def _namespace(name: str, labels: dict[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _metadata(namespace: str, name: str) -> Json:
    return {"name": name, "namespace": namespace, "labels": {"app": name}}


def _pod(namespace: str, name: str, **spec: Any) -> Json:
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    container = {
        "name": name,
        "image": f"{REGISTRY}/{namespace}/{name}:2.14.0",
        "ports": [{"containerPort": 8080}],
        "resources": resources,
    }
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


def _workload(kind: str, namespace: str, name: str, **spec: Any) -> Json:
    selector = {"matchLabels": {"app": name}}
    body = {"selector": selector, "template": _pod(namespace, name), **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": _metadata(namespace, name), "spec": body}


def _service(namespace: str, name: str, **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    body = {"selector": {"app": name}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(namespace, name), "spec": body}


def _deployment(namespace: str, name: str, replicas: int) -> list[Json]:
    return [_service(namespace, name), _workload("Deployment", namespace, name, replicas=replicas)]


def _stateful_set(namespace: str, name: str, replicas: int) -> list[Json]:
    workload = _workload("StatefulSet", namespace, name, replicas=replicas, serviceName=name)
    return [_service(namespace, name, clusterIP="None"), workload]


def _daemon_set(namespace: str, name: str) -> Json:
    return _workload("DaemonSet", namespace, name)


def _budget(namespace: str, name: str, available: int) -> Json:
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": name}}}
    metadata = _metadata(namespace, name)
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def _job_spec(namespace: str, name: str, duration: str) -> Json:
    template = _pod(namespace, name, restartPolicy="Never")
    template["metadata"]["annotations"] = {"lab.meshops.dev/duration": duration}
    return {"backoffLimit": 2, "template": template}


def _job(namespace: str, name: str, duration: str = "1s") -> Json:
    spec = _job_spec(namespace, name, duration)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(namespace, name), "spec": spec}


def _cron_job(namespace: str, name: str, schedule: str) -> Json:
    """Return a suspended CronJob, because its Jobs would look like writes of a user."""
    spec = {"schedule": schedule, "suspend": True, "jobTemplate": {"spec": _job_spec(namespace, name, "1s")}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": _metadata(namespace, name), "spec": spec}


def _bare_pod(namespace: str, name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Pod"} | _pod(namespace, name) | {"metadata": _metadata(namespace, name)}


def _gateway(namespace: str, name: str, replicas: int) -> list[Json]:
    """Return a gateway whose proxy container comes from injection, as Istio's documentation recommends."""
    workload = _workload("Deployment", namespace, name, replicas=replicas)
    template = workload["spec"]["template"]
    template["metadata"] = {
        "labels": {"app": name, "istio": name, "sidecar.istio.io/inject": "true"},
        "annotations": {"inject.istio.io/templates": "gateway"},
    }
    template["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    return [_service(namespace, name, selector={"istio": name}), workload]
