# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which nodes the scheduler may put a pod, and which pods keep each other off a node.

Source: Kubernetes documentation, "Assigning Pods to Nodes" and "Taints and Tolerations"; only what is required counts.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Node
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import (
    matches,
    requirement_matches,
)

Json = Mapping[str, t.Any]
HOSTNAME = "kubernetes.io/hostname"
#: Effects of taints that keep pods away.
_SHUT = ("NoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


class Apart(t.NamedTuple):
    """Anti-affinity: no place of this kind (a host, a zone) with a pod that the selector matches."""

    key: str
    selector: Json


@dataclasses.dataclass(frozen=True)
class Placement:
    """What a pod template says about nodes; ``terms`` are alternatives, none of them means any node."""

    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    terms: tuple[Json, ...] = ()
    tolerations: tuple[Json, ...] = ()
    apart: tuple[Apart, ...] = ()

    def allows(self, node: Node) -> bool:
        """Whether the scheduler may put such a pod on a node at all."""
        shut = (taint for taint in node.taints if taint.get("effect") in _SHUT)
        return (
            node.open
            and all(any(_tolerates(one, taint) for one in self.tolerations) for taint in shut)
            and all(node.labels.get(key) == value for key, value in self.selector.items())
            and (not self.terms or any(_holds(term, node.labels) for term in self.terms))
        )

    def closed(self, nodes: Iterable[Node], running: Iterable[tuple[str, Mapping[str, str]]]) -> set[str]:
        """Return the nodes that running pods of its namespace, each a node and labels, keep it off."""
        found: set[str] = set()
        nodes, running = list(nodes), list(running)
        by_name = {node.name: node for node in nodes}
        for apart in self.apart:
            taken = {_place(by_name[on], apart.key) for on, own in running if on in by_name and _meets(apart, own)}
            found |= {node.name for node in nodes if _place(node, apart.key) in taken - {""}}
        return found

    def rivals(self, nodes: Iterable[Node]) -> dict[str, set[str]]:
        """Return node -> the nodes that are closed for the next such pod when one is there."""
        nodes = list(nodes)
        return {node.name: self.closed(nodes, [(node.name, self.labels)]) for node in nodes}


def _meets(apart: Apart, labels: Mapping[str, str]) -> bool:
    return matches(apart.selector, labels)


def _place(node: Node, key: str) -> str:
    return node.name if key == HOSTNAME else node.labels.get(key, "")


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.get("key"))
    return toleration.get("key") == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")


def _holds(term: Json, labels: Mapping[str, str]) -> bool:
    """Whether a term of node affinity holds; what compares numbers or fields is not judged."""
    rows = [row for row in term.get("matchExpressions") or () if row.get("operator") in _OPERATORS]
    return all(requirement_matches(row, labels) for row in rows)


def read_placement(template: Json, namespace: str) -> Placement:
    """Return what a raw pod template says about nodes."""
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    affinity = spec.get("affinity") or {}
    required = (affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}
    rows = (affinity.get("podAntiAffinity") or {}).get(_REQUIRED) or ()
    here = (row for row in rows if namespace in (row.get("namespaces") or (namespace,)))
    return Placement(
        labels=metadata.get("labels") or {},
        selector=spec.get("nodeSelector") or {},
        terms=tuple(required.get("nodeSelectorTerms") or ()),
        tolerations=tuple(spec.get("tolerations") or ()),
        apart=tuple(Apart(row["topologyKey"], row["labelSelector"]) for row in here if row.get("labelSelector")),
    )
