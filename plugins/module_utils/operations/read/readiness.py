# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that a control plane can take workloads (safety rule S3): by its objects, and by a pod that it injects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    MeshError,
    ProofError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import (
    Proof,
    prove_injection,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh


def gets_no_pods(mesh: Mesh, revision: str) -> bool:
    """Whether no label selects a revision: a non-revisioned installation whose default tag points elsewhere."""
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    return injector is not None and injector.deactivated and mesh.tags.get(DEFAULT) != revision


def prove(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str, version: str | None) -> Proof:
    """Return whether a revision is proven to take workloads (safety rule S3)."""
    reason = not_ready_reason(mesh, revision, version)
    if reason or gets_no_pods(mesh, revision):
        return Proof(reason or "")
    return prove_injection(client, mesh, namespaces, revision, version)


def require_ready(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> str:
    """Refuse a revision that shows a reason why it cannot take workloads now; return why no dry run proves it.

    Raises:
        ProofError: with the reason.
    """
    proof = prove(client, mesh, namespaces, revision, None)
    if proof.problem:
        raise ProofError(
            f"Revision {revision} on cluster {client.connection.label} is not proven to take workloads: "
            f"{proof.problem}. Nothing was moved to it."
        )
    return proof.doubt


def unproven_warning(revision: str, doubt: str) -> str:
    """Return the sentence about a revision that is ready, but that no dry run proves."""
    return (
        f"Revision {revision} is ready, but no dry run proves that it injects: {doubt}. Before a restart, each "
        "namespace is asked with a pod template of its own."
    )


def wait_until_ready(
    client: Client,
    istio_namespace: str,
    namespaces: Mapping[str, Namespace],
    revision: str,
    version: str | None,
    *,
    timeout: float,
    progress: Callable[[str], None],
    warn: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Mesh:
    """Wait until a revision is proven to take workloads, and return the mesh as it is then.

    Args:
        warn: gets a sentence if the revision is ready, but no dry run proves that it injects.

    Raises:
        ProofError: it is not proven within the timeout; the message has the last reason.
    """
    deadline = clock() + timeout
    reported = ""
    while True:
        try:
            mesh = fetch_mesh(client, istio_namespace)
            proof = prove(client, mesh, namespaces, revision, version)
        except (ForbiddenError, UnauthorizedError) as exc:
            raise ProofError(f"Revision {revision} cannot be proven: {exc.message}") from exc
        except MeshError as exc:
            proof = Proof(exc.message)
        reason = proof.problem
        if not reason:
            if proof.doubt:
                warn(unproven_warning(revision, proof.doubt))
            return mesh
        if reason != reported:
            progress(f"waiting for revision {revision}: {reason}")
            reported = reason
        if clock() >= deadline:
            raise ProofError(
                f"Revision {revision} on cluster {client.connection.label} was not proven within "
                f"{timeout:.0f} s: {reason}. "
                "Existing workloads are untouched; fix the cause and run again."
            )
        time.sleep(0.5)
