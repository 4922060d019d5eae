# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the workloads, pods and CronJobs whose pods run on a revision, or get it at their next creation."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_loss import loss_remedy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyStatus
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import MOVE_DEFAULT, Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.terminating_proxies import pods_with_revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.managed_gateways import is_replaced
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def gateways_to_await(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Pod]:
    """Return the pods of a revision that istiod of another one replaces, while there is time to wait for it."""
    if inputs.patience <= 0:
        return []
    pods = (pod for pod in pods_with_revision(snapshot, revision) if not pod.deleting)
    return [pod for pod in pods if is_replaced(snapshot, pod)]


def pod_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return the owners of pods that run on a revision, connected or not, or get it at their next creation.

    Pods of shared components and of namespaces on the revision are left out: these block the removal themselves. Pods
    of managed gateways that istiod replaces are awaited.
    """
    live: dict[tuple[str, str], int] = collections.Counter()
    selecting: dict[str, Mapping[str, str]] = {}
    on_revision = snapshot.namespaces_selecting(revision)
    awaited = {pod.uid for pod in gateways_to_await(snapshot, revision, inputs)}
    for pod, proxy_status in snapshot.proxy_statuses:
        owner = snapshot.owner_ref(pod)
        if owner in inputs.shared or pod.uid in awaited:
            continue
        subject = str(owner)
        if pod.is_meshed and pod.revision == revision and snapshot.in_this_mesh(pod):
            live[(subject, _replacement_advice(snapshot, pod, proxy_status))] += 1
        elif proxy_status.injection.revision == revision and pod.namespace not in on_revision:
            selecting[subject] = pod.labels
    live_blockers = [
        Blocker(
            "live_proxy",
            subject,
            f"{subject} has {count} live {'proxy' if count == 1 else 'proxies'} on revision {revision}",
            remedy,
        )
        for (subject, remedy), count in sorted(live.items())
    ]
    return live_blockers + [
        _selection_blocker(subject, f"the next pod of {subject} would get revision {revision}", labels)
        for subject, labels in sorted(selecting.items())
    ]


def _replacement_advice(snapshot: Snapshot, pod: Pod, proxy_status: ProxyStatus) -> str:
    """Return how a user replaces a pod whose proxy is on the revision to remove."""
    workload = snapshot.workload_of(pod)
    if MANAGED_GATEWAY in pod.labels:
        return f"label its Gateway or its namespace {REVISION_LABEL}=...; istiod then replaces it"
    if workload is None:
        return snapshot.why_no_rollout(pod).remedy
    unrestartable = snapshot.unrestartable_reason(workload)
    if unrestartable is not None:
        return unrestartable.remedy
    restart = f"rollout_restart namespaces={pod.namespace}"
    if proxy_status.injection.revision is None:
        return loss_remedy(proxy_status.injection.code, pod.namespace)
    if proxy_status.injection.revision == pod.revision:
        return f"move its namespace, tag or label {REVISION_LABEL}, then restart it: {restart}"
    return f"restart it: {restart}"


def _selection_blocker(subject: str, text: str, labels: Mapping[str, str]) -> Blocker:
    relabel = f"change the label {REVISION_LABEL} of its pods, or label its namespace: namespace_revision enroll=true"
    return Blocker("selects_revision", subject, text, relabel if REVISION_LABEL in labels else MOVE_DEFAULT)


def workload_blockers(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return workloads without pods now (scaled to zero) whose template still selects a revision."""
    return [
        _selection_blocker(str(w), f"{w} has no pods now, but they would get revision {revision}", w.template_labels)
        for w in snapshot.workloads.values()
        if w.replicas == 0 and _pods_select(snapshot, revision, w.namespace, w.template_labels)
    ]


def cron_job_blockers(snapshot: Snapshot, revision: str, cron_jobs: Iterable[Mapping[str, t.Any]]) -> list[Blocker]:
    """Return CronJobs whose next run would select a revision by the labels of its pods."""
    blockers = []
    for obj in cron_jobs:
        namespace, labels = obj["metadata"]["namespace"], labels_of(obj["spec"]["jobTemplate"]["spec"]["template"])
        if _pods_select(snapshot, revision, namespace, labels):
            subject = f"CronJob {namespace}/{name_of(obj)}"
            text = f"the next run of {subject} would get revision {revision}"
            blockers.append(_selection_blocker(subject, text, labels))
    return blockers


def _pods_select(snapshot: Snapshot, revision: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Return whether pods select a revision by their own labels, not by those of their namespace."""
    if namespace not in snapshot.namespaces or namespace in snapshot.namespaces_selecting(revision):
        return False
    return snapshot.injection_of(namespace, labels).revision == revision
