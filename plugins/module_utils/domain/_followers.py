# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. What follows a tag: namespaces by their labels, workloads by the labels of their pods."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain._mesh import DEFAULT, INJECT, INJECTION, REV
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot, WorkloadKey


def users(snapshot: Snapshot, tag: str) -> list[str]:
    """Return the namespaces whose labels ask for a tag."""
    return sorted(n.name for n in snapshot.namespaces.values() if snapshot.owned_name(n) == tag)


def followers(snapshot: Snapshot, tag: str) -> list[WorkloadKey]:
    """Return (namespace, kind, name) of what follows a tag by the labels of its pods, not by its namespace."""
    own = {injector.name for injector in snapshot.mesh.injectors if injector.tag == tag}
    found = set()
    for pod, judgement in snapshot.judgements:
        namespace = snapshot.namespaces[pod.namespace]
        by_webhook = judgement.verdict.injector in own and snapshot.owned_name(namespace) != tag
        if by_webhook or asks_for(tag, namespace.labels, pod.labels):
            owner = snapshot.owner_of(pod)
            found.add((pod.namespace, owner.kind, owner.name))
    for workload in snapshot.workloads.values():
        inside = snapshot.namespaces.get(workload.namespace)
        if inside and workload.replicas == 0 and asks_for(tag, inside.labels, workload.template_labels):
            found.add(workload.key)
    return sorted(found)


def asks_for(tag: str, namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    """Return whether a pod's own labels ask for a tag, which may not be there yet."""
    if {REV, INJECTION} & set(namespace) or pod.get(INJECT) == "false":
        return False
    return pod.get(REV, DEFAULT if pod.get(INJECT) == "true" else None) == tag


def followed(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return, for each namespace with such pods, the tags that they follow by labels of their own."""
    found: dict[str, set[str]] = {}
    for tag in {*snapshot.mesh.tags, DEFAULT}:
        for namespace, dummy, dummy_name in followers(snapshot, tag):
            found.setdefault(namespace, set()).add(tag)
    return {namespace: sorted(tags) for namespace, tags in found.items()}
