# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes the namespaces of a mesh as rows of results: the revision that each selects, and its stale proxies."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import tags_followed_by_pods
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.default_injection import default_injection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Values of ``selected_by``; the third value is ``DEFAULT``.
REVISION, TAG = "revision", "tag"


class NamespaceRow(t.TypedDict):
    """One namespace that selects injection or in which proxies run."""

    name: str
    revision_label: str | None
    selected_by: str | None
    revision: str | None
    injected_by_default: bool
    followed_tags: list[str]
    selected_per_workload: bool
    gateways: bool
    proxies: int
    stale_proxies: int
    target_revisions: list[str]
    judged: dict[str, int]


def describe_namespaces(snapshot: Snapshot) -> list[NamespaceRow]:
    """Return one row per namespace that belongs to the mesh.

    It has a label that selects a revision, proxies, stale pods, pods that follow a tag by their own labels, or
    workloads whose labels a run has changed.
    """
    proxies: dict[str, int] = collections.Counter()
    stale: dict[str, int] = collections.Counter()
    targets: dict[str, set[str]] = collections.defaultdict(set)
    judged: dict[str, dict[str, int]] = collections.defaultdict(collections.Counter)
    for pod, status in snapshot.proxy_statuses:
        if pod.is_meshed or status.stale:
            judged[pod.namespace][status.basis.value] += 1
        proxies[pod.namespace] += pod.is_meshed
        stale[pod.namespace] += status.stale
        if status.stale and status.injection.revision:
            targets[pod.namespace].add(status.injection.revision)
    workloads = snapshot.workloads.values()
    changed = {workload.namespace for workload in workloads if workload.journal.changes}
    gateways = {workload.namespace for workload in workloads if workload.gateway}
    followed = tags_followed_by_pods(snapshot)
    own_label = _with_labelled_pods(snapshot)
    counted = {name for counts in (proxies, stale) for name, count in counts.items() if count}
    rows: list[NamespaceRow] = []
    for name, namespace in sorted(snapshot.namespaces.items()):
        label, other_mesh = namespace.revision_label, snapshot.other_mesh_of(name)
        ignored = bool(other_mesh) or name in IGNORED_NAMESPACES
        if (label is None or other_mesh) and name not in {*counted, *changed, *followed}:
            continue
        by_default = None if name in own_label else default_injection(snapshot, name)
        rows.append(
            {
                "name": name,
                "revision_label": label,
                "selected_by": DEFAULT if by_default else _selected_by(snapshot.mesh, label),
                "revision": None if ignored else snapshot.mesh.resolve(label) if label else by_default,
                "injected_by_default": by_default is not None,
                "followed_tags": followed.get(name, []),
                "selected_per_workload": _selected_per_workload(namespace.labels),
                "gateways": name in gateways,
                "proxies": proxies[name],
                "stale_proxies": stale[name],
                "target_revisions": sorted(targets[name]),
                "judged": dict(sorted(judged[name].items())),
            }
        )
    return rows


def _with_labelled_pods(snapshot: Snapshot) -> set[str]:
    """Return the namespaces with pods or workloads that select a revision of their own, which a label would replace."""
    pods = {pod.namespace for pod in snapshot.pods if REVISION_LABEL in pod.labels}
    workloads = snapshot.workloads.values()
    return pods | {workload.namespace for workload in workloads if REVISION_LABEL in workload.template_labels}


def _selected_by(mesh: Mesh, label: str | None) -> str | None:
    """Return whether a label is a revision, a tag or the default."""
    if label is None or label == DEFAULT:
        return label
    return TAG if label in mesh.tags else REVISION


def _selected_per_workload(labels: Mapping[str, str]) -> bool:
    """Whether a namespace selects no revision for all its pods, so that labels of its pods count."""
    return not {REVISION_LABEL, INJECTION_LABEL} & set(labels)
