# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One consistent view of a cluster, with the queries that several rooms need."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Unreadable
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import Admission
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer, Prediction
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    IGNORED_NAMESPACES,
    InjectionResult,
    PodShape,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import (
    ProxyCondition,
    ProxyStatus,
    counted_version,
    evaluate_proxy,
    predict,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import Manager
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.budgets import Budget, forbidden_by_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import (
    Namespace,
    Owners,
    UnrestartablePods,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import PrecheckInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.proxy_status_cache import ProxyStatusCache
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import (
    QuestionKey,
    pod_key,
    workload_key,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    BROKEN_BEFORE,
    PINNED_IMAGE,
    SCALED_TO_ZERO,
    Unrestartable,
    unrestartable,
    unrestartable_owner,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, top_owner


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The objects of one cluster, read at one time; fields that the task does not need are empty."""

    cluster_id: str
    kubernetes_version: str
    mesh: Mesh
    namespaces: Mapping[str, Namespace]
    crd_versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    crd_managers: Mapping[str, Manager] = dataclasses.field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    #: resourceVersion of the list of pods: a watch that starts there misses no change.
    pods_version: str = ""
    workloads: Mapping[ObjectRef, Workload] = dataclasses.field(default_factory=dict)
    parents: Mapping[ObjectRef, Owner] = dataclasses.field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    precheck_inputs: PrecheckInputs = dataclasses.field(default_factory=PrecheckInputs)
    #: The webhooks and policies that act on new pods beside Istio's injectors.
    admission: Admission = dataclasses.field(default_factory=Admission)
    #: The answers of the API server to dry runs of pods.
    answers: Mapping[QuestionKey, Answer] = dataclasses.field(default_factory=dict)
    #: Workloads that are broken and are not restarted for that reason.
    left_broken: frozenset[ObjectRef] = frozenset()
    #: Objects that could not be read at all.
    lost: tuple[Unreadable, ...] = ()
    proxy_status_cache: ProxyStatusCache = dataclasses.field(
        default_factory=ProxyStatusCache, repr=False, compare=False
    )

    @property
    def unreadable(self) -> list[Unreadable]:
        """The parts of its objects that cannot be read, each once."""
        groups = (
            self.namespaces.values(),
            self.workloads.values(),
            self.pods,
            self.mesh.injectors,
            self.precheck_inputs.extensions,
        )
        parts = {*self.lost, *(part for group in groups for obj in group for part in obj.unreadable)}
        return sorted(parts, key=lambda part: (str(part.ref), part.field))

    @property
    def proxy_statuses(self) -> list[tuple[Pod, ProxyStatus]]:
        """Every live pod with the status of its proxy, except pods that belong to another mesh and stay there."""
        return self.proxy_status_cache.get(
            (self.mesh, self.namespaces, self.pods, self.answers), self._read_proxy_statuses
        )

    def _read_proxy_statuses(self) -> list[tuple[Pod, ProxyStatus]]:
        statuses = ((pod, self.proxy_status_of(pod)) for pod in self._live())
        return [(pod, status) for pod, status in statuses if status.stale or self.in_this_mesh(pod)]

    @functools.cached_property
    def pods_by_place(self) -> Mapping[tuple[str, str], Pod]:
        """Every pod by namespace and name."""
        return {(pod.namespace, pod.name): pod for pod in self.pods}

    @property
    def newest_crd_version(self) -> Version | None:
        """The newest Istio version that wrote a CRD of this cluster."""
        return max(filter(None, map(parse_version, self.crd_versions.values())), default=None)

    def proxy_status_of(self, pod: Pod, workload: Workload | None = None) -> ProxyStatus:
        """Return the status of one pod's proxy; ``workload`` is its owner if the snapshot does not know the pod."""
        answer = None
        if self.answers:
            owner = workload or self.workload_of(pod)
            answer = self.answers.get(workload_key(owner) if owner else pod_key(pod))
        return evaluate_proxy(self.mesh, self.namespaces[pod.namespace].labels, pod, answer)

    def predict(self, namespace: str, shape: PodShape) -> Prediction:
        """Return what the resolver expects for a pod of this shape that is created in a namespace now."""
        return predict(self.mesh, namespace, self.namespaces[namespace].labels, shape)[1]

    def answer_for(self, workload: Workload) -> Answer | None:
        """Return the answer of the API server to a dry run of a workload's template, if it was asked."""
        return self.answers.get(workload_key(workload))

    def in_this_mesh(self, pod: Pod) -> bool:
        """Whether a pod's proxy, if any, belongs to this mesh; another mesh may use the same revision names."""
        return pod.home not in self.mesh.other_mesh_namespaces

    def _live(self) -> Iterable[Pod]:
        return (pod for pod in self.pods if pod.live and not pod.deleting and pod.namespace in self.namespaces)

    def injection_of(self, namespace: str, labels: Mapping[str, str] | None = None) -> InjectionResult:
        """Return the injection result of a pod with these labels (default: none) that is created in a namespace now."""
        return resolve(self.mesh, namespace, self.namespaces[namespace].labels, PodShape(labels or {}))

    def other_mesh_of(self, namespace: str) -> str:
        """Return the namespace of the other mesh that a namespace belongs to, empty if it belongs to none."""
        if not self.mesh.foreign_injectors:
            return ""
        if namespace in self.mesh.other_mesh_namespaces:
            return namespace
        return self.injection_of(namespace).other_mesh if namespace in self.namespaces else ""

    def is_of_other_mesh(self, ref: ObjectRef) -> bool:
        """Whether an object is a namespace of another mesh, or in such a namespace."""
        return bool(self.other_mesh_of(ref.name if ref.kind == "namespace" else ref.namespace))

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
        """Return the topmost owner of a pod: a workload, another object, or the pod itself."""
        return top_owner(pod, self.parents) or Owner("Pod", pod.name)

    def owner_ref(self, pod: Pod) -> ObjectRef:
        """Return the reference of the topmost owner of a pod."""
        owner = self.owner_of(pod)
        return ObjectRef(pod.namespace, owner.kind, owner.name)

    def stale_workloads(self, namespaces: Iterable[str] | None = None) -> dict[ObjectRef, list[Pod]]:
        """Return the workloads with at least one stale pod, and these pods.

        Args:
            namespaces: only these, None for all.
        """
        selected = None if namespaces is None else set(namespaces)
        stale_pods: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
        for pod, proxy_status in self.proxy_statuses:
            workload = self.workload_of(pod)
            if workload is None or not proxy_status.stale or (selected is not None and pod.namespace not in selected):
                continue
            if not (workload.pinned_image and proxy_status.condition == ProxyCondition.STALE_IMAGE):
                stale_pods[workload.ref].append(pod)
        return dict(stale_pods)

    def unrestartable(
        self, namespaces: Iterable[str] | None = None, *, everything: bool = False
    ) -> list[UnrestartablePods]:
        """Return the stale or pinned pods that a rollout would not fix, one entry per owner and cause.

        Args:
            namespaces: only these, None for all.
            everything: whether every proxy counts as stale, to find the pods that could not follow an upgrade.
        """
        selected = None if namespaces is None else set(namespaces)
        counts: dict[tuple[ObjectRef, Unrestartable], int] = collections.Counter()
        for pod, proxy_status in self.proxy_statuses:
            cause = self._pod_unrestartable(pod, proxy_status, everything)
            if cause is not None and (selected is None or pod.namespace in selected):
                counts[self.owner_ref(pod), cause] += 1
        return [
            UnrestartablePods(*owner, count, cause)
            for (owner, cause), count in sorted(counts.items(), key=lambda item: item[0][0])
        ]

    def scaled_to_zero(self, namespaces: Iterable[str]) -> list[UnrestartablePods]:
        """Return the workloads that have no pods now, but whose pods would have a proxy."""
        selected = set(namespaces)
        empty = [w for w in self.workloads.values() if w.namespace in selected and w.replicas == 0]
        refs = sorted(w.ref for w in empty if self.injection_of(w.namespace, w.template_labels).revision)
        return [UnrestartablePods(*ref, 0, SCALED_TO_ZERO) for ref in refs]

    def _pod_unrestartable(self, pod: Pod, proxy_status: ProxyStatus, everything: bool) -> Unrestartable | None:
        workload = self.workload_of(pod)
        if proxy_status.condition == ProxyCondition.PINNED or (
            workload and workload.pinned_image and proxy_status.condition == ProxyCondition.STALE_IMAGE
        ):
            return Unrestartable(
                PINNED_IMAGE,
                f"its proxy image is pinned to {pod.proxy_image}",
                "remove the pin when it may be upgraded",
            )
        if not proxy_status.stale and not (everything and pod.is_meshed):
            return None
        return self.unrestartable_reason(workload) if workload else self.why_no_rollout(pod)

    def why_no_rollout(self, pod: Pod) -> Unrestartable:
        """Return why no rollout replaces a pod without a workload; a pod that owns others is one of its application."""
        owner = top_owner(pod, self.parents)
        if owner is None and (pod.namespace, pod.name) in self._owning_pods:
            owner = Owner("Pod", pod.name)
        return unrestartable_owner(owner)

    @functools.cached_property
    def _owning_pods(self) -> frozenset[tuple[str, str]]:
        return frozenset((pod.namespace, pod.owner.name) for pod in self.pods if pod.owner and pod.owner.kind == "Pod")

    def unrestartable_reason(self, workload: Workload) -> Unrestartable | None:
        """Return why a restart would not or may never replace the pods of a workload, or None (safety rule S6)."""
        left = BROKEN_BEFORE if workload.ref in self.left_broken else None
        return unrestartable(workload) or left or forbidden_by_budget(self.budgets_of(workload), workload.takes_down)

    def budgets_of(self, workload: Workload) -> list[Budget]:
        """Return the budgets that select a workload's pods."""
        labels = workload.template_labels
        return [
            b
            for b in self.budgets
            if b.namespace == workload.namespace and b.selector is not None and matches(b.selector, labels)
        ]

    def count_proxies(self) -> dict[str, dict[str, int]]:
        """Return revision -> proxy version -> number of live proxies."""
        counts: dict[str, dict[str, int]] = {}
        for pod, status in self.proxy_statuses:
            if pod.is_meshed and self.in_this_mesh(pod):
                row = counts.setdefault(pod.revision or "default", {})
                version = counted_version(self.mesh, pod, status)
                row[version] = row.get(version, 0) + 1
        return {name: dict(sorted(row.items())) for name, row in sorted(counts.items())}

    def namespaces_selecting(self, revision: str) -> dict[str, str]:
        """Return namespace -> the name by which its labels select a revision; of system namespaces they are ignored."""
        names = {}
        for namespace in self.namespaces.values():
            name = namespace.revision_label
            if (
                name is not None
                and namespace.name not in IGNORED_NAMESPACES
                and self.mesh.resolve(name) == revision
                and not self._selects_other_mesh(namespace, name)
            ):
                names[namespace.name] = name
        return names

    def _selects_other_mesh(self, namespace: Namespace, name: str) -> bool:
        """Whether a name that two meshes own selects the other mesh; the order of the webhooks decides that."""
        return self.mesh.other_mesh_owning(name) is not None and bool(self.injection_of(namespace.name).other_mesh)
