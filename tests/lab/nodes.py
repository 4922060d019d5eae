# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the nodes of a cluster: only objects, whose kubelet is kwok."""

from __future__ import annotations

from typing import Any

from .client import Client
from .sources import KUBERNETES_VERSION

Json = dict[str, Any]
COUNT = 3
KUBELET_VERSION = f"v{KUBERNETES_VERSION}"
PATH = "/api/v1/nodes"
CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi", "pods": "500"}


def name_of(cluster: str, index: int) -> str:
    return f"{cluster}-node-{index}"


def node(name: str) -> Json:
    """Return the object of a node that registers."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def status(name: str, kubelet_port: int) -> Json:
    """Return the status that a kubelet would report, without the conditions, which kwok adds."""
    version = {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "kernelVersion": "6.1.0",
        "osImage": "Debian GNU/Linux 12 (bookworm)",
        "containerRuntimeVersion": "containerd://2.1.0",
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "addresses": addresses,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
        "nodeInfo": version,
    }


def create(client: Client, cluster: str, kubelet_port: int) -> None:
    """Register all nodes, and remove the taint for the node lifecycle controller, which is off."""
    for index in range(1, COUNT + 1):
        name = name_of(cluster, index)
        client.request("POST", PATH, node(name))
        client.request("PATCH", f"{PATH}/{name}/status", {"status": status(name, kubelet_port)})
        client.request("PATCH", f"{PATH}/{name}", {"spec": {"taints": None}})


def all_ready(client: Client) -> bool:
    """Return whether all nodes have a Ready condition."""
    nodes = client.request("GET", PATH)["items"]
    return len(nodes) == COUNT and all(_ready(item) for item in nodes)


def _ready(item: Json) -> bool:
    conditions = item["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def set_kubelet_version(client: Client, name: str, version: str) -> None:
    """Set the kubelet version of one node, by which istiod decides about native sidecars."""
    client.request("PATCH", f"{PATH}/{name}/status", {"status": {"nodeInfo": {"kubeletVersion": version}}})
