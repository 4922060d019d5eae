# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module is made of: a specification, a check of its input, and one function."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from ansible.module_utils.common.parameters import remove_values

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import KUBERNETES_IMPORT_ERROR, connection
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find
from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, MeshError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import printable
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import YAML_IMPORT_ERROR
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock_keeper import LockKeeper
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import fetch_snapshot


def _silent(dummy: str) -> None:
    """Progress of a module over a connection: nobody would see it."""


@dataclasses.dataclass
class TaskContext:
    """One execution: the cluster, the parameters, and whether anything may be written."""

    client: Client
    params: Mapping[str, t.Any] = dataclasses.field(repr=False)
    check_mode: bool = False
    progress: Callable[[str], None] = _silent
    #: Whether somebody looks on, so that a line a second is not too much.
    watched: bool = True
    cluster_id: str = ""
    installer_wrote: bool = False
    #: Secrets that were found in the cluster and must not be shown, such as those in settings that are carried over.
    hidden: set[str] = dataclasses.field(default_factory=set, repr=False)
    #: Process of ansible-playbook, where the task runs inside it.
    controller: int | None = None
    own_lock: Lock | None = dataclasses.field(default=None, repr=False)
    #: Refuses to work on a cluster that somebody else works on.
    require_free: Callable[[], object] = lambda: None
    #: Has the lock of the run renewed between its tasks.
    keeper: LockKeeper = dataclasses.field(default_factory=LockKeeper)
    #: What is to be said of the lock.
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def istio_namespace(self) -> str:
        """Namespace of the control planes."""
        return str(self.params["istio_namespace"])

    def snapshot(
        self,
        *,
        pods: bool = False,
        precheck_inputs: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
        pods_suffice: Callable[[Snapshot], bool] | None = None,
    ) -> Snapshot:
        """Read the cluster; the first reading proves that it is the expected one (safety rule S1).

        Once that is proven, ``meanwhile`` is called while the rest is still being read. For ``pods_suffice`` see
        `fetch_snapshot`.

        Raises:
            ClusterError: ``expected_cluster_id`` names another cluster.
            LockedError: this task may write, and somebody else works on the cluster (safety rule S8).
        """

        def on_identified(cluster_id: str) -> None:
            if not self.cluster_id:
                self._require_expected(cluster_id)
                self.require_free()
            meanwhile()

        return fetch_snapshot(
            self.client,
            self.istio_namespace,
            pods=pods,
            precheck_inputs=precheck_inputs,
            on_identified=on_identified,
            pods_suffice=pods_suffice,
        )

    def _require_expected(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id
        expected = self.params.get("expected_cluster_id") or cluster_id
        if cluster_id != expected:
            raise ClusterError(
                f"Cluster {self.client.connection.label} is not the expected one: the UID of its namespace "
                "kube-system is "
                f"{cluster_id}, but expected_cluster_id is {expected}. Nothing was written."
            )

    def lock(self) -> Lock:
        """Return the lock of the cluster as this task sees it; a task that writes has one lock for all its writes."""
        self.own_lock = self.own_lock or _lock(self)
        return self.own_lock

    def begin_change(self) -> str:
        """Lock the cluster, and return the id of the run that the journal of a changed object names."""
        self.client.before_write()
        return self.lock().run_id

    def about_to_write(self) -> None:
        """Note that an installer changes the cluster from now on; called before it is started."""
        self.client.before_write()
        self.installer_wrote = True

    def istioctl(self, mesh: Mesh, *revisions: str | None) -> Istioctl:
        """Return the istioctl of parameter version, else of the first named revision whose version is known.

        Raises:
            ParameterError: no version is known, or there is no such binary.
        """
        named = (mesh.revisions[name] for name in revisions if name in mesh.revisions)
        known = (found.release for plane in named if (found := parse_version(plane.installed_by or plane.version)))
        version = self.params.get("version") or next(known, None)
        if version is None:
            raise ParameterError("Parameter version is missing: no revision tells which istioctl to use.")
        return find(self.params["istioctl"], version, self.client.connection, self.istio_namespace)


@dataclasses.dataclass
class TaskResult:
    """What a run did, or would do in check mode."""

    actions: list[str] = dataclasses.field(default_factory=list)
    before: Json | None = None
    after: Json | None = None
    values: Json = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    failed: str = ""


@dataclasses.dataclass(frozen=True)
class ModuleCore:
    """A module's name, options, input check (before any request) and core."""

    name: str
    spec: ArgumentSpec
    run: Callable[[TaskContext], TaskResult]
    check: Callable[[Mapping[str, t.Any]], None] = lambda dummy: None
    #: Whether it can change a cluster, so that nobody else may work on it meanwhile.
    writes: bool = True


def execute(
    core: ModuleCore,
    params: Mapping[str, t.Any],
    *,
    check_mode: bool,
    diff: bool,
    progress: Callable[[str], None] = _silent,
    watched: bool = True,
    controller: int | None = None,
    keeper: LockKeeper | None = None,
) -> Json:
    """Run a core and return the result of its task, failed or not.

    Args:
        controller: the process of ansible-playbook.
        keeper: looks after the lock of the run between its tasks.

    Expected failures become ``failed``, ``msg`` and ``failure``; everything else is a bug and raises.
    """
    task: TaskContext | None = None

    def say(text: str) -> None:
        progress(_hidden(params, task, text))

    try:
        for library, error in (("kubernetes", KUBERNETES_IMPORT_ERROR), ("PyYAML", YAML_IMPORT_ERROR)):
            if error:
                raise ParameterError(f"The Python library {library} is missing where this task runs; install it there.")
        conn = connection(params)
        core.check(params)
        task = TaskContext(
            Client(conn), params, check_mode, say, watched, controller=controller, keeper=keeper or LockKeeper()
        )
        outcome = _locked(core, task)
    except MeshError as exc:
        failure = {"kind": type(exc).__name__, **exc.details}
        failed = {"failed": True, "changed": _wrote(task), "msg": exc.message, "failure": failure, **_about(task)}
        return _shown(params, task, _with_warnings(failed, [*_tls_warning(task), *(task.warnings if task else ())]))
    result: Json = {"changed": bool(outcome.actions), "actions": outcome.actions, **outcome.values, **_about(task)}
    if diff and outcome.before is not None and outcome.after is not None:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    if outcome.failed:
        result.update(failed=True, msg=outcome.failed)
    return _shown(params, task, _with_warnings(result, [*_tls_warning(task), *task.warnings, *outcome.warnings]))


def _shown(params: Mapping[str, t.Any], task: TaskContext | None, result: Json) -> Json:
    """Return a result as people may see it: what a cluster says may have control characters and several lines."""
    return t.cast("Json", printable(_hidden(params, task, result)))


def _locked(core: ModuleCore, task: TaskContext) -> TaskResult:
    """Run a core so that nobody else works on the cluster while it writes (safety rule S8)."""
    if task.check_mode:
        return core.run(task)
    lock = task.lock() if core.writes else None
    if lock:
        task.require_free = lock.require_free
        task.client.before_write = lock.before_write
        task.warnings = lock.warnings
    failure = "The task ended by a fault of its own."
    try:
        outcome = core.run(task)
        failure = outcome.failed
    except MeshError as exc:
        failure = exc.message
        raise
    except KeyboardInterrupt:
        # the run ends here, and an earlier task of it may have locked the cluster
        task.lock().interrupt()
        raise
    finally:
        if lock:
            lock.finish(failure)
    return outcome


def _lock(task: TaskContext) -> Lock:
    client = Client(task.client.connection)
    return Lock(client, task.istio_namespace, task.params.get("run"), task.controller, task.keeper)


def _with_warnings(result: Json, warnings: list[str]) -> Json:
    return {**result, "warnings": warnings} if warnings else result


def _wrote(task: TaskContext | None) -> bool:
    return task is not None and (task.installer_wrote or task.client.request_counts.writes > 0)


def _about(task: TaskContext | None) -> Json:
    if task is None:
        return {}
    client = task.client
    return {
        "cluster": {"id": task.cluster_id, "name": client.connection.label, "server": client.server},
        "requests": dataclasses.asdict(client.request_counts),
    }


def _tls_warning(task: TaskContext | None) -> list[str]:
    return [task.client.tls_warning] if task and task.client.tls_warning else []


def _hidden(params: Mapping[str, t.Any], task: TaskContext | None, value: t.Any) -> t.Any:
    """Return a result, or a line of it, without what must not be shown of parameters and kubeconfig."""
    secrets = secrets_in(params) | (task.client.secrets | task.hidden if task else set())
    return remove_values(value, secrets) if secrets else value
