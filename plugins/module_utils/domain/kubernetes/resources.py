# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes whether the scheduler can place more pods: resource requests against allocatable resources.

Source: Kubernetes documentation, "Resource Management for Pods and Containers" and "Sidecar Containers": a pod's
request is the larger of what its init containers need one by one, and of what runs together.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

# kubernetes.utils.quantity does the same, but importing it loads every typed model of the client.
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, **{unit: 1e3**at for at, unit in enumerate("MGTPE", 2)}}
_UNITS.update({f"{unit}i": 1024.0**at for at, unit in enumerate("KMGTPE", 1)})


def read_quantity(value: object) -> float:
    """Return a Kubernetes quantity such as ``500m`` or ``2Gi`` in cores or bytes; 0 for an invalid one."""
    match = _QUANTITY.fullmatch(str(value).strip())
    if not match or match[2] not in _UNITS:
        return 0.0
    try:
        return float(match[1]) * _UNITS[match[2]]
    except ValueError:
        return 0.0


class ResourceRequests(t.NamedTuple):
    """CPU in cores and memory in bytes, requested or available."""

    cpu: float = 0.0
    memory: float = 0.0

    def plus(self, other: ResourceRequests, sign: int = 1) -> ResourceRequests:
        """Return the sum, or with ``sign`` -1 the difference."""
        return ResourceRequests(self.cpu + sign * other.cpu, self.memory + sign * other.memory)

    def fits(self, free: ResourceRequests) -> bool:
        """Whether these resources are free."""
        return self.cpu <= free.cpu and self.memory <= free.memory

    def __str__(self) -> str:
        return f"{self.cpu * 1000:.0f}m CPU and {self.memory / 1024**2:.0f}Mi memory"


NO_RESOURCES = ResourceRequests()


def read_requests(amounts: Mapping[str, t.Any] | None) -> ResourceRequests:
    """Return the amounts in a map of resources (requests, limits, allocatable)."""
    resources = amounts or {}
    return ResourceRequests(read_quantity(resources.get("cpu", 0)), read_quantity(resources.get("memory", 0)))


def pod_requests(spec: Mapping[str, t.Any], which: str = "requests") -> ResourceRequests:
    """Return the requests of a pod, or with ``which`` "limits" its limits."""
    together, alone = NO_RESOURCES, NO_RESOURCES
    for container in spec.get("containers") or ():
        together = together.plus(_amounts(container, which))
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            together = together.plus(_amounts(container, which))
        else:
            amounts = _amounts(container, which)
            alone = ResourceRequests(max(alone.cpu, amounts.cpu), max(alone.memory, amounts.memory))
    return ResourceRequests(max(together.cpu, alone.cpu), max(together.memory, alone.memory)).plus(
        read_requests(spec.get("overhead"))
    )


def _amounts(container: Mapping[str, t.Any], which: str) -> ResourceRequests:
    return read_requests((container.get("resources") or {}).get(which))


@dataclasses.dataclass(frozen=True)
class Node:
    """The facts of a node that the scheduler uses; ``open`` is whether it is ready and accepts new pods."""

    name: str
    kubelet: str
    open: bool
    allocatable: ResourceRequests
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Mapping[str, t.Any], ...] = ()


def read_node(obj: Mapping[str, t.Any]) -> Node:
    """Return the facts of a raw Node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    return Node(
        name=str(obj["metadata"].get("name", "")),
        kubelet=str((status.get("nodeInfo") or {}).get("kubeletVersion", "")),
        open=not spec.get("unschedulable") and conditions.get("Ready", "True") == "True",
        allocatable=read_requests(status.get("allocatable")),
        labels=obj["metadata"].get("labels") or {},
        taints=tuple(spec.get("taints") or ()),
    )


def free_resources(nodes: Iterable[Node], taken: Mapping[str, ResourceRequests]) -> dict[str, ResourceRequests]:
    """Return the free resources of each node; ``taken`` maps a node to the requests of its pods."""
    return {node.name: node.allocatable.plus(taken.get(node.name, NO_RESOURCES), -1) for node in nodes}


def schedulable_replicas(
    requests: ResourceRequests,
    copies: int,
    free: Mapping[str, ResourceRequests],
    rivals: Mapping[str, set[str]] | None = None,
) -> int:
    """Return how many of some equal pods can be placed, one by one on the node with the most free memory.

    ``rivals`` maps a node to the nodes that one of the pods on it closes for the others.
    """
    remaining = dict(free)
    for count in range(copies):
        fitting = [name for name, have in remaining.items() if requests.fits(have)]
        if not fitting:
            return count
        best = max(fitting, key=lambda name: remaining[name].memory)
        remaining[best] = remaining[best].plus(requests, -1)
        remaining = {name: have for name, have in remaining.items() if name not in (rivals or {}).get(best, ())}
    return copies
