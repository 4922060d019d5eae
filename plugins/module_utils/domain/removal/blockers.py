# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the objects that still need a revision (safety rule S4); it may be removed only without any."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Container, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import (
    MANAGED_GATEWAY,
    Pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    ProxyStatus,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    unrestartable_owner,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    ROLLED,
    top_owner,
)

#: Codes are stable: users name them to remove a revision anyway. Each has the consequence for the blocking object.
CODES = {
    "tag": "the tag is removed with the revision, and new pods that follow it start without a proxy",
    "namespace": "its new pods start without a proxy, without any error",
    "default_validator": "it is removed with the revision, and configuration without a revision label is not validated",
    "default_service": "it is removed with the revision",
    "live_proxy": "it gets no new configuration, and no new certificate when its own expires (by default after a day)",
    "terminating_proxy": "it gets no new configuration, endpoints and certificates until it is gone",
    "connected_proxy": (
        "it gets no new configuration, and no new certificate when its own expires (by default after a day)"
    ),
    "selects_revision": "its next pod starts without a proxy, without any error",
    "configuration": "no istiod reads it any more, without any error: requests that it denied are allowed",
    "shared_component": "it is deleted with the revision: traffic through it fails immediately",
    "not_checked": "objects that could not be read may need the revision, and lose their control plane",
}
MOVE_DEFAULT = "move all owners of the default: istio_tag name=default revision=..."


class BlockerRow(t.TypedDict):
    """One blocker in the results of a task."""

    code: str
    object: str
    message: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Blocker:
    """One object that still needs a revision, with the way to resolve it."""

    code: str
    object: str
    message: str
    remedy: str

    def as_row(self) -> BlockerRow:
        """Return the JSON-ready form that results carry."""
        return {"code": self.code, "object": self.object, "message": self.message, "remedy": self.remedy}


def require_known_blockers(codes: Iterable[str]) -> None:
    """Refuse unknown codes in parameter ``allow_blockers``.

    Raises:
        ParameterError: it lists the valid codes.
    """
    refuse_unknown("allow_blockers", "blocker", codes, CODES)


def override_warnings(blockers: Iterable[Blocker], revision: str) -> list[str]:
    """Return one warning per code of the blockers that a user allowed: the blockers and the consequence."""
    by_code: dict[str, list[str]] = collections.defaultdict(list)
    for blocker in blockers:
        by_code[blocker.code].append(blocker.message)
    return [
        f"Removing revision {revision} despite {code} blockers (allowed by allow_blockers): "
        f"{join_limited(by_code[code], between='; ')}. Consequence: {consequence}."
        for code, consequence in CODES.items()
        if code in by_code
    ]


def name_blockers(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return tags, namespaces and default objects that point at a revision."""
    mesh, blockers = snapshot.mesh, []
    for tag, target in mesh.tags.items():
        if target == revision:
            move = f"move it: istio_tag name={tag} revision=..., or remove it: istio_tag name={tag} state=absent"
            if tag in mesh.operator_tags:
                move = f"move it at {mesh.operator_tags[tag]}"
            blockers.append(Blocker("tag", f"tag {tag}", f"tag {tag} points at revision {revision}", move))
    for name, label in snapshot.namespaces_selecting(revision).items():
        text = f"namespace {name} selects {label}, which is revision {revision}"
        move = f"move it: namespace_revision namespaces={name} revision=..."
        if label in mesh.tags:
            move = f"move the tag: istio_tag name={label} revision=...; or {move}"
        blockers.append(Blocker("namespace", f"namespace {name}", text, move))
    if mesh.default_validator == revision:
        text = f"the default validator validates configuration with revision {revision}"
        blockers.append(Blocker("default_validator", "istiod-default-validator", text, MOVE_DEFAULT))
    if mesh.default_service == revision and mesh.tags.get(DEFAULT) != revision:
        text = f"the Service of tag default points at revision {revision}"
        blockers.append(Blocker("default_service", "istiod-revision-tag-default", text, MOVE_DEFAULT))
    return blockers


def pod_blockers(snapshot: Snapshot, revision: str, shared: Container[ObjectRef] = ()) -> list[Blocker]:
    """Return the owners of pods that run on a revision, connected or not, or get it at their next creation.

    Pods of shared components and of namespaces on the revision are left out: these block the removal themselves.
    """
    live: dict[tuple[str, str], int] = collections.Counter()
    selecting: dict[str, Mapping[str, str]] = {}
    on_revision = snapshot.namespaces_selecting(revision)
    for pod, proxy_status in snapshot.proxy_statuses:
        owner = snapshot.owner_ref(pod)
        if owner in shared:
            continue
        subject = str(owner)
        if pod.proxy_image and pod.revision == revision and snapshot.in_this_mesh(pod):
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
        return unrestartable_owner(top_owner(pod, snapshot.parents)).remedy
    unrestartable = snapshot.unrestartable_reason(workload)
    if unrestartable is not None:
        return unrestartable.remedy
    restart = f"rollout_restart namespaces={pod.namespace}"
    if proxy_status.injection.revision is None:
        return f"label its namespace again, or restart it without a proxy: {restart} scope=all"
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


def shared_component_blockers(owned: Iterable[OwnedObject], revision: str) -> list[Blocker]:
    """Return shared gateways, CNI and ztunnel that an uninstall of the revision would delete (rule S12).

    Accounts, roles and Services are listed only if their component has no workload.
    """
    shared = [obj for obj in owned if obj.shared]
    running = [obj for obj in shared if obj.kind in ROLLED]
    covered = {obj.component for obj in running}
    return [
        Blocker(
            "shared_component",
            str(obj),
            f"{obj.component} ({obj}) belongs to revision {revision} and would be deleted with it",
            "hand it over to the revision that stays: adopt_shared_components=true of istio_revision (variable "
            "istio_adopt_shared_components)",
        )
        for obj in shared
        if obj in running or obj.component not in covered
    ]
