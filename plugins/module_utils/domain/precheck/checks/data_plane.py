# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the data plane: proxies and the workloads that carry them."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    MANAGED_GATEWAY,
    Pod,
    ProxyCondition,
    ProxyStatus,
    proxy_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PROXY_IMAGE
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    PINNED_IMAGE,
    Workload,
    unrestartable,
)


def _pods(count: int, verb: str) -> str:
    return f"1 pod {verb}s" if count == 1 else f"{count} pods {verb}"


def _of_this_run(proxy_status: ProxyStatus, goal: Upgrade) -> bool:
    return goal.stage == BEFORE or proxy_status.injection.revision == goal.revision


def _stale(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    yield from _stale_of(
        snapshot, goal, lambda found: found.condition != ProxyCondition.MISSING and _of_this_run(found, goal)
    )


def _stale_elsewhere(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    if goal.stage == AFTER:
        yield from _stale_of(snapshot, goal, lambda found: found.injection.revision != goal.revision)


def _missing(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    yield from _stale_of(
        snapshot, goal, lambda found: found.condition == ProxyCondition.MISSING and _of_this_run(found, goal)
    )
    if goal.stage == BEFORE:
        alone = (
            (p, j)
            for p, j in snapshot.proxy_statuses
            if j.condition == ProxyCondition.MISSING and not snapshot.workload_of(p)
        )
        yield from _by_owner(snapshot, alone, _change)


def _stale_of(snapshot: Snapshot, goal: Upgrade, counts: Callable[[ProxyStatus], bool]) -> CheckResults:
    for key, pods in snapshot.stale_workloads().items():
        # a run cannot have restarted these: MU021 tells what a person can do
        if goal.stage == AFTER and snapshot.unrestartable_reason(snapshot.workloads[key]):
            continue
        judged = ((pod, snapshot.proxy_status_of(pod)) for pod in pods)
        yield from _by_owner(snapshot, (pair for pair in judged if counts(pair[1])), _change)


def _by_owner(
    snapshot: Snapshot, judged: Iterable[tuple[Pod, ProxyStatus]], tell: Callable[[Pod, ProxyStatus], tuple[str, str]]
) -> CheckResults:
    """Yield one row for each owner: how many of its pods do what; ``tell`` returns a verb and the rest."""
    found: dict[str, collections.Counter[tuple[str, str]]] = collections.defaultdict(collections.Counter)
    for pod, proxy_status in judged:
        found[str(snapshot.owner_ref(pod))][tell(pod, proxy_status)] += 1
    for place, told in sorted(found.items()):
        yield place, "; ".join(f"{_pods(count, verb)} {rest}" for (verb, rest), count in told.items()) + "."


def _change(pod: Pod, proxy_status: ProxyStatus) -> tuple[str, str]:
    """Return what a pod runs, and what it would get now."""
    revision, wanted = proxy_status.injection.revision, proxy_status.expected_image
    if proxy_status.condition == ProxyCondition.MISSING:
        return "lack", f"a proxy, which revision {revision} would inject now: {proxy_status.injection.reason}"
    have, want = proxy_version(pod.proxy_image), proxy_version(wanted) if wanted else ""
    if have == want and pod.revision == revision:
        have, want = pod.proxy_image, wanted
    target = f"revision {revision}" if pod.revision != revision else ""
    return "run", f"{have} of revision {pod.revision}, and would get {' of '.join(filter(None, (want, target)))}"


def _pinned(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    yield from _by_owner(
        snapshot,
        (
            (pod, found)
            for pod, found in snapshot.proxy_statuses
            if _pin(snapshot, pod) and not _there(pod, found, goal)
        ),
        lambda pod, found: ("keep", f"proxy image {pod.proxy_image}, which {_pin(snapshot, pod)} pins"),
    )


def _pin(snapshot: Snapshot, pod: Pod) -> str:
    """Return what pins the image of a pod's proxy, or an empty string.

    Istiod writes the templates of its gateways, and an install those of the gateways that belong to it.
    """
    workload = snapshot.workload_of(pod)
    if not pod.proxy_image or MANAGED_GATEWAY in pod.labels or COMPONENT_LABEL in pod.labels:
        return ""
    if PROXY_IMAGE in pod.annotations:
        return f"annotation {PROXY_IMAGE}"
    return "the pod template" if workload and workload.pinned_image else ""


def _there(pod: Pod, proxy_status: ProxyStatus, goal: Upgrade) -> bool:
    """Whether a pinned proxy is already what the run is to bring."""
    version = parse_version(proxy_version(pod.proxy_image))
    reached = version is not None and goal.version is not None and version.release == goal.version.release
    return reached or (goal.stage == AFTER and proxy_status.condition == ProxyCondition.CURRENT)


def _extra(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for pod, proxy_status in snapshot.proxy_statuses:
        if proxy_status.condition == ProxyCondition.WOULD_LOSE_PROXY:
            yield (
                f"pod {pod.namespace}/{pod.name}",
                f"It has a proxy, but would get none now: {proxy_status.injection.reason}.",
            )


def _unrestartable(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    # before an upgrade nothing is stale yet: ask who could not follow
    for row in snapshot.unrestartable(everything=goal.stage != AFTER):
        if row.cause.code != PINNED_IMAGE:
            yield f"{row.kind} {row.namespace}/{row.name}", f"{row.cause.reason}; {row.cause.remedy}."


def _newer_proxies(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for revision, versions in snapshot.count_proxies().items():
        control = snapshot.mesh.revisions.get(revision)
        running = parse_version(control.version) if control else None
        for text, count in versions.items():
            version = parse_version(text)
            if running and version and (version.major, version.minor) > (running.major, running.minor):
                yield (
                    cluster_object("revision", revision),
                    f"{count} proxies run {version}, newer than their istiod ({running}).",
                )


def tight_budgets(snapshot: Snapshot) -> list[tuple[Workload, Budget]]:
    """Return the workloads whose rollout takes down more pods than a budget allows now, with the budget."""
    with_proxy = {snapshot.workload_of(pod) for pod, dummy in snapshot.proxy_statuses if pod.proxy_image}
    pairs = [(w, b) for w in with_proxy if w for b in snapshot.budgets_of(w) if w.takes_down > b.allowed]
    return sorted(pairs, key=lambda pair: pair[0].ref)


def _no_budget_room(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for workload, budget in tight_budgets(snapshot):
        room = f"allows {budget.allowed} pods to be down, and a rollout takes down {workload.takes_down}"
        yield str(workload), f"PodDisruptionBudget {budget.name} {room}."


def _carriers(snapshot: Snapshot) -> dict[ObjectRef, list[Pod]]:
    """Return the workloads that carry proxies, with the pods that do."""
    found: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
    for pod, dummy in snapshot.proxy_statuses:
        workload = snapshot.workload_of(pod)
        if workload and pod.proxy_image:
            found[workload.ref].append(pod)
    return dict(sorted(found.items()))


def _not_ready(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for key, pods in _carriers(snapshot).items():
        bad = [pod.name for pod in pods if not pod.ready]
        if bad:
            yield (
                str(snapshot.workloads[key]),
                f"{len(bad)} of {len(pods)} pods are not ready now: {', '.join(bad[:3])}.",
            )


def _outage(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for key in _carriers(snapshot):
        workload = snapshot.workloads[key]
        restarted = workload.kind != "DaemonSet" and unrestartable(workload) is None
        if restarted and 0 < workload.replicas <= workload.takes_down:
            many = f"all {workload.replicas} pods before new ones are ready"
            down = "its only pod before a new one is ready" if workload.replicas == 1 else many
            yield str(workload), f"Its rollout takes down {down}."


CHECKS = (
    Check("MU020", WARNING, "stale proxies", "They run a revision or an image that they would not get now.",
          "restart them with rollout_restart", _stale, ERROR),
    Check("MU021", INFO, "cannot be restarted", "No rollout replaces these pods.",
          "follow the remedy of each", _unrestartable, WARNING),
    Check("MU022", WARNING, "proxy that would not come back", "A restart would take the pod out of the mesh.",
          "label the namespace again; what is to leave the mesh, by sidecar.istio.io/inject=false", _extra, WARNING),
    Check("MU023", WARNING, "no room in a disruption budget", "Rollouts ignore budgets, so a restart waits for room.",
          "raise the replicas, or allow surge", _no_budget_room),
    Check("MU024", WARNING, "stale proxies of another revision", "They are not part of this upgrade.",
          "restart them with rollout_restart", _stale_elsewhere, WARNING),
    Check("MU027", WARNING, "proxy missing", "They are outside the mesh until a restart puts them into it (IST0103).",
          "restart them with rollout_restart, or opt them out by label sidecar.istio.io/inject=false", _missing, ERROR),
    Check("MU028", WARNING, "proxy image pinned", "Restarts do not change it, so it stays behind its control plane.",
          "remove the pin when they may follow", _pinned, WARNING),
    Check("MU030", ERROR, "proxies newer than their control plane", "Istio supports no such skew.",
          "move them to a newer revision", _newer_proxies, ERROR),
    Check("MU025", WARNING, "pods not ready before the start", "Nobody can tell what a restart broke.",
          "bring them up first, or leave their namespace out", _not_ready),
    Check("MU026", INFO, "restart is an outage", "Its strategy has no room for a second pod.",
          "run two replicas, or allow surge (a Deployment with RollingUpdate)", _outage),
)  # fmt: skip
