# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What still needs a revision (safety rule S4); only an empty list lets it go."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Container, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    MANAGED_GATEWAY,
    Pod,
    ProxyStatus,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import Belonging
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    unrestartable_owner,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    ROLLED,
    top_owner,
)

#: Codes are stable: users name them to let a revision go all the same. Beside each, what that means.
CODES = {
    "tag": "the tag goes with the revision, and new pods of what follows it start without a proxy",
    "namespace": "its new pods start without a proxy, and nothing says so",
    "default_validator": "it goes with the revision, and configuration without a revision label is not validated",
    "default_service": "it goes with the revision",
    "live_proxy": "it gets no new configuration, and no new certificate when its own expires (by default after a day)",
    "terminating_proxy": "it serves without new configuration, endpoints and certificates until it is gone",
    "connected": "it gets no new configuration, and no new certificate when its own expires (by default after a day)",
    "selects_revision": "its next pod starts without a proxy, and nothing says so",
    "configuration": "no istiod reads it any more, and nothing says so: what it denied is allowed",
    "shared_component": "it is deleted with the revision: what goes through it fails at once",
    "not_checked": "objects that could not be read may need the revision, and lose their control plane",
}
MOVE_DEFAULT = "move all owners of the default: istio_tag name=default revision=..."


@dataclasses.dataclass(frozen=True)
class Blocker:
    """One object that still needs a revision, with the way to resolve it."""

    code: str
    object: str
    message: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """Return the JSON-ready form that results carry."""
        return dataclasses.asdict(self)


def require_known(codes: Iterable[str]) -> None:
    """Refuse codes in parameter ``allow_blockers`` that no blocker has.

    Raises:
        ParameterError: with the codes that there are.
    """
    refuse_unknown("allow_blockers", "blocker", codes, CODES)


def overridden(found: Iterable[Blocker], revision: str) -> list[str]:
    """Return one warning per code of blockers that a user has allowed: what it is about, and what follows."""
    by_code: dict[str, list[str]] = collections.defaultdict(list)
    for blocker in found:
        by_code[blocker.code].append(blocker.message)
    return [
        f"Revision {revision} goes in spite of {code}, as allow_blockers says: {some(by_code[code], between='; ')}. "
        f"What follows for each: {meaning}."
        for code, meaning in CODES.items()
        if code in by_code
    ]


def of_names(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return tags, namespaces and default objects that lead to a revision."""
    mesh, found = snapshot.mesh, []
    for tag, target in mesh.tags.items():
        if target == revision:
            move = f"move it: istio_tag name={tag} revision=..., or remove it: istio_tag name={tag} state=absent"
            if tag in mesh.operator_tags:
                move = f"move it at {mesh.operator_tags[tag]}"
            found.append(Blocker("tag", f"tag {tag}", f"tag {tag} points at revision {revision}", move))
    for name, asked in snapshot.namespaces_selecting(revision).items():
        text = f"namespace {name} asks for {asked}, which is revision {revision}"
        move = f"move it: namespace_revision namespaces={name} revision=..."
        if asked in mesh.tags:
            move = f"move the tag: istio_tag name={asked} revision=...; or {move}"
        found.append(Blocker("namespace", f"namespace {name}", text, move))
    if mesh.default_validator == revision:
        text = f"the default validator checks configuration with revision {revision}"
        found.append(Blocker("default_validator", "istiod-default-validator", text, MOVE_DEFAULT))
    if mesh.default_service == revision and mesh.tags.get(DEFAULT) != revision:
        text = f"the Service of tag default points at revision {revision}"
        found.append(Blocker("default_service", "istiod-revision-tag-default", text, MOVE_DEFAULT))
    return found


def of_pods(snapshot: Snapshot, revision: str, shared: Container[ObjectRef] = ()) -> list[Blocker]:
    """Return what runs on a revision, connected or not, and what would get it at its next creation.

    Shared components are blockers of their own, and so are namespaces; what follows from these is not listed again.
    """
    live: dict[tuple[str, str], int] = collections.Counter()
    wanted: dict[str, Mapping[str, str]] = {}
    asking = snapshot.namespaces_selecting(revision)
    for pod, proxy_status in snapshot.proxy_statuses:
        owner, what = snapshot.owner_of(pod), str(snapshot.owner_ref(pod))
        if (pod.namespace, owner.kind, owner.name) in shared:
            continue
        if pod.proxy_image and pod.revision == revision and snapshot.in_this_mesh(pod):
            live[(what, _replacing(snapshot, pod, proxy_status))] += 1
        elif proxy_status.injection.revision == revision and pod.namespace not in asking:
            wanted[what] = pod.labels
    found = [
        Blocker(
            "live_proxy",
            what,
            f"{what} has {count} live {'proxy' if count == 1 else 'proxies'} on revision {revision}",
            remedy,
        )
        for (what, remedy), count in sorted(live.items())
    ]
    return found + [
        _selects(what, f"the next pod of {what} would get revision {revision}", labels)
        for what, labels in sorted(wanted.items())
    ]


def _replacing(snapshot: Snapshot, pod: Pod, proxy_status: ProxyStatus) -> str:
    """Return how a person replaces a pod whose proxy is on a revision that has to go."""
    workload = snapshot.workload_of(pod)
    if MANAGED_GATEWAY in pod.labels:
        return f"label its Gateway or its namespace {REVISION_LABEL}=...; istiod then replaces it"
    if workload is None:
        return unrestartable_owner(top_owner(pod, snapshot.parents)).remedy
    why = snapshot.unrestartable_reason(workload)
    if why is not None:
        return why.remedy
    restart = f"rollout_restart namespaces={pod.namespace}"
    if proxy_status.injection.revision is None:
        return f"label its namespace again, or restart it without a proxy: {restart} scope=all"
    if proxy_status.injection.revision == pod.revision:
        return f"move its namespace, tag or label {REVISION_LABEL}, then restart it: {restart}"
    return f"restart it: {restart}"


def _selects(what: str, text: str, labels: Mapping[str, str]) -> Blocker:
    own = f"change the label {REVISION_LABEL} of its pods, or label its namespace: namespace_revision enroll=true"
    return Blocker("selects_revision", what, text, own if REVISION_LABEL in labels else MOVE_DEFAULT)


def of_workloads(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return workloads without pods now (scaled to zero) whose template still asks for a revision."""
    return [
        _selects(str(w), f"{w} has no pods now, but they would get revision {revision}", w.template_labels)
        for w in snapshot.workloads.values()
        if w.replicas == 0 and _asks(snapshot, revision, w.namespace, w.template_labels)
    ]


def of_cron_jobs(snapshot: Snapshot, revision: str, cron_jobs: Iterable[Mapping[str, t.Any]]) -> list[Blocker]:
    """Return CronJobs whose next run would ask for a revision by the labels of its pods."""
    found = []
    for obj in cron_jobs:
        namespace, labels = obj["metadata"]["namespace"], labels_of(obj["spec"]["jobTemplate"]["spec"]["template"])
        if _asks(snapshot, revision, namespace, labels):
            what = f"CronJob {namespace}/{name_of(obj)}"
            found.append(_selects(what, f"the next run of {what} would get revision {revision}", labels))
    return found


def _asks(snapshot: Snapshot, revision: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Return whether pods ask for a revision by themselves, not because their namespace does."""
    if namespace not in snapshot.namespaces or namespace in snapshot.namespaces_selecting(revision):
        return False
    return snapshot.injection_of(namespace, labels).revision == revision


def of_shared(owned: Iterable[Belonging], revision: str) -> list[Blocker]:
    """Return shared gateways, CNI and ztunnel that an uninstall of the revision would delete (rule S12).

    What runs pods is named; accounts, roles and Services beside it only where nothing of their component runs.
    """
    shared = [one for one in owned if one.shared]
    running = [one for one in shared if one.kind in ROLLED]
    covered = {one.component for one in running}
    return [
        Blocker(
            "shared_component",
            str(one),
            f"{one.component} ({one}) belongs to revision {revision} and would be deleted with it",
            "hand it over to the revision that stays: adopt_shared_components=true of istio_revision (variable"
            " istio_adopt_shared_components)",
        )
        for one in shared
        if one in running or one.component not in covered
    ]
