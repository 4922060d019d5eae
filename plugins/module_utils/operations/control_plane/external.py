# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control planes that somebody else installs: waits for one, proves it, says when it may go.

The Sail Operator, the add-on of AKS and managed meshes install and remove; moving workloads is left to others
(istio-ecosystem/sail-operator #850, #839).
"""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ForbiddenError,
    ProofError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import (
    Manager,
    require_writable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

EXTERNAL = "external"


def require_own(task: TaskContext, manager: Manager, what: str) -> None:
    """Refuse to install or remove what an operator keeps.

    Raises:
        SafetyError: it is an operator's.
    """
    advice = "let it do that, and set installer=external (variable istio_installer of the playbooks)"
    require_writable(manager, f"{what} on cluster {task.client.connection.label}", advice)


def await_revision(task: TaskContext, snapshot: Snapshot, source: str | None) -> TaskResult:
    """Wait until the revision is there and proven; in check mode look once. Writes nothing.

    Raises:
        ProofError: it is not there in time, or not of this version.
    """
    params, mesh = task.params, snapshot.mesh
    revision, version = params["revision"], params["version"]
    place = readiness.probe_namespace(snapshot.namespaces, mesh.namespace)
    tag = params["tag"] or version
    try:
        reason = readiness.problem(task.client, mesh, place, revision, tag)
    except (ForbiddenError, UnauthorizedError):
        raise
    except (ApiError, ClusterError) as exc:
        reason = exc.message
    if reason and not task.check_mode:
        task.progress(f"waiting until revision {revision} ({version}) is installed by others: {reason}")
        try:
            readiness.wait(
                task.client, mesh.namespace, place, revision, tag, timeout=params["timeout"], progress=task.progress
            )
            reason = None
        except ProofError as exc:
            raise ProofError(f"{exc.message} {_advice(revision, version)}") from exc
    if reason:
        raise ProofError(
            f"Revision {revision} on cluster {task.client.connection.label} is not ready to take workloads: {reason}. "
            f"{_advice(revision, version)}"
        )
    nothing = {"changes": [], "settings": {"user": {}, "defaults": {}}}
    return TaskResult(values={"revision": revision, "version": version, "source_revision": source, **nothing})


def _advice(revision: str, version: str) -> str:
    return (
        f"With installer=external somebody else installs it: have revision {revision} brought up with Istio {version} "
        "(Sail Operator: spec.version of the Istio resource; AKS: az aks mesh upgrade start), and run again."
    )


def may_go(task: TaskContext, snapshot: Snapshot, revision: str) -> TaskResult:
    """Return that nothing needs a revision any more; removing it is its installer's work."""
    found = snapshot.mesh.revisions.get(revision)
    keeper = f" ({found.manager})" if found and found.manager.is_operator else ""
    said = f"Nothing needs revision {revision} any more: its installer{keeper} may remove it."
    task.progress(said)
    return TaskResult(values={"revision": revision, "removable": True}, warnings=[said])
