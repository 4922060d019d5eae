# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart is about: which workloads, which were begun before, and what forbids it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Container, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import (
    RESTARTED_AT,
    Pod,
    ProxyCondition,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import Plan
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.limits import expanded
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    Workload,
    restart_patch,
    under_way,
)

#: The owner asked for a proxy, by a name that leads nowhere.
NAMED_AMISS = (InjectionReason.DANGLING_LABEL, InjectionReason.NO_ACTIVE_DEFAULT)


def targets(snapshot: Snapshot, selection: Selection, only: str, share: Plan) -> dict[Workload, int]:
    """Return the workloads to restart, with the number of their stale pods (``only=all``: with any number).

    What is moved is restarted by that, also where it has no pods now.
    """
    stale = snapshot.stale_workloads(selection.namespaces)
    meant = {*stale, *share.choices, *share.begun}
    chosen = [w for w in snapshot.workloads.values() if selection.selects(w) and snapshot.unrestartable(w) is None]
    return {
        workload: len(stale.get(workload.ref, ()))
        for workload in chosen
        if share.about is None or workload.ref in share.about
        if workload.ref in meant or (only == "all" and workload.replicas > 0)
    }


def resumable(snapshot: Snapshot, found: Iterable[Workload]) -> dict[ObjectRef, dict[str, t.Any] | None]:
    """Return the workloads whose restart an earlier task began, with the patch that takes it back.

    Only pods of the old template are stale then, and they are on their way out.
    """
    stale = snapshot.stale_workloads()
    return {
        workload.ref: restart_patch(workload, min(_stamps(stale[workload.ref])) or None)
        for workload in found
        if workload.ref in stale and under_way(workload, stale[workload.ref])
    }


def _stamps(pods: Iterable[Pod]) -> list[str]:
    return [pod.annotations.get(RESTARTED_AT) or "" for pod in pods]


def known(snapshot: Snapshot, selection: Selection, cluster: str) -> Selection:
    """Return the selection with the namespaces that its patterns mean.

    Raises:
        ParameterError: namespaces or workloads do not exist.
    """
    names = expanded("namespaces", selection.namespaces, snapshot.namespaces, cluster)
    found = dataclasses.replace(selection, namespaces=tuple(names))
    found.require_names(snapshot.workloads.values())
    return found


def refuse_harm(snapshot: Snapshot, selection: Selection, forced: Container[Workload] = ()) -> None:
    """Refuse restarts that would take workloads down or out of the mesh, before the first one.

    Args:
        forced: what is restarted although it is not stale, such as pods that would come back without a proxy.

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
        if why in NAMED_AMISS or workload in forced:
            raise SafetyError(
                f"Nothing was restarted: pod {pod.namespace}/{pod.name} would come back without a proxy, because "
                f"{proxy_status.injection.reason}. {_remedy(why)}"
            )


def _remedy(why: InjectionReason) -> str:
    if why is InjectionReason.WEBHOOK_BROKEN:
        return "Bring istiod up first."
    if why is InjectionReason.NO_ACTIVE_DEFAULT:
        return "Set the default tag, or label the namespace with a revision or tag that exists."
    if why is InjectionReason.DANGLING_LABEL:
        return "Label the namespace with a revision or tag that exists."
    return f"Mend that, or give it label {INJECT_LABEL}=false if it is to leave the mesh."
