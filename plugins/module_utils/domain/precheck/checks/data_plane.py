# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the data plane: proxies and the workloads that contain them."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_loss import loss_remedy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PROXY_IMAGE
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import (
    ProxyCondition,
    ProxyStatus,
    proxy_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    BEFORE,
    ERROR,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.budgets import Budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import image_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    PINNED_IMAGE,
    unrestartable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: A sentence about pods in two parts: the verb, and what follows it.
Clause = tuple[str, str]


def _count_pods(count: int, verb: str) -> str:
    return f"1 pod {verb}s" if count == 1 else f"{count} pods {verb}"


def _concerns(upgrade: Upgrade, pod: Pod, status: ProxyStatus) -> bool:
    """Return whether a stale proxy is part of an upgrade; before it, all of them are."""
    is_targeted = status.injection.revision == upgrade.revision and upgrade.limits.allows(pod.namespace)
    return upgrade.stage == BEFORE or is_targeted


def _find_stale_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    yield from _find_stale_where(
        snapshot,
        upgrade,
        lambda pod, status: status.condition != ProxyCondition.MISSING and _concerns(upgrade, pod, status),
    )


def _find_stale_proxies_outside(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.stage == AFTER:
        yield from _find_stale_where(snapshot, upgrade, lambda pod, status: not _concerns(upgrade, pod, status))


def _find_missing_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    yield from _find_stale_where(
        snapshot,
        upgrade,
        lambda pod, status: status.condition == ProxyCondition.MISSING and _concerns(upgrade, pod, status),
    )
    if upgrade.stage == BEFORE:
        without_workload = (
            (pod, status)
            for pod, status in snapshot.proxy_statuses
            if status.condition == ProxyCondition.MISSING and not snapshot.workload_of(pod)
        )
        yield from _group_by_owner(snapshot, without_workload, _describe_change)


def _find_stale_where(
    snapshot: Snapshot, upgrade: Upgrade, matches: Callable[[Pod, ProxyStatus], bool]
) -> CheckResults:
    for ref, pods in snapshot.stale_workloads().items():
        # A run cannot have restarted these workloads. MU021 has their remedy.
        if upgrade.stage == AFTER and snapshot.unrestartable_reason(snapshot.workloads[ref]):
            continue
        statuses = ((pod, snapshot.proxy_status_of(pod)) for pod in pods)
        yield from _group_by_owner(snapshot, (pair for pair in statuses if matches(*pair)), _describe_change)


def _group_by_owner(
    snapshot: Snapshot, pods: Iterable[tuple[Pod, ProxyStatus]], describe: Callable[[Pod, ProxyStatus], Clause]
) -> CheckResults:
    """Yield one result for each owner, with the number of its pods for each description."""
    clauses_by_owner: dict[ObjectRef, collections.Counter[Clause]] = collections.defaultdict(collections.Counter)
    for pod, status in pods:
        clauses_by_owner[snapshot.owner_ref(pod)][describe(pod, status)] += 1
    for owner, clauses in sorted(clauses_by_owner.items()):
        yield owner, "; ".join(f"{_count_pods(count, verb)} {rest}" for (verb, rest), count in clauses.items()) + "."


def _describe_change(pod: Pod, status: ProxyStatus) -> Clause:
    """Return what a pod runs, and what it would get if it were created now."""
    revision, expected_image = status.injection.revision, status.expected_image
    if status.condition == ProxyCondition.MISSING:
        return "lack", f"a proxy that revision {revision} would inject now: {status.injection.reason}"
    if pod.proxyless:
        return "run", f"without a proxy container, injected by revision {pod.revision}, and would get {revision}"
    current, expected = proxy_version(pod.proxy_image), proxy_version(expected_image) if expected_image else ""
    if current == expected and pod.revision == revision:
        current, expected = pod.proxy_image, expected_image
    new_revision = f"revision {revision}" if pod.revision != revision else ""
    target = " of ".join(filter(None, (expected, new_revision)))
    return "run", f"{current} of revision {pod.revision}, and would get {target}"


def _describe_loss(pod: Pod, status: ProxyStatus) -> Clause:
    """Return that a pod would get no proxy, and the remedy for the reason."""
    injection = status.injection
    remedy = loss_remedy(injection.code, pod.namespace)
    return "lose", f"the proxy when created again, because {injection.reason}; {remedy}"


def _find_pinned_images(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    pinned = (
        (pod, status)
        for pod, status in snapshot.proxy_statuses
        if _pinned_by(snapshot, pod) and not _already_upgraded(pod, status, upgrade)
    )
    yield from _group_by_owner(
        snapshot,
        pinned,
        lambda pod, status: ("keep", f"proxy image {pod.proxy_image}, pinned by {_pinned_by(snapshot, pod)}"),
    )


def _pinned_by(snapshot: Snapshot, pod: Pod) -> str:
    """Return what pins the proxy image of a pod, or an empty string.

    Istiod writes the pod templates of its gateways, and an installation writes those of its own gateways.
    """
    workload = snapshot.workload_of(pod)
    if not pod.proxy_image or MANAGED_GATEWAY in pod.labels or COMPONENT_LABEL in pod.labels:
        return ""
    if PROXY_IMAGE in pod.annotations:
        return f"annotation {PROXY_IMAGE}"
    return "the pod template" if workload and workload.pinned_image else ""


def _already_upgraded(pod: Pod, status: ProxyStatus, upgrade: Upgrade) -> bool:
    """Return whether a pinned proxy already has the version of the upgrade."""
    version = image_version(pod.proxy_image)
    reached = version is not None and upgrade.version is not None and version.matches(upgrade.version)
    return reached or (upgrade.stage == AFTER and status.condition == ProxyCondition.CURRENT)


def _find_proxies_to_lose(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    losing = (
        (pod, status) for pod, status in snapshot.proxy_statuses if status.condition == ProxyCondition.WOULD_LOSE_PROXY
    )
    yield from _group_by_owner(snapshot, losing, _describe_loss)


def _find_unrestartable_pods(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    # Before an upgrade nothing is stale yet, so list all pods that could not follow it.
    for row in snapshot.unrestartable(everything=upgrade.stage != AFTER):
        if row.cause.code != PINNED_IMAGE:
            yield ObjectRef(row.namespace, row.kind, row.name), f"{row.cause.reason}; {row.cause.remedy}."


def _find_newer_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, versions in snapshot.count_proxies().items():
        revision = snapshot.mesh.revisions.get(name)
        istiod = revision.istio_version if revision else None
        for text, count in versions.items():
            proxy = parse_version(text)
            if istiod and proxy and proxy.line > istiod.line:
                yield (
                    cluster_object("revision", name),
                    f"{count} proxies run {proxy}, which is newer than their istiod ({istiod}).",
                )


def tight_budgets(snapshot: Snapshot) -> list[tuple[Workload, Budget]]:
    """Return the workloads whose rollout takes down more pods than a budget allows now, with the budget."""
    with_proxy = {snapshot.workload_of(pod) for pod, dummy in snapshot.proxy_statuses if pod.is_meshed}
    pairs = [
        (workload, budget)
        for workload in with_proxy
        if workload
        for budget in snapshot.budgets_of(workload)
        if workload.takes_down > budget.allowed
    ]
    return sorted(pairs, key=lambda pair: pair[0].ref)


def _find_tight_budgets(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for workload, budget in tight_budgets(snapshot):
        if budget.never:
            reason, remedy = f"never allows a pod to be down, because {budget.never.reason}", budget.never.remedy
        else:
            reason = f"allows {budget.allowed} pods to be down, but a rollout takes down {workload.takes_down}"
            surge = ", or allow surge" if workload.kind == "Deployment" else ""
            remedy = f"increase the replicas{surge}, or wait until all its pods are ready"
        yield workload.ref, f"PodDisruptionBudget {budget.name} {reason}; {remedy}."


def _meshed_workloads(snapshot: Snapshot) -> dict[ObjectRef, list[Pod]]:
    """Return the workloads that have pods with a proxy, and these pods."""
    pods_by_workload: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
    for pod, dummy in snapshot.proxy_statuses:
        workload = snapshot.workload_of(pod)
        if workload and pod.is_meshed:
            pods_by_workload[workload.ref].append(pod)
    return dict(sorted(pods_by_workload.items()))


def _find_unready_pods(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for ref, pods in _meshed_workloads(snapshot).items():
        unready = [pod.name for pod in pods if not pod.ready]
        if unready:
            yield ref, f"{len(unready)} of {len(pods)} pods are not ready now: {', '.join(unready[:3])}."


def _find_downtime(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for ref in _meshed_workloads(snapshot):
        workload = snapshot.workloads[ref]
        restartable = workload.kind != "DaemonSet" and unrestartable(workload) is None
        if restartable and 0 < workload.replicas <= workload.takes_down:
            several = f"all {workload.replicas} pods before new ones are ready"
            pods = "its only pod before a new one is ready" if workload.replicas == 1 else several
            yield ref, f"Its rollout takes down {pods}."


CHECKS = (
    Check("MU020", WARNING, "stale proxies",
          "They run a revision or an image that they would not get if they were created now.",
          "restart them with rollout_restart", _find_stale_proxies, ERROR),
    Check("MU021", INFO, "pods that no rollout can restart", "No rollout replaces these pods.",
          "follow the remedy in each message", _find_unrestartable_pods, WARNING),
    Check("MU022", WARNING, "restart would remove the sidecar", "A restart would take the pod out of the mesh.",
          "follow the remedy in each message",
          _find_proxies_to_lose, WARNING),
    Check("MU023", WARNING, "PodDisruptionBudget allows too few disruptions",
          "Rollouts ignore budgets, so rollout_restart waits until the budget allows the disruption.",
          "follow the remedy in each message", _find_tight_budgets),
    Check("MU024", WARNING, "stale proxies outside of the upgrade",
          "They select another revision, or the limits of the run left out their namespace.",
          "restart them with rollout_restart", _find_stale_proxies_outside, WARNING),
    Check("MU027", WARNING, "missing proxies", "These pods are outside the mesh until they are restarted (IST0103).",
          "restart them with rollout_restart, or opt them out with label sidecar.istio.io/inject=false",
          _find_missing_proxies, ERROR),
    Check("MU028", WARNING, "pinned proxy image",
          "Restarts do not change the image, so the proxy stays older than its control plane.",
          "remove the pin once the proxies may follow their control plane", _find_pinned_images, WARNING),
    Check("MU030", ERROR, "proxies newer than their control plane", "Istio does not support this version skew.",
          "move them to a newer revision", _find_newer_proxies, ERROR),
    Check("MU025", WARNING, "pods not ready before the upgrade",
          "They are restarted too and reported afterwards, but whether their new proxy works cannot be proven. A "
          "workload without any ready pod is restarted last, or not at all with istio_broken_workloads=leave.",
          "make the pods ready first, or exclude their namespace", _find_unready_pods),
    Check("MU026", INFO, "restart causes downtime", "The update strategy does not allow a second pod.",
          "run two replicas, or allow surge (a Deployment with RollingUpdate)", _find_downtime),
)  # fmt: skip
