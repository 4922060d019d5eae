# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the scheduler would find room for more pods: requests against allocatable.

Source: Kubernetes documentation, "Resource Management for Pods and Containers" and "Sidecar Containers": a pod's
request is the larger of what its init containers need one by one, and of what runs together.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterable, Mapping

# kubernetes.utils.quantity would do, but importing it loads every typed model of the client
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, **{unit: 1e3**at for at, unit in enumerate("MGTPE", 2)}}
_UNITS.update({f"{unit}i": 1024.0**at for at, unit in enumerate("KMGTPE", 1)})


def quantity(value: object) -> float:
    """Return a Kubernetes quantity such as ``500m`` or ``2Gi`` in cores or bytes; 0 for what is none."""
    found = _QUANTITY.fullmatch(str(value).strip())
    if not found or found[2] not in _UNITS:
        return 0.0
    try:
        return float(found[1]) * _UNITS[found[2]]
    except ValueError:
        return 0.0


class Need(t.NamedTuple):
    """CPU in cores and memory in bytes, requested or there."""

    cpu: float = 0.0
    memory: float = 0.0

    def plus(self, other: Need, sign: int = 1) -> Need:
        """Return the sum, or with ``sign`` -1 the difference."""
        return Need(self.cpu + sign * other.cpu, self.memory + sign * other.memory)

    def fits(self, free: Need) -> bool:
        """Whether so much is free."""
        return self.cpu <= free.cpu and self.memory <= free.memory

    def __str__(self) -> str:
        return f"{self.cpu * 1000:.0f}m CPU and {self.memory / 1024**2:.0f}Mi memory"


NOTHING = Need()


def read_need(amounts: Mapping[str, t.Any] | None) -> Need:
    """Return what a map of resources says (requests, allocatable)."""
    found = amounts or {}
    return Need(quantity(found.get("cpu", 0)), quantity(found.get("memory", 0)))


def need_of_pod(spec: Mapping[str, t.Any], which: str = "requests") -> Need:
    """Return what a pod requests of a node, or with ``which`` "limits" what it may take there."""
    together, alone = NOTHING, NOTHING
    for container in spec.get("containers") or ():
        together = together.plus(_amounts(container, which))
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            together = together.plus(_amounts(container, which))
        else:
            one = _amounts(container, which)
            alone = Need(max(alone.cpu, one.cpu), max(alone.memory, one.memory))
    return Need(max(together.cpu, alone.cpu), max(together.memory, alone.memory)).plus(read_need(spec.get("overhead")))


def _amounts(container: Mapping[str, t.Any], which: str) -> Need:
    return read_need((container.get("resources") or {}).get(which))


@dataclasses.dataclass(frozen=True)
class Node:
    """A node as the scheduler sees it; ``open`` is whether it is ready and takes new pods."""

    name: str
    kubelet: str
    open: bool
    allocatable: Need
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
        allocatable=read_need(status.get("allocatable")),
        labels=obj["metadata"].get("labels") or {},
        taints=tuple(spec.get("taints") or ()),
    )


def room(nodes: Iterable[Node], taken: Mapping[str, Need]) -> dict[str, Need]:
    """Return what is free on each node; ``taken`` is what the pods of a node request."""
    return {node.name: node.allocatable.plus(taken.get(node.name, NOTHING), -1) for node in nodes}


def placed(need: Need, copies: int, free: Mapping[str, Need], rivals: Mapping[str, set[str]] | None = None) -> int:
    """Return how many of some equal pods find room, one by one where most memory is free.

    ``rivals`` are the nodes that one of them, on a node, closes for the others.
    """
    left = dict(free)
    for count in range(copies):
        fitting = [name for name, have in left.items() if need.fits(have)]
        if not fitting:
            return count
        best = max(fitting, key=lambda name: left[name].memory)
        left[best] = left[best].plus(need, -1)
        left = {name: have for name, have in left.items() if name not in (rivals or {}).get(best, ())}
    return copies
