# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of every module: a specification, a check of its options, and one function that gets the task context."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import KUBERNETES_IMPORT_ERROR, connection
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, MeshError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import YAML_IMPORT_ERROR
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import PlannedSteps
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_interface import (
    KeeperInterface,
    NoKeeper,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import fetch_snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.clean_result import (
    clean_result,
    without_secrets,
)


def _discard(dummy: str) -> None:
    """Discard the progress of a module over a connection, where Ansible does not show it."""


@dataclasses.dataclass
class TaskContext:
    """One execution: the cluster, the options that all modules share, and whether the task may write."""

    client: Client
    params: Mapping[str, t.Any] = dataclasses.field(repr=False)
    check_mode: bool = False
    #: Namespace of the control planes.
    istio_namespace: str = "istio-system"
    #: UID of namespace kube-system that the cluster must have; empty for any.
    expected_cluster_id: str = ""
    #: The run that the task is a part of.
    run: RunOptions | None = None
    #: The changes that earlier steps of a run would have made; only in check mode.
    planned: PlannedSteps | None = None
    limits: NamespaceLimits = dataclasses.field(default_factory=NamespaceLimits)
    #: Path of istioctl, with a placeholder for the version; and the version that is given, if any.
    istioctl_path: str = ""
    istioctl_version: str = ""
    progress: Callable[[str], None] = _discard
    #: Whether a person watches the output live, so that a line per second is not too much.
    watched: bool = True
    cluster_id: str = ""
    installer_wrote: bool = False
    #: Secrets from the cluster that must not be shown, such as those in settings that are carried over.
    hidden: set[str] = dataclasses.field(default_factory=set, repr=False)
    #: Pid of ansible-playbook, if the task runs inside it.
    controller: int | None = None
    #: Raises LockedError if another run holds the lock.
    require_free: Callable[[], object] = lambda: None
    #: Renews the lock of the run between its tasks.
    keeper: KeeperInterface = dataclasses.field(default_factory=NoKeeper)
    #: Warnings, such as those about the lock.
    warnings: list[str] = dataclasses.field(default_factory=list)
    _lock: Lock | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def create(cls, client: Client, params: Mapping[str, t.Any], check_mode: bool) -> TaskContext:
        """Return the context of a task with the options that all modules share, parsed."""
        return cls(
            client,
            params,
            check_mode,
            istio_namespace=params["istio_namespace"],
            expected_cluster_id=params.get("expected_cluster_id") or "",
            run=RunOptions.from_params(params),
            planned=PlannedSteps.from_params(params.get("planned")) if check_mode else None,
            limits=NamespaceLimits.from_mapping(params.get("limits") or {}),
            istioctl_path=params.get("istioctl") or "",
            istioctl_version=params.get("version") or "",
        )

    def snapshot(
        self,
        *,
        pods: bool = False,
        precheck_inputs: bool = False,
        ask: bool = True,
        meanwhile: Callable[[], None] = lambda: None,
        pods_suffice: Callable[[Snapshot], bool] | None = None,
    ) -> Snapshot:
        """Read the cluster; the first reading proves that it is the expected one (safety rule S1).

        Then ``meanwhile`` is called while the rest is being read. For the other options see `fetch_snapshot`.

        Raises:
            ClusterError: ``expected_cluster_id`` names another cluster.
            LockedError: this task may write, and another run works on the cluster (safety rule S8).
        """

        def on_identified(cluster_id: str) -> None:
            if not self.cluster_id:
                self._require_expected(cluster_id)
                self.require_free()
            meanwhile()

        snapshot = fetch_snapshot(
            self.client,
            self.istio_namespace,
            pods=pods,
            precheck_inputs=precheck_inputs,
            ask=ask,
            on_identified=on_identified,
            pods_suffice=pods_suffice,
        )
        return snapshot if precheck_inputs else self.warn_unread_policies(snapshot)

    def warn_unread_policies(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot, after a warning if this user may not read which policies act on new pods."""
        unread = {f"Policies on new pods are left out: {reason}" for reason in snapshot.admission.unread.values()}
        self.warnings += unread - set(self.warnings)
        return snapshot

    def _require_expected(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id
        expected = self.expected_cluster_id or cluster_id
        if cluster_id != expected:
            raise ClusterError(
                f"Cluster {self.client.connection.label} is not the expected one: the UID of its namespace "
                "kube-system is "
                f"{cluster_id}, but expected_cluster_id is {expected}. Nothing was written."
            )

    def lock(self) -> Lock:
        """Return the lock of the cluster as this task sees it; a task that writes has one lock for all its writes."""
        if self._lock is None:
            client = Client(self.client.connection)
            self._lock = Lock(client, self.istio_namespace, self.run, self.controller, self.keeper)
        return self._lock

    def begin_change(self) -> str:
        """Lock the cluster, and return the id of the run for the journal of a changed object."""
        self.client.before_write()
        return self.lock().run_id

    def about_to_write(self) -> None:
        """Record that an installer changes the cluster from now on; call it before the installer starts."""
        self.client.before_write()
        self.installer_wrote = True

    def istioctl(self, mesh: Mesh, *revisions: str | None) -> Istioctl:
        """Return the istioctl of option version, else of the first given revision whose version is known.

        Raises:
            ParameterError: no version is known, or there is no such binary.
        """
        planes = (mesh.revisions[name] for name in revisions if name in mesh.revisions)
        versions = (plane.installed_version for plane in planes)
        version = self.istioctl_version or next((version.release for version in versions if version), None)
        if version is None:
            raise ParameterError("Parameter version is missing: no revision shows which istioctl to use.")
        return find_istioctl(self.istioctl_path, version, self.client.connection, self.istio_namespace)


@dataclasses.dataclass
class TaskResult:
    """The changes that a task made, or would make in check mode."""

    actions: list[str] = dataclasses.field(default_factory=list)
    before: Json | None = None
    after: Json | None = None
    values: Json = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    failed: str = ""


@dataclasses.dataclass(frozen=True)
class ModuleCore:
    """A module's name, options, check of the options (before any request) and function."""

    name: str
    spec: ArgumentSpec
    run: Callable[[TaskContext], TaskResult]
    check: Callable[[Mapping[str, t.Any]], None] = lambda dummy: None
    #: Whether the module may change a cluster, so that no other run may work on it meanwhile.
    writes: bool = True


def execute(
    core: ModuleCore,
    params: Mapping[str, t.Any],
    *,
    check_mode: bool,
    diff: bool,
    progress: Callable[[str], None] = _discard,
    watched: bool = True,
    controller: int | None = None,
    keeper: KeeperInterface | None = None,
    inventory_name: str = "",
) -> Json:
    """Run a core and return the result of its task, failed or not.

    Args:
        controller: pid of ansible-playbook, if the task runs inside it.
        keeper: renews the lock of the run between its tasks.
        inventory_name: the name of the cluster in the inventory, if it is known.

    Expected failures become ``failed``, ``msg`` and ``failure``; any other exception is a bug and is raised.
    """
    task: TaskContext | None = None

    def report(text: str) -> None:
        progress(without_secrets(text, _secrets(params, task)))

    try:
        for library, error in (("kubernetes", KUBERNETES_IMPORT_ERROR), ("PyYAML", YAML_IMPORT_ERROR)):
            if error:
                raise ParameterError(f"The Python library {library} is missing where this task runs; install it there.")
        client = Client(dataclasses.replace(connection(params), inventory_name=inventory_name or None))
        core.check(params)
        task = TaskContext.create(client, params, check_mode)
        task.progress, task.watched = report, watched
        task.controller, task.keeper = controller, keeper or NoKeeper()
        outcome = _run_locked(core, task)
    except MeshError as exc:
        failure = {"kind": type(exc).__name__, **exc.details}
        failed = {"failed": True, "changed": _wrote(task), "msg": exc.message, "failure": failure, **_statistics(task)}
        warnings = [*_tls_warning(task), *(task.warnings if task else ())]
        return clean_result(_with_warnings(failed, warnings), _secrets(params, task))
    result: Json = {"changed": bool(outcome.actions), "actions": outcome.actions, **outcome.values, **_statistics(task)}
    if diff and outcome.before is not None and outcome.after is not None:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    if outcome.failed:
        result.update(failed=True, msg=outcome.failed)
    warnings = [*_tls_warning(task), *task.warnings, *outcome.warnings]
    return clean_result(_with_warnings(result, warnings), _secrets(params, task))


def _run_locked(core: ModuleCore, task: TaskContext) -> TaskResult:
    """Run a core so that no other run works on the cluster while it writes (safety rule S8)."""
    if task.check_mode:
        return core.run(task)
    lock = task.lock() if core.writes else None
    if lock:
        task.require_free = lock.require_free
        task.client.before_write = lock.before_write
        task.warnings = lock.warnings
    failure = "The task ended with an unexpected error."
    try:
        outcome = core.run(task)
        failure = outcome.failed
    except MeshError as exc:
        failure = exc.message
        raise
    except KeyboardInterrupt:
        # The run ends here, and an earlier task of it may have locked the cluster.
        task.lock().interrupt()
        raise
    finally:
        if lock:
            lock.finish(failure)
    return outcome


def _with_warnings(result: Json, warnings: list[str]) -> Json:
    return {**result, "warnings": warnings} if warnings else result


def _wrote(task: TaskContext | None) -> bool:
    return task is not None and (task.installer_wrote or task.client.request_counts.writes > 0)


def _statistics(task: TaskContext | None) -> Json:
    """Return the cluster of a task and the number of its requests."""
    if task is None:
        return {}
    client = task.client
    return {
        "cluster": {"id": task.cluster_id, "name": client.connection.address, "server": client.server},
        "requests": dataclasses.asdict(client.request_counts),
    }


def _tls_warning(task: TaskContext | None) -> list[str]:
    return [task.client.tls_warning] if task and task.client.tls_warning else []


def _secrets(params: Mapping[str, t.Any], task: TaskContext | None) -> set[str]:
    """Return the secrets of the parameters, the kubeconfig and the cluster."""
    return secrets_in(params) | (task.client.secrets | task.hidden if task else set())
