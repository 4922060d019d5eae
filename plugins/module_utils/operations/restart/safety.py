# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safety checks before the first batch: the target revisions work, and configuration keeps applying."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import is_only_planned
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: How many namespaces are checked in parallel.
PROOFS_AT_ONCE = 8


def require_ready_targets(task: TaskContext, plan: RestartPlan) -> None:
    """Prove that the revisions that the restarted workloads lead to are ready and inject (safety rule S3).

    Raises:
        ProofError: a revision is not ready, or does not inject its proxy into a namespace.
        MeshError: the cluster cannot be read.
    """
    snapshot = plan.snapshot
    for revision in sorted(_target_revisions(plan)):
        if not is_only_planned(task, revision):
            readiness.require_ready(task.client, snapshot.mesh, snapshot.namespaces, revision)
    if task.check_mode:
        return

    def prove(workload: Workload) -> None:
        expected = snapshot.injection_of(workload.namespace, workload.template_labels).revision
        readiness.require_injection(task.client, workload.namespace, workload.template_labels, expected)

    reverse = sorted(plan.stale_pods, key=lambda workload: workload.ref, reverse=True)
    first_of_namespace = {workload.namespace: workload for workload in reverse}
    with concurrent.futures.ThreadPoolExecutor(max_workers=PROOFS_AT_ONCE) as pool:
        list(pool.map(prove, first_of_namespace.values()))


def _target_revisions(plan: RestartPlan) -> Iterable[str]:
    """Return the revisions of the new pods, once each; a workload without pods has only its template to go by."""
    snapshot, workloads = plan.snapshot, plan.stale_pods
    revisions = {
        proxy_status.injection.revision
        for pod, proxy_status in snapshot.proxy_statuses
        if (workload := snapshot.workload_of(pod)) and workload in workloads
    }
    without_pods = (workload for workload in workloads if workload.replicas == 0)
    revisions |= {snapshot.injection_of(w.namespace, w.template_labels).revision for w in without_pods}
    return filter(None, revisions)


def require_configuration_kept(task: TaskContext, plan: RestartPlan, options: RestartOptions) -> list[str]:
    """Refuse configuration that would stop applying to moved workloads; return warnings of it if a move is undone.

    Raises:
        SafetyError: with the configuration.
    """
    mesh, moved = plan.snapshot.mesh, collections.defaultdict[str, set[str]](set)
    for change in plan.label_changes.values():
        source, target = (mesh.resolve(name or DEFAULT) for name in (change.before, change.after))
        if source not in (None, target):
            moved[str(source)].add(change.workload.namespace)
    canary = options.canary
    target = mesh.resolve(canary.revision if canary else "") or "the revision that they selected before"
    undone = not (canary and canary.percent)
    return configuration_loss.require_configuration_kept(task, mesh, moved, target, undo=undone, allow=options.allow)
