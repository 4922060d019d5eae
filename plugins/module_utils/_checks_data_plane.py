# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Checks of the data plane: proxies and the workloads that carry them."""

from __future__ import annotations

import collections
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils._finding import (
    AFTER,
    BEFORE,
    ERROR,
    INFO,
    WARNING,
    Check,
    Found,
    Goal,
)
from ansible_collections.meshops.istio.plugins.module_utils._proxies import EXTRA, Pod
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot, WorkloadKey
from ansible_collections.meshops.istio.plugins.module_utils._versions import parse


def _stale(snapshot: Snapshot, goal: Goal) -> Found:
    yield from _stale_of(snapshot, lambda revision: goal.stage == BEFORE or revision == goal.revision)


def _stale_elsewhere(snapshot: Snapshot, goal: Goal) -> Found:
    if goal.stage == AFTER:
        yield from _stale_of(snapshot, lambda revision: revision != goal.revision)


def _stale_of(snapshot: Snapshot, counts: Callable[[str | None], bool]) -> Found:
    for (namespace, kind, name), pods in sorted(snapshot.stale_workloads().items()):
        if counts(snapshot.judgement_of(pods[0]).verdict.revision):
            yield f"{kind} {namespace}/{name}", f"{len(pods)} pods do not run the proxy that they would get now."


def _extra(snapshot: Snapshot, goal: Goal) -> Found:
    for pod, judgement in snapshot.judgements:
        if judgement.condition == EXTRA:
            yield (
                f"pod {pod.namespace}/{pod.name}",
                f"It has a proxy, but would get none now: {judgement.verdict.reason}.",
            )


def _unrestartable(snapshot: Snapshot, goal: Goal) -> Found:
    # before an upgrade nothing is stale yet: ask who could not follow
    for row in snapshot.stuck(everything=goal.stage != AFTER):
        yield f"{row.kind} {row.namespace}/{row.name}", f"{row.why.reason}; {row.why.remedy}."


def _newer_proxies(snapshot: Snapshot, goal: Goal) -> Found:
    for revision, versions in snapshot.proxies().items():
        control = snapshot.mesh.revisions.get(revision)
        running = parse(control.version) if control else None
        for text, count in versions.items():
            version = parse(text)
            if running and version and (version.major, version.minor) > (running.major, running.minor):
                yield f"revision {revision}", f"{count} proxies run {version}, newer than their istiod ({running})."


def _no_budget_room(snapshot: Snapshot, goal: Goal) -> Found:
    for workload, budget in snapshot.tight_budgets():
        room = f"allows {budget.allowed} pods to be down, and a rollout takes down {workload.takes_down}"
        yield str(workload), f"PodDisruptionBudget {budget.name} {room}."


def _carriers(snapshot: Snapshot) -> dict[WorkloadKey, list[Pod]]:
    """Return the workloads that carry proxies, with the pods that do."""
    found: dict[WorkloadKey, list[Pod]] = collections.defaultdict(list)
    for pod, dummy in snapshot.judgements:
        workload = snapshot.workload_of(pod)
        if workload and pod.proxy_image:
            found[workload.key].append(pod)
    return dict(sorted(found.items()))


def _not_ready(snapshot: Snapshot, goal: Goal) -> Found:
    for key, pods in _carriers(snapshot).items():
        bad = [pod.name for pod in pods if not pod.ready]
        if bad:
            yield (
                str(snapshot.workloads[key]),
                f"{len(bad)} of {len(pods)} pods are not ready now: {', '.join(bad[:3])}.",
            )


def _outage(snapshot: Snapshot, goal: Goal) -> Found:
    for key in _carriers(snapshot):
        workload = snapshot.workloads[key]
        if workload.kind != "DaemonSet" and 0 < workload.replicas <= workload.takes_down:
            yield str(workload), f"Its rollout takes down all {workload.replicas} pods before new ones are ready."


CHECKS = (
    Check("MU020", WARNING, "stale proxies", "They run a revision or an image that they would not get now.",
          "restart them with rollout_restart", _stale, ERROR),
    Check("MU021", INFO, "cannot be restarted", "No rollout replaces these pods.",
          "follow the remedy of each", _unrestartable, WARNING),
    Check("MU022", WARNING, "proxy that would not come back", "A restart would take the pod out of the mesh.",
          "label the namespace again, or restart it on purpose with only=all", _extra, WARNING),
    Check("MU023", WARNING, "no room in a disruption budget", "Rollouts ignore budgets, so a restart waits for room.",
          "raise the replicas, or allow surge", _no_budget_room),
    Check("MU024", WARNING, "stale proxies of another revision", "They are not part of this upgrade.",
          "restart them with rollout_restart", _stale_elsewhere, WARNING),
    Check("MU030", ERROR, "proxies newer than their control plane", "Istio supports no such skew.",
          "move them to a newer revision", _newer_proxies, ERROR),
    Check("MU025", WARNING, "pods not ready before the start", "Nobody can tell what a restart broke.",
          "bring them up first, or leave their namespace out", _not_ready),
    Check("MU026", INFO, "restart is an outage", "Its strategy has no room for a second pod.",
          "run two replicas, or allow surge (a Deployment with RollingUpdate)", _outage),
)  # fmt: skip
