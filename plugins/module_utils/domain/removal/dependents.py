# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that hangs on a revision, whoever asks for it; pure.

What leads to it and what runs on it is told by _blockers; here is what no label of a namespace shows: proxies on their
way out, proxies that istiod alone knows, and configuration that nobody else reads.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t
from collections.abc import Container, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_time
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.identity import identity
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import Labelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal import blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import Belonging
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Seconds after which a pod that had to be gone does not go by itself: its node is dead, or a finalizer holds it.
OVERDUE = 30


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a revision beside the snapshot; ``unread`` maps what could not be asked to why."""

    owned: Sequence[Belonging] = ()
    cron_jobs: Sequence[Mapping[str, t.Any]] = ()
    configuration: Sequence[Labelled] = ()
    connected: Sequence[Connected] = ()
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Machines and clusters that are announced here: whose proxy it may be that no pod has.
    hints: Sequence[str] = ()
    now: datetime.datetime | None = None
    #: For how many seconds pods on their way out are waited for.
    patience: float = 0

    @property
    def shared(self) -> frozenset[ObjectRef]:
        """Workloads of the whole mesh that go with the revision: they are blockers of their own."""
        return frozenset(ObjectRef(one.namespace, one.kind, one.name) for one in self.owned if one.shared)


def dependents(snapshot: Snapshot, revision: str, known: Known) -> list[Blocker]:
    """Return everything that hangs on a revision, each with the way to resolve it."""
    return [
        *blockers.of_names(snapshot, revision),
        *blockers.of_pods(snapshot, revision, known.shared),
        *of_leaving(snapshot, revision, known),
        *of_connected(snapshot, revision, known),
        *blockers.of_workloads(snapshot, revision),
        *blockers.of_cron_jobs(snapshot, revision, known.cron_jobs),
        *of_configuration(snapshot, revision, known.configuration),
        *blockers.of_shared(known.owned, revision),
        *unchecked_blockers(revision, known),
    ]


def carriers(snapshot: Snapshot, revision: str) -> Iterable[Pod]:
    """Return the pods that carry a revision of this mesh, terminating ones too: they need its istiod until they end."""
    return (p for p in snapshot.pods if p.live and p.revision == revision and snapshot.in_this_mesh(p))


def leaving(snapshot: Snapshot, revision: str, shared: Container[ObjectRef] = ()) -> list[Pod]:
    """Return the pods on their way out that carry a revision: until they are gone they need their istiod."""
    found = (pod for pod in carriers(snapshot, revision) if pod.deleting)
    return [pod for pod in found if _owner(snapshot, pod) not in shared]


def _owner(snapshot: Snapshot, pod: Pod) -> ObjectRef:
    owner = snapshot.owner_of(pod)
    return ObjectRef(pod.namespace, owner.kind, owner.name)


def seconds_left(pod: Pod, now: datetime.datetime | None) -> float | None:
    """Return in how many seconds a pod has to be gone, below 0 if it is overdue; None if nobody knows."""
    due = as_time(pod.gone_at)
    return (due - now).total_seconds() if due and now else None


def awaited(snapshot: Snapshot, revision: str, known: Known) -> list[Pod]:
    """Return the pods on their way out that are gone soon, so that waiting for them is enough."""
    found = ((pod, seconds_left(pod, known.now)) for pod in leaving(snapshot, revision, known.shared))
    return [pod for pod, left in found if left is not None and -OVERDUE <= left <= known.patience]


def of_leaving(snapshot: Snapshot, revision: str, known: Known) -> list[Blocker]:
    """Return the pods on their way out that are not gone soon."""
    waiting = {pod.uid for pod in awaited(snapshot, revision, known)}
    found = []
    for pod in leaving(snapshot, revision, known.shared):
        left = seconds_left(pod, known.now)
        remedy = f"wait until {pod.gone_at}, when it is gone at the latest"
        if left is None or left < -OVERDUE:
            where = f"node {pod.node}" if pod.node else "its node"
            remedy = (
                f"it had to be gone at {pod.gone_at}: look at {where} and at its finalizers; once nothing runs there "
                "any more, delete the pod by force, or the node"
            )
        what = str(ObjectRef(pod.namespace, "Pod", pod.name))
        text = f"{what} is on its way out, and carries a proxy of revision {revision} until it is gone"
        if pod.uid not in waiting:
            found.append(Blocker("terminating_proxy", what, text, remedy))
    return found


def of_configuration(snapshot: Snapshot, revision: str, configuration: Iterable[Labelled]) -> list[Blocker]:
    """Return configuration that nobody would read, and Gateways that nobody would keep.

    Another mesh may have a revision of the same name: what is in its namespaces is its own.
    """
    namesakes = {injector.home for injector in snapshot.mesh.foreign if injector.revision == revision}
    found = []
    for one in configuration:
        if one.revision != revision or _home_of(snapshot, one.namespace) in namesakes:
            continue
        does = "keeps" if one.is_gateway else "reads"
        text = f"{one} has label {REVISION_LABEL}={revision}, so no other istiod {does} it"
        remedy = f"remove its label {REVISION_LABEL}, or give it the name of the revision that stays"
        if namesakes and not _follows_us(snapshot, one.namespace):
            others = f"the mesh of namespace {' and '.join(sorted(namesakes))}"
            text += f" but that of {others}, which has a revision of this name too"
            remedy = f"if it is meant for {others}, leave it as it is and allow this blocker; otherwise {remedy}"
        found.append(Blocker("configuration", str(one), text, remedy))
    return found


def _home_of(snapshot: Snapshot, namespace: str) -> str:
    """Return the namespace of the other mesh that a namespace belongs to, or an empty text."""
    if namespace in snapshot.mesh.others:
        return namespace
    return snapshot.injection_of(namespace).other_mesh or "" if namespace in snapshot.namespaces else ""


def _follows_us(snapshot: Snapshot, namespace: str) -> bool:
    """Whether a namespace is known to belong to this mesh; objects of the whole cluster are about all meshes."""
    return namespace in snapshot.namespaces and snapshot.injection_of(namespace).revision is not None


def strangers(snapshot: Snapshot, revision: str, known: Known) -> list[Connected]:
    """Return the connected proxies of which no pod of this revision tells: these are blockers already."""
    known_pods = {(pod.namespace, pod.name) for pod in carriers(snapshot, revision)}
    found = []
    for one in known.connected:
        pod = snapshot.pods_by_place.get((one.namespace, one.name))
        shared = pod is not None and _owner(snapshot, pod) in known.shared
        if one.revision == revision and (one.namespace, one.name) not in known_pods and not shared:
            found.append(one)
    return found


def of_connected(snapshot: Snapshot, revision: str, known: Known) -> list[Blocker]:
    """Return proxies that are connected to istiod of a revision, although no pod here says that they are of it."""
    strayed: dict[tuple[str, str], int] = collections.Counter()
    found = []
    for one in strangers(snapshot, revision, known):
        pod = snapshot.pods_by_place.get((one.namespace, one.name))
        if pod is not None:
            strayed[str(snapshot.owner_ref(pod)), pod.revision or ""] += 1
        else:
            found.append(_from_outside(snapshot, revision, one, known.hints))
    for (place, own), count in sorted(strayed.items()):
        proxies = "1 proxy" if count == 1 else f"{count} proxies"
        whose = f" of revision {own}" if own else ""
        text = f"{place} has {proxies}{whose} connected to istiod of revision {revision}"
        remedy = (
            "take discoveryAddress out of meshConfig.defaultConfig and of annotation proxy.istio.io/config, then "
            "restart it"
            if own
            else "let it connect to the revision that stays"
        )
        found.append(Blocker("connected", place, text, remedy))
    return found


def _from_outside(snapshot: Snapshot, revision: str, one: Connected, hints: Sequence[str]) -> Blocker:
    """Return a blocker for a proxy that no pod of this cluster has."""
    plane = snapshot.mesh.revisions.get(revision)
    own = identity(plane).get("cluster_name", "") if plane else ""
    what = f"proxy {one.namespace}/{one.name}"
    told = f" (known here: {some(hints)})" if hints else ""
    if one.cluster and own and one.cluster != own:
        text = f"{what} of cluster {one.cluster} is connected to istiod of revision {revision}"
        return Blocker("connected", what, text, f"move it in cluster {one.cluster} to a revision that stays{told}")
    text = f"{what}, which is no pod of this cluster, is connected to istiod of revision {revision}"
    remedy = (
        "if it is a machine, let its agent connect to the revision that stays, and restart that; if it is of another"
    )
    return Blocker("connected", what, text, f"{remedy} cluster, move it there{told}")


def unchecked_blockers(revision: str, known: Known) -> list[Blocker]:
    """Return a blocker for everything that could not be read: an unread object may need the revision."""
    remedy = "allow this user to read it, or fix the istiod that did not answer"
    if known.hints:
        remedy += f"; known here: {some(known.hints)}"
    return [
        Blocker("not_checked", subject, f"not checked which {subject} needs revision {revision}: {reason}", remedy)
        for subject, message in known.unread.items()
        for reason in [message.rstrip(".")]
    ]


def names_of(objects: Iterable[Mapping[str, t.Any]], kind: str) -> list[str]:
    """Return objects as hints name them."""
    return [str(ObjectRef(str(obj["metadata"].get("namespace") or ""), kind, name_of(obj))) for obj in objects]
