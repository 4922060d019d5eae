# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_info: one reading of a mesh as a small result."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import followed
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.completion_fingerprint import (
    settled,
    unchanged,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    Record,
    as_result,
    resumes,
    run_to_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import undoing, with_known
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.limits_option import (
    LIMITS_SPEC,
    require_named,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import (
    PLANNED_SPEC,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "proxies": {"type": "bool", "default": True},
        "record": {"type": "bool", "default": False},
        "stop_if_up_to_date": {"type": "bool", "default": False},
        "run_id": {"type": "str"},
        **LIMITS_SPEC,
        **PLANNED_SPEC,
    }
)


def control_planes(mesh: Mesh) -> list[dict[str, t.Any]]:
    """Return one row per installed revision."""
    return [
        {
            "revision": found.name,
            "version": found.version,
            "ready": found.rolled_out,
            "replicas": found.replicas,
            "ready_replicas": found.ready,
            "tags": sorted(tag for tag, target in mesh.tags.items() if target == found.name),
            "installer": found.manager.kind or None,
            "managed_by": str(found.manager) if found.manager.kind else None,
        }
        for found in mesh.revisions.values()
    ]


def namespaces(snapshot: Snapshot) -> list[dict[str, t.Any]]:
    """Return one row per namespace that asks for injection: by which name, and how many proxies are right."""
    proxies: dict[str, int] = collections.Counter()
    stale: dict[str, int] = collections.Counter()
    leads: dict[str, set[str]] = collections.defaultdict(set)
    for pod, proxy_status in snapshot.proxy_statuses:
        proxies[pod.namespace] += bool(pod.proxy_image)
        stale[pod.namespace] += proxy_status.stale
        if proxy_status.stale and proxy_status.injection.revision:
            leads[pod.namespace].add(proxy_status.injection.revision)
    moved = {workload.namespace for workload in snapshot.workloads.values() if workload.journal.changes}
    gateways = {workload.namespace for workload in snapshot.workloads.values() if workload.gateway}
    follows = followed(snapshot)
    rows = []
    for namespace in sorted(snapshot.namespaces.values(), key=lambda found: found.name):
        name = namespace.revision_label
        own = {*moved, *follows}
        if name is None and not (proxies[namespace.name] or stale[namespace.name] or namespace.name in own):
            continue
        via = None if name is None else "tag" if name in snapshot.mesh.tags and name != DEFAULT else "revision"
        rows.append(
            {
                "name": namespace.name,
                "revision_label": name,
                "selected_by": "default" if name == DEFAULT else via,
                "revision": snapshot.mesh.resolve(name) if name else None,
                "followed_tags": follows.get(namespace.name, []),
                "selected_per_workload": not {REVISION_LABEL, INJECTION_LABEL} & set(namespace.labels),
                "gateways": namespace.name in gateways,
                "proxies": proxies[namespace.name],
                "stale_proxies": stale[namespace.name],
                "target_revisions": sorted(leads[namespace.name]),
            }
        )
    return rows


class Memory:
    """What a cluster remembers: who works on it now, and the last run that changed it."""

    def __init__(self, task: TaskContext) -> None:
        self._lock = Lock(task.client, task.istio_namespace, None, task.controller)
        self._wanted = str((task.params["run"] or {}).get("request_digest") or "")
        self.held: Lease | None = None
        self.record: Record | None = None

    def read(self) -> None:
        """Ask the cluster."""
        self.held, self.record = self._lock.held(), self._lock.record()

    def unchanged(self, snapshot: Snapshot) -> bool:
        """Whether nobody works on it, and all but the pods is as the run that is asked for left it."""
        return not self.held and unchanged(snapshot, self.record, self._wanted)

    def settles(self, snapshot: Snapshot) -> bool:
        """Whether the run that is asked for would find nothing to do."""
        return not self.held and settled(snapshot, self.record, self._wanted)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse options that contradict each other, before any request.

    Raises:
        ParameterError: what is brief needs the record and the pods.
    """
    if params["run_id"] and not params["record"]:
        raise ParameterError("Parameter run_id goes with record=true, which says what undoing that run would do.")
    if params["stop_if_up_to_date"] and not (params["proxies"] and params["record"]):
        raise ParameterError(
            "Parameter stop_if_up_to_date is true, but only proxies and record can prove that a cluster is up to date; "
            "set both to true."
        )


def _undo(task: TaskContext, snapshot: Snapshot, record: Record | None) -> dict[str, t.Any]:
    """Return what a rollback would undo: of the last run, or of the one that is named."""
    wanted, led_to = run_to_undo(record, task.params["run_id"])
    return with_known(record, undoing(snapshot, wanted, led_to, resumed=resumes(record, wanted)))


def run(task: TaskContext) -> TaskResult:
    """Read the cluster and describe its mesh."""
    memory = Memory(task)
    snapshot = planned_snapshot(
        task,
        pods=task.params["proxies"],
        meanwhile=memory.read if task.params["record"] else lambda: None,
        pods_suffice=memory.unchanged if task.params["stop_if_up_to_date"] else None,
    )
    require_named(task, snapshot)
    mesh = snapshot.mesh
    values: dict[str, t.Any] = {
        "kubernetes_version": snapshot.kubernetes_version,
        "control_planes": control_planes(mesh),
        "tags": mesh.tags,
        "operator_tags": mesh.operator_tags,
        "default": {
            "revision": mesh.default_revision,
            "validator": mesh.default_validator,
            "service": mesh.default_service,
            "other_mesh": mesh.other_mesh_owning(DEFAULT),
        },
    }
    if task.params["record"]:
        values["lock"] = memory.held.as_dict() if memory.held else None
        values["record"] = as_result(memory.record)
    if task.params["record"] and task.params["proxies"]:
        values["up_to_date"] = memory.settles(snapshot)
    if task.params["proxies"]:
        values["proxies"] = snapshot.count_proxies()
        values["unrestartable"] = [stuck.as_dict() for stuck in snapshot.unrestartable()]
        values["unreadable"] = [dataclasses.asdict(one) for one in snapshot.unreadable]
    if task.params["proxies"] and not (task.params["stop_if_up_to_date"] and values["up_to_date"]):
        values["namespaces"] = namespaces(snapshot)
        if task.params["record"]:
            # what was not read is not told of
            values["undo"] = _undo(task, snapshot, memory.record)
    return TaskResult(values=values)


CORE = ModuleCore("istio_info", SPEC, run, check, writes=False)
