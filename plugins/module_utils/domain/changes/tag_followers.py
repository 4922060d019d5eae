# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the followers of a tag: namespaces by their label, workloads by the labels of their pods."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import PlannedSteps
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECT_LABEL,
    INJECTION_LABEL,
    REVISION_LABEL,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.default_injection import default_injection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def namespaces_selecting_tag(snapshot: Snapshot, tag: str) -> list[str]:
    """Return the namespaces whose labels select a tag."""
    selecting = (name for name, namespace in snapshot.namespaces.items() if namespace.revision_label == tag)
    return sorted(name for name in selecting if not snapshot.other_mesh_of(name))


def workloads_following_tag(snapshot: Snapshot, tag: str) -> list[ObjectRef]:
    """Return the owners whose pods select a tag by their own labels, not by the namespace."""
    webhooks = {injector.name for injector in snapshot.mesh.injectors if injector.tag == tag}
    refs = set()
    for pod, proxy_status in snapshot.proxy_statuses:
        namespace = snapshot.namespaces[pod.namespace]
        by_webhook = proxy_status.injection.injector in webhooks and namespace.revision_label != tag
        if by_webhook or labels_select(tag, namespace.labels, pod.labels):
            refs.add(snapshot.owner_ref(pod))
    for workload in snapshot.workloads.values():
        space = snapshot.namespaces.get(workload.namespace)
        if space and workload.replicas == 0 and labels_select(tag, space.labels, workload.template_labels):
            refs.add(workload.ref)
    return sorted(refs)


def labels_select(tag: str, namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    """Return whether a pod's own labels select a tag, which may not exist yet."""
    if {REVISION_LABEL, INJECTION_LABEL} & set(namespace) or pod.get(INJECT_LABEL) == "false":
        return False
    return pod.get(REVISION_LABEL, DEFAULT if pod.get(INJECT_LABEL) == "true" else None) == tag


def tags_followed_by_pods(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return namespace -> the tags that its pods select by their own labels; only namespaces with such pods."""
    followed: dict[str, set[str]] = {}
    for tag in {*snapshot.mesh.tags, DEFAULT}:
        for ref in workloads_following_tag(snapshot, tag):
            followed.setdefault(ref.namespace, set()).add(tag)
    return {namespace: sorted(tags) for namespace, tags in followed.items()}


def namespaces_leaving(snapshot: Snapshot, names: Iterable[str], target: str | None) -> dict[str, set[str]]:
    """Return revision -> those of the namespaces that are moved away from it by a move to the target."""
    namespaces: dict[str, set[str]] = collections.defaultdict(set)
    for name in names:
        label = snapshot.namespaces[name].revision_label
        revision = snapshot.mesh.resolve(label) if label is not None else default_injection(snapshot, name)
        if revision not in (None, target):
            namespaces[str(revision)].add(name)
    return dict(namespaces)


def restarted_namespaces(snapshot: Snapshot, steps: PlannedSteps) -> set[str]:
    """Return the namespaces in which planned steps restart the stale workloads.

    With a tag all its followers are restarted; with the default tag only those that select it by labels of their pods.
    """
    if steps.restarted is not None:
        return {*steps.restarted}
    namespaces = {*steps.namespaces, *(ref.namespace for ref in steps.workloads if ref in snapshot.workloads)}
    for tag in steps.tags:
        namespaces |= {ref.namespace for ref in workloads_following_tag(snapshot, tag)}
        namespaces |= set() if tag == DEFAULT else set(namespaces_selecting_tag(snapshot, tag))
    return namespaces
