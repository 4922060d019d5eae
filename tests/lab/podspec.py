# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the specification of an istiod pod: its binary, environment and arguments; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
PORTS = {"httpAddr": 8080, "httpsAddr": 15017, "grpcAddr": 15010, "secureGRPCAddr": 15012, "monitoringAddr": 15014}
CONTAINER = "discovery"
#: Version of istiod where its image does not name one, such as with a digest only.
VERSION_ANNOTATION = "lab.meshops.dev/version"


def discovery(pod: Mapping[str, Any]) -> Json:
    """Return the container that runs istiod."""
    containers: list[Json] = pod["spec"]["containers"]
    return next((container for container in containers if container["name"] == CONTAINER), containers[0])


def version(pod: Mapping[str, Any]) -> str:
    """Return the Istio version of the image tag without suffixes, so that builds of vendors run the plain binary.

    For an image that names no version, an annotation of the pod decides.
    """
    image: str = discovery(pod)["image"]
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    release = re.match(r"\d+\.\d+\.\d+", tag)
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return release[0] if release else annotations.get(VERSION_ANNOTATION, tag)


def environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the container, without those from resource limits or Secrets."""
    variables: dict[str, str] = {}
    for item in discovery(pod).get("env", []):
        value = item.get("value", "") if "valueFrom" not in item else _field(pod, item["valueFrom"])
        if value is not None:
            variables[item["name"]] = value
    return variables


def _field(pod: Mapping[str, Any], source: Mapping[str, Any]) -> str | None:
    reference = source.get("fieldRef")
    if reference is None:
        return None
    path: str = reference["fieldPath"]
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed is not None:
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return str(value)


def arguments(pod: Mapping[str, Any], kubeconfig: str, address: str) -> list[str]:
    """Return the arguments of the container, and those that bind the process to its address."""
    arguments_of_pod = [str(part) for part in discovery(pod).get("args", [])]
    listeners = [f"--{name}={address}:{port}" for name, port in PORTS.items()]
    return [*arguments_of_pod, f"--kubeconfig={kubeconfig}", *listeners, f"--ctrlz_address={address}"]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod is Ready by its status."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def routes(
    services: Sequence[Mapping[str, Any]], pods: Sequence[tuple[Mapping[str, Any], str]]
) -> dict[tuple[str, int], tuple[tuple[str, int], ...]]:
    """Return ClusterIP and port of each Service that selects one of these ready pods, with the pods' addresses."""
    routes_by_address: dict[tuple[str, int], tuple[tuple[str, int], ...]] = {}
    for service in services:
        spec = service["spec"]
        selector, cluster_ip = spec.get("selector"), spec.get("clusterIP", "None")
        if not selector or cluster_ip in ("None", ""):
            continue
        chosen = [
            address
            for pod, address in pods
            if pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selector.items() <= pod["metadata"].get("labels", {}).items()
        ]
        for port in spec.get("ports", []) if chosen else []:
            target = port.get("targetPort", port["port"])
            if isinstance(target, int):
                routes_by_address[cluster_ip, port["port"]] = tuple((address, target) for address in chosen)
    return routes_by_address


def status(pod: Mapping[str, Any], now: str, *, pod_ip: str, ready: bool, state: Json, restarts: int) -> Json:
    """Return a pod status as a kubelet would write it."""
    container = discovery(pod)
    running = "running" in state
    flag = "True" if ready else "False"
    why = {} if ready else {"reason": "ContainersNotReady"}
    pulled = "ImagePullBackOff" not in str(state)
    return {
        "phase": "Running" if running or restarts else "Pending",
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": pod.get("status", {}).get("startTime") or now,
        "conditions": [
            {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": now},
            {"type": "Initialized", "status": "True", "lastTransitionTime": now},
            {"type": "ContainersReady", "status": flag, "lastTransitionTime": now, **why},
            {"type": "Ready", "status": flag, "lastTransitionTime": now, **why},
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": f"lab://{container['image']}" if pulled else "",
                "ready": ready,
                "started": running,
                "restartCount": restarts,
                "state": state,
            }
        ],
    }
