# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find everything that depends on a revision.

File `blockers` finds what selects the revision and what runs on it. This file adds what no label of a namespace shows:
proxies of terminating pods, proxies that only istiod knows, and configuration that no other istiod reads.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t
from collections.abc import Container, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import (
    Pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.mesh_names import mesh_names
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import Labelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import (
    Blocker,
    cron_job_blockers,
    name_blockers,
    pod_blockers,
    shared_component_blockers,
    workload_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Seconds after its deadline when a terminating pod is stuck: its node is dead, or a finalizer keeps it.
OVERDUE = 30


@dataclasses.dataclass(frozen=True)
class RemovalInputs:
    """Facts about a revision in addition to the snapshot; ``unread`` maps what could not be read to the reason."""

    owned: Sequence[OwnedObject] = ()
    cron_jobs: Sequence[Mapping[str, t.Any]] = ()
    configuration: Sequence[Labelled] = ()
    connected: Sequence[Connected] = ()
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Machines and remote clusters that are registered here: a proxy without a pod may belong to them.
    hints: Sequence[str] = ()
    now: datetime.datetime | None = None
    #: Seconds to wait for terminating pods.
    patience: float = 0

    @property
    def shared(self) -> frozenset[ObjectRef]:
        """Workloads of the whole mesh that are removed with the revision: each is a blocker itself."""
        return frozenset(obj.ref for obj in self.owned if obj.shared)


def find_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return everything that depends on a revision, each with the way to resolve it."""
    return [
        *name_blockers(snapshot, revision),
        *pod_blockers(snapshot, revision, inputs.shared),
        *terminating_proxy_blockers(snapshot, revision, inputs),
        *connected_proxy_blockers(snapshot, revision, inputs),
        *workload_blockers(snapshot, revision),
        *cron_job_blockers(snapshot, revision, inputs.cron_jobs),
        *configuration_blockers(snapshot, revision, inputs.configuration),
        *shared_component_blockers(inputs.owned, revision),
        *unchecked_blockers(revision, inputs),
    ]


def pods_with_revision(snapshot: Snapshot, revision: str) -> Iterable[Pod]:
    """Return the pods with a proxy of a revision of this mesh, terminating ones too: they need its istiod."""
    return (p for p in snapshot.pods if p.live and p.revision == revision and snapshot.in_this_mesh(p))


def terminating_pods(snapshot: Snapshot, revision: str, shared: Container[ObjectRef] = ()) -> list[Pod]:
    """Return the terminating pods with a proxy of a revision: they need its istiod until they are gone."""
    pods = (pod for pod in pods_with_revision(snapshot, revision) if pod.deleting)
    return [pod for pod in pods if snapshot.owner_ref(pod) not in shared]


def seconds_left(pod: Pod, now: datetime.datetime | None) -> float | None:
    """Return the seconds until a terminating pod must be gone, below 0 if it is overdue, None if that is unknown."""
    due = as_time(pod.gone_at)
    return (due - now).total_seconds() if due and now else None


def pods_to_await(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Pod]:
    """Return the terminating pods that are gone soon, so that waiting for them is enough."""
    times = ((pod, seconds_left(pod, inputs.now)) for pod in terminating_pods(snapshot, revision, inputs.shared))
    return [pod for pod, seconds in times if seconds is not None and -OVERDUE <= seconds <= inputs.patience]


def terminating_proxy_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return a blocker for each terminating pod that is not gone soon."""
    awaited = {pod.uid for pod in pods_to_await(snapshot, revision, inputs)}
    blockers = []
    for pod in terminating_pods(snapshot, revision, inputs.shared):
        seconds = seconds_left(pod, inputs.now)
        remedy = f"wait until {pod.gone_at}, when it is gone at the latest"
        if seconds is None or seconds < -OVERDUE:
            node = f"node {pod.node}" if pod.node else "its node"
            remedy = (
                f"it had to be gone at {pod.gone_at}: check {node} and its finalizers; once no container of it runs "
                "there, delete the pod by force, or the node"
            )
        subject = str(ObjectRef(pod.namespace, "Pod", pod.name))
        text = f"{subject} is terminating, and has a proxy of revision {revision} until it is gone"
        if pod.uid not in awaited:
            blockers.append(Blocker("terminating_proxy", subject, text, remedy))
    return blockers


def configuration_blockers(snapshot: Snapshot, revision: str, configuration: Iterable[Labelled]) -> list[Blocker]:
    """Return configuration that no istiod would read, and Gateways that no istiod would manage.

    Another mesh may have a revision of the same name: configuration in its namespaces belongs to it.
    """
    namesakes = {injector.home for injector in snapshot.mesh.foreign_injectors if injector.revision == revision}
    blockers = []
    for obj in configuration:
        if obj.revision != revision or _home_of(snapshot, obj.namespace) in namesakes:
            continue
        verb = "manages" if obj.is_gateway else "reads"
        text = f"{obj} has label {REVISION_LABEL}={revision}, so no other istiod {verb} it"
        remedy = f"remove its label {REVISION_LABEL}, or set it to the revision that stays"
        if namesakes and not _belongs_to_mesh(snapshot, obj.namespace):
            others = f"the mesh of namespace {' and '.join(sorted(namesakes))}"
            text += f" except that of {others}, which also has a revision of this name"
            remedy = f"if it is meant for {others}, leave it as it is and allow this blocker; otherwise {remedy}"
        blockers.append(Blocker("configuration", str(obj), text, remedy))
    return blockers


def _home_of(snapshot: Snapshot, namespace: str) -> str:
    """Return the namespace of the other mesh that a namespace belongs to, or an empty text."""
    if namespace in snapshot.mesh.other_mesh_namespaces:
        return namespace
    return snapshot.injection_of(namespace).other_mesh or "" if namespace in snapshot.namespaces else ""


def _belongs_to_mesh(snapshot: Snapshot, namespace: str) -> bool:
    """Return whether a namespace is known to belong to this mesh; cluster-scoped objects apply to all meshes."""
    return namespace in snapshot.namespaces and snapshot.injection_of(namespace).revision is not None


def unmatched_proxies(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Connected]:
    """Return the connected proxies without a pod of this revision; such a pod is a blocker already."""
    pods = {(pod.namespace, pod.name) for pod in pods_with_revision(snapshot, revision)}
    unmatched = []
    for proxy in inputs.connected:
        pod = snapshot.pods_by_place.get((proxy.namespace, proxy.name))
        shared = pod is not None and snapshot.owner_ref(pod) in inputs.shared
        if proxy.revision == revision and (proxy.namespace, proxy.name) not in pods and not shared:
            unmatched.append(proxy)
    return unmatched


def connected_proxy_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return the owners of proxies that are connected to istiod of a revision, although no pod of it has them."""
    of_other_pods: dict[tuple[str, str], int] = collections.Counter()
    blockers = []
    for proxy in unmatched_proxies(snapshot, revision, inputs):
        pod = snapshot.pods_by_place.get((proxy.namespace, proxy.name))
        if pod is not None:
            of_other_pods[str(snapshot.owner_ref(pod)), pod.revision or ""] += 1
        else:
            blockers.append(_outside_proxy_blocker(snapshot, revision, proxy, inputs.hints))
    for (place, pod_revision), count in sorted(of_other_pods.items()):
        proxies = "1 proxy" if count == 1 else f"{count} proxies"
        suffix = f" of revision {pod_revision}" if pod_revision else ""
        text = f"{place} has {proxies}{suffix} connected to istiod of revision {revision}"
        remedy = (
            "remove discoveryAddress from meshConfig.defaultConfig and from annotation proxy.istio.io/config, then "
            "restart it"
            if pod_revision
            else "connect it to the revision that stays"
        )
        blockers.append(Blocker("connected_proxy", place, text, remedy))
    return blockers


def _outside_proxy_blocker(snapshot: Snapshot, revision: str, proxy: Connected, hints: Sequence[str]) -> Blocker:
    """Return a blocker for a proxy that no pod of this cluster has."""
    plane = snapshot.mesh.revisions.get(revision)
    cluster = mesh_names(plane).get("cluster_name", "") if plane else ""
    subject = f"proxy {proxy.namespace}/{proxy.name}"
    hint = f" (known here: {join_limited(hints)})" if hints else ""
    if proxy.cluster and cluster and proxy.cluster != cluster:
        text = f"{subject} of cluster {proxy.cluster} is connected to istiod of revision {revision}"
        return Blocker(
            "connected_proxy", subject, text, f"move it in cluster {proxy.cluster} to a revision that stays{hint}"
        )
    text = f"{subject}, which is not a pod of this cluster, is connected to istiod of revision {revision}"
    remedy = (
        "if it is a machine, connect its agent to the revision that stays, and restart the agent; if it belongs to "
        f"another cluster, move it there{hint}"
    )
    return Blocker("connected_proxy", subject, text, remedy)


def unchecked_blockers(revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return a blocker for everything that could not be read: an unread object may need the revision."""
    remedy = "allow this user to read it, or fix the istiod that did not answer"
    if inputs.hints:
        remedy += f"; known here: {join_limited(inputs.hints)}"
    return [
        Blocker("not_checked", subject, f"not checked which {subject} needs revision {revision}: {reason}", remedy)
        for subject, message in inputs.unread.items()
        for reason in [message.rstrip(".")]
    ]
