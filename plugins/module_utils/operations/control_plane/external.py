# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a control plane that another tool installs, prove it, and report when it may be removed.

The Sail Operator, the add-on of AKS and managed meshes install and remove; they leave moving workloads to others
(istio-ecosystem/sail-operator #850, #839).
"""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ForbiddenError,
    ProofError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import Manager, require_writable
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.proven import warn_unproven
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

EXTERNAL = "external"


class RemovableValues(t.TypedDict):
    """The return values if another tool has to remove the revision."""

    revision: str
    removable: bool


def require_not_operator_managed(task: TaskContext, manager: Manager, subject: str) -> None:
    """Refuse to install or remove what an operator manages.

    Args:
        subject: the object, as the beginning of the message.

    Raises:
        SafetyError: an operator manages it.
    """
    advice = "change it there, and set installer=external (variable istio_installer of the playbooks)"
    require_writable(manager, f"{subject} on cluster {task.client.connection.label}", advice)


def await_revision(task: TaskContext, options: InstallOptions, snapshot: Snapshot, source: str | None) -> TaskResult:
    """Wait until the revision is installed and proven; in check mode check once. Writes nothing.

    Raises:
        ProofError: it is not installed in time, or has another version.
    """
    mesh, revision, version = snapshot.mesh, options.revision, str(options.version)
    tag = options.tag or version
    try:
        proof = readiness.prove(task.client, mesh, snapshot.namespaces, revision, tag)
        reason = proof.problem
        warn_unproven(task, revision, proof.doubt)
    except (ForbiddenError, UnauthorizedError):
        raise
    except (ApiError, ClusterError) as exc:
        reason = exc.message
    if reason and not task.check_mode:
        task.progress(f"waiting until another tool has installed revision {revision} ({version}): {reason}")
        try:
            readiness.wait_until_ready(
                task.client,
                mesh.namespace,
                snapshot.namespaces,
                revision,
                tag,
                timeout=options.timeout,
                progress=task.progress,
                warn=task.warnings.append,
            )
            reason = ""
        except ProofError as exc:
            raise ProofError(f"{exc.message} {_advice(revision, version)}") from exc
    if reason:
        raise ProofError(
            f"Revision {revision} on cluster {task.client.connection.label} is not ready to take workloads: {reason}. "
            f"{_advice(revision, version)}"
        )
    unchanged = {"changes": [], "settings": {"user": {}, "defaults": {}}, "taken_over": []}
    return TaskResult(values={"revision": revision, "version": version, "source_revision": source, **unchanged})


def _advice(revision: str, version: str) -> str:
    return (
        f"With installer=external another tool installs it: have it install revision {revision} with Istio {version} "
        "(Sail Operator: spec.version of the Istio resource; AKS: az aks mesh upgrade start), and run again. If its "
        "images have another tag, name it in parameter tag (variable istio_tag)."
    )


def report_removable(task: TaskContext, snapshot: Snapshot, revision: str) -> TaskResult:
    """Report that nothing needs a revision any more; its installer has to remove it."""
    plane = snapshot.mesh.revisions.get(revision)
    operator = f" ({plane.manager})" if plane and plane.manager.is_operator else ""
    message = f"Nothing needs revision {revision} any more: its installer{operator} may remove it."
    task.progress(message)
    values: RemovableValues = {"revision": revision, "removable": True}
    return TaskResult(values={**values}, warnings=[message])
