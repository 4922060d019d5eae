# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects the workloads to restart, finds restarts that were begun before, and refuses harmful restarts."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Container, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.own_namespaces import (
    own_namespaces,
    require_own_namespaces,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import RESTARTED_AT, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_loss import loss_remedy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyCondition
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
    foreign = {snapshot.owner_ref(pod) for pod in snapshot.pods if pod.is_meshed and not snapshot.in_this_mesh(pod)}
    due = {*stale, *canary.label_changes, *canary.begun}
    restartable = [
        w for w in snapshot.workloads.values() if selection.selects(w) and snapshot.unrestartable_reason(w) is None
    ]
    return {
        workload: len(stale.get(workload.ref, ()))
        for workload in restartable
        if canary.restartable is None or workload.ref in canary.restartable
        if workload.ref in due or (scope == ALL and workload.replicas > 0 and workload.ref not in foreign)
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
        SafetyError: a namespace belongs to another mesh.
    """
    require_own_namespaces(snapshot, selection.namespaces)
    names = expand_namespaces("namespaces", selection.namespaces, own_namespaces(snapshot), cluster)
    resolved = dataclasses.replace(selection, namespaces=tuple(names))
    resolved.require_names(snapshot.workloads.values())
    return resolved


def refuse_harm(snapshot: Snapshot, selection: Selection, forced: Container[Workload] = ()) -> None:
    """Refuse restarts that would take workloads down or out of the mesh, before the first one.

    Args:
        forced: workloads that are restarted although they are not stale; their pods may come back without a proxy.

    Raises:
        SafetyError: new pods of a namespace, which the details name, would be rejected, or would lose their proxy.
    """
    for pod, proxy_status in snapshot.proxy_statuses:
        workload = snapshot.workload_of(pod)
        if pod.namespace not in selection.namespaces or (workload and not selection.selects(workload)):
            continue
        if proxy_status.injection.rejected:
            raise SafetyError(
                f"Nothing was restarted: new pods of namespace {pod.namespace} would be rejected "
                f"({proxy_status.injection.rejected}).",
                {"namespace": pod.namespace},
            )
        why = proxy_status.injection.code
        if proxy_status.condition != ProxyCondition.WOULD_LOSE_PROXY or why is InjectionReason.OPTED_OUT:
            continue
        if why in MISNAMED or workload in forced:
            raise SafetyError(
                f"Nothing was restarted: pod {pod.namespace}/{pod.name} would come back without a proxy, because "
                f"{proxy_status.injection.reason}. Next step: {loss_remedy(why, pod.namespace)}.",
                {"namespace": pod.namespace},
            )


def lost_proxies(snapshot: Snapshot, workloads: Container[Workload]) -> list[str]:
    """Return a sentence for each workload to restart whose pods come back without a proxy, because they opted out."""
    losses: dict[tuple[ObjectRef, str], int] = collections.Counter()
    for pod, proxy_status in snapshot.proxy_statuses:
        workload = snapshot.workload_of(pod)
        if workload in workloads and workload and proxy_status.condition == ProxyCondition.WOULD_LOSE_PROXY:
            losses[workload.ref, proxy_status.injection.reason] += 1
    return [
        f"The restart of {ref} takes {count} pod{'s'[: count != 1]} out of the mesh, which lose their proxy: {reason}."
        for (ref, reason), count in sorted(losses.items())
    ]
