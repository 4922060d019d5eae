# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One consistent view of a cluster, and the questions that every module asks it."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import Unreadable
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    Owner,
    Pod,
    ProxyCondition,
    ProxyStatus,
    evaluate_proxy,
    proxy_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionResult,
    PodShape,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Need, placed, room
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.scheduling import Placement
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import Manager
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import (
    Budget,
    Namespace,
    Owners,
    Stuck,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Around
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.result_cache import ResultCache
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NO_ROOM,
    PINNED_IMAGE,
    SCALED_TO_ZERO,
    Unrestartable,
    Workload,
    top_owner,
    unrestartable,
    unrestartable_owner,
)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What was read of one cluster at one time. What was not asked for is empty."""

    cluster_id: str
    kubernetes_version: str
    mesh: Mesh
    namespaces: Mapping[str, Namespace]
    crd_versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    crd_managers: Mapping[str, Manager] = dataclasses.field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    #: The version of the list of pods: a watch from there on misses nothing.
    pods_version: str = ""
    workloads: Mapping[ObjectRef, Workload] = dataclasses.field(default_factory=dict)
    parents: Mapping[ObjectRef, Owner] = dataclasses.field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    around: Around = dataclasses.field(default_factory=Around)
    #: Objects of which nothing could be read.
    lost: tuple[Unreadable, ...] = ()
    proxy_status_cache: ResultCache[list[tuple[Pod, ProxyStatus]]] = dataclasses.field(
        default_factory=ResultCache, repr=False, compare=False
    )

    @property
    def unreadable(self) -> list[Unreadable]:
        """What of its objects cannot be read, each once."""
        told = (
            self.namespaces.values(),
            self.workloads.values(),
            self.pods,
            self.mesh.injectors,
            self.around.extensions,
        )
        found = [*self.lost, *(one for group in told for obj in group for one in obj.unreadable)]
        return sorted(set(found), key=lambda one: (one.object, one.field))

    @property
    def proxy_statuses(self) -> list[tuple[Pod, ProxyStatus]]:
        """Every live pod with the status of its proxy, except pods that belong to another mesh and stay there."""
        return self.proxy_status_cache.get((self.mesh, self.namespaces, self.pods), self._read_proxy_statuses)

    def _read_proxy_statuses(self) -> list[tuple[Pod, ProxyStatus]]:
        statuses = ((pod, self.proxy_status_of(pod)) for pod in self._live())
        return [(pod, status) for pod, status in statuses if status.stale or self.is_ours(pod)]

    @functools.cached_property
    def pods_by_place(self) -> Mapping[tuple[str, str], Pod]:
        """Every pod by namespace and name."""
        return {(pod.namespace, pod.name): pod for pod in self.pods}

    def fitting(self, need: Need, copies: int, namespace: str, placement: Placement) -> int:
        """Return how many of some equal pods the scheduler could place now."""
        taken: dict[str, Need] = collections.defaultdict(Need)
        running = [pod for pod in self.pods if pod.live and pod.node]
        for pod in running:
            taken[pod.node] = taken[pod.node].plus(pod.need)
        nodes = [node for node in self.around.nodes if placement.allows(node)]
        closed = placement.closed(nodes, [(pod.node, pod.labels) for pod in running if pod.namespace == namespace])
        free = room([node for node in nodes if node.name not in closed], taken)
        return placed(need, copies, free, placement.rivals(nodes))

    @property
    def newest_crds(self) -> Version | None:
        """The newest Istio version that wrote a CRD of this cluster."""
        return max(filter(None, map(parse_version, self.crd_versions.values())), default=None)

    def proxy_status_of(self, pod: Pod) -> ProxyStatus:
        """Return the verdict on one pod's proxy."""
        return evaluate_proxy(self.mesh, self.namespaces[pod.namespace].labels, pod)

    def is_ours(self, pod: Pod) -> bool:
        """Whether a pod's proxy, if it has one, is not of another mesh in this cluster: names may be the same."""
        return pod.home not in self.mesh.others

    def carriers(self, revision: str) -> Iterable[Pod]:
        """Return every pod that carries a revision of this mesh, also while it ends: until then it needs its istiod."""
        return (pod for pod in self.pods if pod.live and pod.revision == revision and self.is_ours(pod))

    def _live(self) -> Iterable[Pod]:
        return (pod for pod in self.pods if pod.live and not pod.deleting and pod.namespace in self.namespaces)

    def injection_of(self, namespace: str, labels: Mapping[str, str] | None = None) -> InjectionResult:
        """Return what a pod with the given labels (default: none) would get in a namespace now."""
        return resolve(self.mesh, namespace, self.namespaces[namespace].labels, PodShape(labels or {}))

    def with_owners(self, owners: Owners, lost: Iterable[Unreadable] = ()) -> Snapshot:
        """Return a copy with owners of pods added; cached proxy statuses are kept."""
        return dataclasses.replace(
            self, workloads=owners.workloads, parents=owners.parents, budgets=owners.budgets, lost=tuple(lost)
        )

    @property
    def owner_kinds_to_read(self) -> set[str]:
        """Kinds of the owners of stale and pinned pods: the owners of all other pods are irrelevant."""
        owners = (
            pod.owner
            for pod, status in self.proxy_statuses
            if status.stale or status.condition == ProxyCondition.PINNED
        )
        return {owner.kind for owner in owners if owner}

    def workload_of(self, pod: Pod) -> Workload | None:
        """Return the Deployment, StatefulSet or DaemonSet that a pod belongs to."""
        owner = top_owner(pod, self.parents)
        return self.workloads.get(ObjectRef(pod.namespace, owner.kind, owner.name)) if owner else None

    def owner_of(self, pod: Pod) -> Owner:
        """Return what is on top of a pod: a workload, something else, or the pod itself."""
        return top_owner(pod, self.parents) or Owner("Pod", pod.name)

    def place_of(self, pod: Pod) -> str:
        """Return what is on top of a pod, as messages name it."""
        owner = self.owner_of(pod)
        return str(ObjectRef(pod.namespace, owner.kind, owner.name))

    def stale_workloads(self, namespaces: Iterable[str] | None = None) -> dict[ObjectRef, list[Pod]]:
        """Return the workloads with at least one stale pod, and these pods."""
        wanted = None if namespaces is None else set(namespaces)
        found: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
        for pod, proxy_status in self.proxy_statuses:
            workload = self.workload_of(pod)
            if workload is None or not proxy_status.stale or (wanted is not None and pod.namespace not in wanted):
                continue
            if not (workload.pinned_image and proxy_status.condition == ProxyCondition.STALE_IMAGE):
                found[workload.ref].append(pod)
        return dict(found)

    def stuck(self, namespaces: Iterable[str] | None = None, *, everything: bool = False) -> list[Stuck]:
        """Return everything stale or pinned that a rollout would not mend, one entry per owner.

        With ``everything`` every proxy counts as stale: who could not follow an upgrade.
        """
        wanted = None if namespaces is None else set(namespaces)
        groups: dict[tuple[str, str, str, Unrestartable], int] = collections.Counter()
        for pod, proxy_status in self.proxy_statuses:
            why = self._why_stuck(pod, proxy_status, everything)
            if why is None or (wanted is not None and pod.namespace not in wanted):
                continue
            owner = self.owner_of(pod)
            groups[(pod.namespace, owner.kind, owner.name, why)] += 1
        return [
            Stuck(ns, kind, name, count, why) for (ns, kind, name, why), count in sorted(groups.items(), key=_place)
        ]

    def asleep(self, namespaces: Iterable[str]) -> list[Stuck]:
        """Return the workloads that have no pods now, and whose pods would have a proxy."""
        wanted = set(namespaces)
        found = [w for w in self.workloads.values() if w.namespace in wanted and w.replicas == 0]
        meshed = [w for w in found if self.injection_of(w.namespace, w.template_labels).revision]
        return [Stuck(w.namespace, w.kind, w.name, 0, SCALED_TO_ZERO) for w in sorted(meshed, key=lambda w: w.ref)]

    def _why_stuck(self, pod: Pod, proxy_status: ProxyStatus, everything: bool) -> Unrestartable | None:
        workload = self.workload_of(pod)
        if proxy_status.condition == ProxyCondition.PINNED or (
            workload and workload.pinned_image and proxy_status.condition == ProxyCondition.STALE_IMAGE
        ):
            return Unrestartable(
                PINNED_IMAGE, f"its proxy image is pinned to {pod.proxy_image}", "remove the pin when it may follow"
            )
        if not proxy_status.stale and not (everything and pod.proxy_image):
            return None
        return self.unrestartable(workload) if workload else unrestartable_owner(top_owner(pod, self.parents))

    def unrestartable(self, workload: Workload) -> Unrestartable | None:
        """Return why a restart would not replace the pods of a workload, or never may, or None (safety rule S6)."""
        return unrestartable(workload) or self._never_room(workload)

    def _never_room(self, workload: Workload) -> Unrestartable | None:
        never = (b for b in self.budgets_of(workload) if b.most is not None and workload.takes_down > b.most)
        budget = next(never, None)
        if budget is None:
            return None
        return Unrestartable(
            NO_ROOM,
            f"budget {budget.namespace}/{budget.name} lets at most {budget.most} pods be down even while all are "
            f"healthy, and a rollout takes down {workload.takes_down}",
            "raise the replicas or loosen the budget, or restart it by hand when it may be down",
        )

    def budgets_of(self, workload: Workload) -> list[Budget]:
        """Return the budgets that count a workload's pods."""
        labels = workload.template_labels
        return [
            b
            for b in self.budgets
            if b.namespace == workload.namespace and b.selector is not None and matches(b.selector, labels)
        ]

    def tight_budgets(self) -> list[tuple[Workload, Budget]]:
        """Return the workloads whose rollout takes down more pods than a budget allows now."""
        with_proxy = {self.workload_of(pod) for pod, dummy in self.proxy_statuses if pod.proxy_image}
        found = [(w, b) for w in with_proxy if w for b in self.budgets_of(w) if w.takes_down > b.allowed]
        return sorted(found, key=lambda pair: pair[0].ref)

    def proxies(self) -> dict[str, dict[str, int]]:
        """Return revision -> proxy version -> number of live proxies."""
        counts: dict[str, dict[str, int]] = {}
        for pod in self._live():
            if pod.proxy_image and self.is_ours(pod):
                row = counts.setdefault(pod.revision or "default", {})
                version = proxy_version(pod.proxy_image)
                row[version] = row.get(version, 0) + 1
        return {name: dict(sorted(row.items())) for name, row in sorted(counts.items())}

    def namespaces_on(self, revision: str) -> dict[str, str]:
        """Return the namespaces whose own labels lead to a revision, and by which name (tag, revision, injection)."""
        found = {}
        for namespace in self.namespaces.values():
            name = self.owned_name(namespace)
            if name is not None and self.mesh.resolve(name) == revision and not self._follows_another(namespace, name):
                found[namespace.name] = name
        return found

    def _follows_another(self, namespace: Namespace, name: str) -> bool:
        """Whether a name that two meshes own leads to the other one; the API server decides that."""
        return self.mesh.other_mesh_owning(name) is not None and bool(self.injection_of(namespace.name).other_mesh)

    @staticmethod
    def owned_name(namespace: Namespace) -> str | None:
        """Return the name that a namespace's labels ask for, or None if they ask for none."""
        if INJECTION_LABEL in namespace.labels:
            return DEFAULT if namespace.labels[INJECTION_LABEL] == "enabled" else None
        return namespace.labels.get(REVISION_LABEL)


def _place(item: tuple[tuple[str, str, str, Unrestartable], int]) -> tuple[str, str, str]:
    (namespace, kind, name, dummy), dummy_count = item
    return (namespace, kind, name)
