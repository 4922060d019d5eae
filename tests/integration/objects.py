# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a cluster that a user chose, and the proxy that every pod runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lab import Cluster
from lab.resources import group_path

Json = dict[str, Any]
Key = tuple[str, str, str]
REV, INJECTION, STATUS = "istio.io/rev", "istio-injection", "sidecar.istio.io/status"

#: Kinds that controllers and kubelets write by themselves; what they follow from is compared.
DERIVED = frozenset(
    {"Pod", "ReplicaSet", "ControllerRevision", "EndpointSlice", "Endpoints", "Event", "Lease", "Node", "APIService"}
    | {"IPAddress", "PortForward", "Logs", "ComponentStatus"}
)
#: Objects that a running istiod writes: its certificate authority, copies of its root certificate, and its elections.
OF_ISTIOD = ("istio-ca-secret", "istio-ca-root-cert", "istio-ca-crl")
#: Objects that each new namespace gets a moment later.
OF_KUBERNETES = "kube-root-ca.crt"
ELECTION = "control-plane.alpha.kubernetes.io/leader"
#: Objects that a run keeps about itself; they are not a part of the mesh.
RECORD = "meshops-istio-run"
OF_SERVER = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "deletionTimestamp")
ROLLOUT_NUMBER = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Pod:
    """One pod, with what its proxy says of itself in three places."""

    uid: str
    owner: str
    image: str
    annotated: str
    injected_by: str
    ready: bool
    done: bool

    @property
    def version(self) -> str:
        """The version of the proxy, or nothing."""
        return self.image.rpartition(":")[2]


def until(holds: Callable[[], object], otherwise: str, *, timeout: float = 120) -> None:
    """Wait for something that is known to come; a machine may be slow."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def read_pod(raw: Json) -> Pod:
    """The facts of a raw pod."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status", {})
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    notes = meta.get("annotations", {})
    owners = [f"{one['kind']}/{one['name']}" for one in meta.get("ownerReferences", [])]
    return Pod(
        uid=meta["uid"],
        owner=owners[0] if owners else "",
        image=next((one["image"] for one in containers if one["name"] == "istio-proxy"), ""),
        annotated=notes.get(REV, ""),
        injected_by=json.loads(notes.get(STATUS, "{}")).get("revision", ""),
        ready=any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])),
        done=status.get("phase") in ("Succeeded", "Failed"),
    )


def pods(cluster: Cluster, namespaces: Iterable[str] | None = None) -> dict[tuple[str, str], Pod]:
    """All pods of a cluster or of some namespaces, but for those that are on their way out."""
    chosen = None if namespaces is None else set(namespaces)
    return {
        (raw["metadata"]["namespace"], raw["metadata"]["name"]): read_pod(raw)
        for raw in cluster.pods()
        if "deletionTimestamp" not in raw["metadata"] and (chosen is None or raw["metadata"]["namespace"] in chosen)
    }


def labels(cluster: Cluster) -> dict[str, dict[str, str]]:
    """The labels of every namespace."""
    return {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in cluster.items("/api/v1/namespaces")}


def _collections(cluster: Cluster) -> list[tuple[str, str]]:
    groups = [group["preferredVersion"]["groupVersion"] for group in cluster.request("GET", "/apis")["groups"]]
    found = []
    for version in ["v1", *groups]:
        path = group_path(version)
        for item in cluster.request("GET", path)["resources"]:
            if {"list", "get"} <= set(item["verbs"]) and item["kind"] not in DERIVED and "/" not in item["name"]:
                found.append((item["kind"], f"{path}/{item['name']}"))
    return found


def _chosen(raw: Json) -> Json:
    meta = {key: value for key, value in raw["metadata"].items() if key not in OF_SERVER}
    if notes := meta.pop("annotations", None):
        meta["annotations"] = {key: value for key, value in notes.items() if key != ROLLOUT_NUMBER}
    return {key: value for key, value in raw.items() if key != "status"} | {"metadata": meta}


def objects(cluster: Cluster) -> dict[Key, Json]:
    """Every object of every kind that is not derived, without status and what the API server adds."""

    def of_kind(collection: tuple[str, str]) -> dict[Key, Json]:
        kind, path = collection
        return {
            (kind, raw["metadata"].get("namespace", ""), raw["metadata"]["name"]): _chosen(raw)
            for raw in cluster.items(path)
            if raw["metadata"]["name"] not in (*OF_ISTIOD, OF_KUBERNETES, RECORD)
            and ELECTION not in raw["metadata"].get("annotations", {})
        }

    return {key: item for collection in _collections(cluster) for key, item in of_kind(collection).items()}


def changed(before: dict[Key, Json], after: dict[Key, Json]) -> dict[Key, str]:
    """Which objects were created, updated or deleted between two readings."""
    found = {}
    for key in {*before, *after}:
        if before.get(key) != after.get(key):
            found[key] = "create" if key not in before else "update" if key in after else "delete"
    return found


def resource_versions(cluster: Cluster, path: str) -> dict[str, str]:
    """Name to resource version of a list: equal readings mean that nothing was written, not even the same again."""
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in cluster.items(path)}


def injected(cluster: Cluster, namespace: str, **pod_labels: str) -> Pod:
    """The pod that the API server would create there now; nothing is stored."""
    spec = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asked", "labels": pod_labels}, "spec": spec}
    return read_pod(cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", body, {"dryRun": "All"}))
