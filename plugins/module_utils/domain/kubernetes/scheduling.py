# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the nodes where the scheduler may place a pod, with node selectors, affinity and taints.

Source: Kubernetes documentation, "Assigning Pods to Nodes" and "Taints and Tolerations"; only required rules count.
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

RawObject = Mapping[str, t.Any]
HOSTNAME = "kubernetes.io/hostname"
#: Effects of taints that repel pods.
_REPELLING = ("NoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


class AntiAffinity(t.NamedTuple):
    """Pod anti-affinity: it excludes the topology domains (host, zone) with a pod that the selector matches."""

    key: str
    selector: RawObject


@dataclasses.dataclass(frozen=True)
class Placement:
    """The scheduling rules of a pod template; ``terms`` are alternatives, and without terms any node matches."""

    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    terms: tuple[RawObject, ...] = ()
    tolerations: tuple[RawObject, ...] = ()
    anti_affinity: tuple[AntiAffinity, ...] = ()

    def allows(self, node: Node) -> bool:
        """Whether the scheduler may place such a pod on a node."""
        repelling = (taint for taint in node.taints if taint.get("effect") in _REPELLING)
        return (
            node.open
            and all(any(_tolerates(toleration, taint) for toleration in self.tolerations) for taint in repelling)
            and all(node.labels.get(key) == value for key, value in self.selector.items())
            and (not self.terms or any(_matches_term(term, node.labels) for term in self.terms))
        )

    def nodes_closed_to_pod(self, nodes: Iterable[Node], running: Iterable[tuple[str, Mapping[str, str]]]) -> set[str]:
        """Return the nodes that anti-affinity closes.

        Args:
            nodes: all nodes.
            running: (node, labels) of the running pods of its namespace.
        """
        closed: set[str] = set()
        nodes, running = list(nodes), list(running)
        by_name = {node.name: node for node in nodes}
        for rule in self.anti_affinity:
            taken = {
                _topology_domain(by_name[name], rule.key)
                for name, labels in running
                if name in by_name and matches(rule.selector, labels)
            }
            closed |= {node.name for node in nodes if _topology_domain(node, rule.key) in taken - {""}}
        return closed

    def nodes_closed_by_pod(self, nodes: Iterable[Node]) -> dict[str, set[str]]:
        """Return node -> the nodes that a pod on it closes for the next such pod."""
        nodes = list(nodes)
        return {node.name: self.nodes_closed_to_pod(nodes, [(node.name, self.labels)]) for node in nodes}


def _topology_domain(node: Node, key: str) -> str:
    return node.name if key == HOSTNAME else node.labels.get(key, "")


def _tolerates(toleration: RawObject, taint: RawObject) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.get("key"))
    return toleration.get("key") == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")


def _matches_term(term: RawObject, labels: Mapping[str, str]) -> bool:
    """Whether a term of node affinity matches; rules that compare numbers or fields are ignored."""
    rows = [row for row in term.get("matchExpressions") or () if row.get("operator") in _OPERATORS]
    return all(requirement_matches(row, labels) for row in rows)


def read_placement(template: RawObject, namespace: str) -> Placement:
    """Return the scheduling rules of a raw pod template."""
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    affinity = spec.get("affinity") or {}
    required = (affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}
    rows = (affinity.get("podAntiAffinity") or {}).get(_REQUIRED) or ()
    local = (row for row in rows if namespace in (row.get("namespaces") or (namespace,)))
    return Placement(
        labels=metadata.get("labels") or {},
        selector=spec.get("nodeSelector") or {},
        terms=tuple(required.get("nodeSelectorTerms") or ()),
        tolerations=tuple(spec.get("tolerations") or ()),
        anti_affinity=tuple(
            AntiAffinity(row["topologyKey"], row["labelSelector"]) for row in local if row.get("labelSelector")
        ),
    )
