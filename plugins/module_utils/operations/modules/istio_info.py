# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_info: reads a mesh and describes it in a small result."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import (
    NamespaceRow,
    describe_namespaces,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.up_to_date import is_unchanged, is_up_to_date
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.control_planes import (
    ControlPlaneRow,
    DefaultRow,
    describe_control_planes,
    describe_default,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease, LockRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    Record,
    is_unfinished_rollback,
    public_record,
    run_to_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import (
    UndoRow,
    add_known,
    describe_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartableRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.standing.leftovers import find_left
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.limits_option import (
    LIMITS_SPEC,
    require_known_limits,
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


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """The options of one task.

    ``run_id`` names the run whose undo is described, empty for the last one; ``request_digest`` is that of the run that
    this task belongs to, empty if it belongs to none.
    """

    proxies: bool
    record: bool
    stop_if_up_to_date: bool
    run_id: str
    request_digest: str

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> InfoOptions:
        """Return the typed options.

        Raises:
            ParameterError: options contradict each other.
        """
        options = cls(
            proxies=params["proxies"],
            record=params["record"],
            stop_if_up_to_date=params["stop_if_up_to_date"],
            run_id=str(params["run_id"] or ""),
            request_digest=str((params["run"] or {}).get("request_digest") or ""),
        )
        if options.run_id and not options.record:
            raise ParameterError("Parameter run_id needs record=true, which returns what undoing that run would do.")
        if options.stop_if_up_to_date and not (options.proxies and options.record):
            raise ParameterError(
                "Parameter stop_if_up_to_date is true, but only proxies and record can prove that a cluster is up to "
                "date; set both to true."
            )
        return options


class UnreadableRow(t.TypedDict):
    """A part of an object that cannot be read."""

    object: str
    field: str
    reason: str


class InfoValues(t.TypedDict, total=False):
    """The return values; those of pods and of the record are missing where the options leave them out."""

    kubernetes_version: str
    control_planes: list[ControlPlaneRow]
    tags: Mapping[str, str]
    operator_tags: Mapping[str, str]
    default: DefaultRow
    lock: LockRow | None
    record: Record | None
    up_to_date: bool
    left_proxies: int | None
    left_namespaces: list[str]
    proxies: dict[str, dict[str, int]]
    unrestartable: list[UnrestartableRow]
    unreadable: list[UnreadableRow]
    namespaces: list[NamespaceRow]
    undo: UndoRow


class ClusterRecord:
    """The lock and the run record of a cluster, which are read while the snapshot is."""

    def __init__(self, task: TaskContext, options: InfoOptions) -> None:
        self._lock = Lock(task.client, task.istio_namespace, None, task.controller)
        self._request_digest = options.request_digest
        self.lease: Lease | None = None
        self.record: Record | None = None

    def read(self) -> None:
        """Read both from the cluster."""
        self.lease, self.record = self._lock.held(), self._lock.record()

    def is_unchanged(self, snapshot: Snapshot) -> bool:
        """Whether no run works on the cluster, and all but the pods is as the last run of this request left it."""
        return not self.lease and is_unchanged(snapshot, self.record, self._request_digest)

    def up_to_date(self, snapshot: Snapshot) -> bool:
        """Whether a run of this request would find nothing to do."""
        return not self.lease and is_up_to_date(snapshot, self.record, self._request_digest)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse options that contradict each other, before any request.

    Raises:
        ParameterError: options contradict each other.
    """
    InfoOptions.from_params(params)


def _undo(options: InfoOptions, snapshot: Snapshot, record: Record | None) -> UndoRow:
    """Return what a rollback would undo: of the last run, or of the one that the options name."""
    run_id, led_to = run_to_undo(record, options.run_id or None)
    return add_known(record, describe_undo(snapshot, run_id, led_to, resumed=is_unfinished_rollback(record, run_id)))


def run(task: TaskContext) -> TaskResult:
    """Read the cluster and describe its mesh."""
    options = InfoOptions.from_params(task.params)
    cluster = ClusterRecord(task, options)
    snapshot = planned_snapshot(
        task,
        pods=options.proxies,
        meanwhile=cluster.read if options.record else lambda: None,
        pods_suffice=cluster.is_unchanged if options.stop_if_up_to_date else None,
    )
    require_known_limits(task, snapshot)
    values = InfoValues(
        kubernetes_version=snapshot.kubernetes_version,
        control_planes=describe_control_planes(snapshot.mesh),
        tags=snapshot.mesh.tags,
        operator_tags=snapshot.mesh.operator_tags,
        default=describe_default(snapshot.mesh),
    )
    if options.record:
        values["lock"] = cluster.lease.as_dict() if cluster.lease else None
        values["record"] = public_record(cluster.record)
    if options.proxies:
        values["proxies"] = snapshot.count_proxies()
        values["unrestartable"] = [pods.as_dict() for pods in snapshot.unrestartable()]
        values["unreadable"] = [
            {"object": str(part.ref), "field": part.field, "reason": part.reason} for part in snapshot.unreadable
        ]
    up_to_date = options.record and options.proxies and cluster.up_to_date(snapshot)
    if options.record and options.proxies:
        values["up_to_date"] = up_to_date
    if up_to_date and cluster.record:
        # A run that its limits narrow has nothing to do, although proxies are left.
        left = find_left(snapshot, str(cluster.record.get("revision") or ""), str(cluster.record.get("version") or ""))
        values["left_proxies"], values["left_namespaces"] = left["left_proxies"], left["left_namespaces"]
    if options.proxies and not (options.stop_if_up_to_date and up_to_date):
        values["namespaces"] = describe_namespaces(snapshot)
        if options.record:
            # Undo needs the workloads, which were not read if the task stopped early.
            values["undo"] = _undo(options, snapshot, cluster.record)
    return TaskResult(values={**values})


CORE = ModuleCore("istio_info", SPEC, run, check, writes=False)
