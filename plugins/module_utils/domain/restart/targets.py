# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects the workloads to restart, finds restarts that were begun before, and refuses harmful restarts."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import RESTARTED_AT, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyCondition
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import CanaryPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import ALL
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import expand_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    Workload,
    restart_in_progress,
    restart_patch,
)

#: Labels ask for a proxy, by a name that leads to no revision.
MISNAMED = (InjectionReason.DANGLING_LABEL, InjectionReason.NO_ACTIVE_DEFAULT)


def select_targets(snapshot: Snapshot, selection: Selection, scope: str, canary: CanaryPlan) -> dict[Workload, int]:
    """Return the workloads to restart, each with the number of its stale pods, which may be 0 with ``scope=all``.

    A label change restarts its workload too, also where it has no pods now.
    """
    stale = snapshot.stale_workloads(selection.namespaces)
    due = {*stale, *canary.label_changes, *canary.begun}
    restartable = [
        w for w in snapshot.workloads.values() if selection.selects(w) and snapshot.unrestartable_reason(w) is None
    ]
    return {
        workload: len(stale.get(workload.ref, ()))
        for workload in restartable
        if canary.restartable is None or workload.ref in canary.restartable
        if workload.ref in due or (scope == ALL and workload.replicas > 0)
    }


def resumable_restarts(snapshot: Snapshot, workloads: Iterable[Workload]) -> dict[ObjectRef, Json | None]:
    """Return the workloads whose restart an earlier task began, each with the patch that undoes it.

    All their stale pods are of the previous template, and are being replaced already.
    """
    stale = snapshot.stale_workloads()
    return {
        workload.ref: restart_patch(workload, min(_restart_stamps(stale[workload.ref])) or None)
        for workload in workloads
        if workload.ref in stale and restart_in_progress(workload, stale[workload.ref])
    }


def _restart_stamps(pods: Iterable[Pod]) -> list[str]:
    return [pod.annotations.get(RESTARTED_AT) or "" for pod in pods]


def resolve_selection(snapshot: Snapshot, selection: Selection, cluster: str) -> Selection:
    """Return the selection with the names of the namespaces that its patterns match.

    Raises:
        ParameterError: namespaces or workloads do not exist.
    """
    names = expand_namespaces("namespaces", selection.namespaces, snapshot.namespaces, cluster)
    resolved = dataclasses.replace(selection, namespaces=tuple(names))
    resolved.require_names(snapshot.workloads.values())
    return resolved


def refuse_harm(snapshot: Snapshot, selection: Selection, forced: Container[Workload] = ()) -> None:
    """Refuse restarts that would take workloads down or out of the mesh, before the first one.

    Args:
        forced: workloads that are restarted although they are not stale; their pods may come back without a proxy.

    Raises:
        SafetyError: new pods of a namespace would be rejected, or would lose their proxy.
    """
    for pod, proxy_status in snapshot.proxy_statuses:
        workload = snapshot.workload_of(pod)
        if pod.namespace not in selection.namespaces or (workload and not selection.selects(workload)):
            continue
        if proxy_status.injection.rejected:
            raise SafetyError(
                f"Nothing was restarted: new pods of namespace {pod.namespace} would be rejected "
                f"({proxy_status.injection.rejected})."
            )
        why = proxy_status.injection.code
        if proxy_status.condition != ProxyCondition.WOULD_LOSE_PROXY or why is InjectionReason.OPTED_OUT:
            continue
        if why in MISNAMED or workload in forced:
            raise SafetyError(
                f"Nothing was restarted: pod {pod.namespace}/{pod.name} would come back without a proxy, because "
                f"{proxy_status.injection.reason}. {_remedy(why)}"
            )


def _remedy(why: InjectionReason) -> str:
    if why is InjectionReason.WEBHOOK_BROKEN:
        return "Start istiod first."
    if why is InjectionReason.NO_ACTIVE_DEFAULT:
        return "Set the default tag, or label the namespace with a revision or tag that exists."
    if why is InjectionReason.DANGLING_LABEL:
        return "Label the namespace with a revision or tag that exists."
    return f"Fix the cause, or set label {INJECT_LABEL}=false if the workload is to leave the mesh."
