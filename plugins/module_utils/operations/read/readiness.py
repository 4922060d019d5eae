# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves by a dry run that a control plane can take workloads (safety rule S3).

The pod of the dry run stands for no workload, so a refusal by anything but Istio's injector proves nothing. Then other
namespaces are tried. Workloads prove the rest: before a restart, each namespace is asked with a template of its own.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    MeshError,
    ProofError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.dry_run_pods import stand_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.images import shows_other_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    PodShape,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    image_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import dry_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh

#: In how many namespaces a pod is tried that policies refuse.
PLACES = 6


@dataclasses.dataclass(frozen=True)
class Proof:
    """The result of asking for an injected pod.

    ``problem`` is why a revision does not inject correctly, empty if nothing shows that. ``doubt`` is why no pod could
    be asked for, empty if a pod proves the revision.
    """

    problem: str = ""
    doubt: str = ""


def probe_namespaces(mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> Iterator[str]:
    """Yield the namespaces in which a pod with the label of a revision leads to it, whatever labels they have."""
    injectors = {injector.name for injector in mesh.injectors if injector.revision == revision}
    preferred = [name for name in (mesh.namespace, "default") if name in namespaces]
    for name in dict.fromkeys([*preferred, *sorted(namespaces)]):
        result = resolve(mesh, name, namespaces[name].labels, PodShape({REVISION_LABEL: revision}))
        rejected = result.code is InjectionReason.REJECTED and result.injector in injectors
        if result.revision == revision or rejected:
            yield name


def prove_injection(
    client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str, version: str | None = None
) -> Proof:
    """Ask for a pod that a revision injects, in other namespaces too if something else refuses it.

    Only the pod shows the version of a control plane outside this cluster.

    Raises:
        ForbiddenError: this user may not create pods.
        ApiError: the API server failed before it called the webhook.
        ClusterError: the API server does not answer.
    """
    plane = mesh.revisions[revision]
    body = stand_in({REVISION_LABEL: revision}, image=plane.image)
    refusals: dict[str, Refusal] = {}
    for namespace in itertools.islice(probe_namespaces(mesh, namespaces, revision), PLACES):
        made = dry_run(client, namespace, body)
        if isinstance(made, Pod):
            return Proof(_injection_problem(mesh, revision, version, made) or "")
        if made.by is RefusedBy.INJECTOR:
            return Proof(f"a dry-run pod for it is rejected: {made.text}")
        refusals[namespace] = made
    invalid = next((refusal for refusal in refusals.values() if refusal.by is RefusedBy.VALIDATION), None)
    if invalid and not any(refusal.injected for refusal in refusals.values()):
        return Proof(f"a dry-run pod for it is rejected: {invalid.text}")
    if not refusals:
        return Proof(doubt=f"the labels of every namespace lead pods to another revision than {revision}")
    place, refusal = next(iter(refusals.items()))
    others = f" and in {len(refusals) - 1} more namespaces" if len(refusals) > 1 else ""
    return Proof(doubt=f"a dry-run pod for it is refused in namespace {place}{others}, by {refusal}")


def _injection_problem(mesh: Mesh, revision: str, version: str | None, pod: Pod) -> str | None:
    """Return why a pod of a dry run shows that a revision does not inject correctly, or None."""
    if not pod.proxy_image:
        return "a dry-run pod for it comes back without a proxy"
    if pod.revision != revision:
        return f"a dry-run pod for it is injected by revision {pod.revision}"
    config = mesh.revisions[revision].config
    expected = expected_image(config, {}) if config else ""
    # Mirrors, digests and types of images change the name of the image, but not the version in it.
    if expected and shows_other_version(pod.proxy_image, expected):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not {expected}"
    if version and mesh.is_remote(revision) and not has_wanted_tag(image_tag(pod.proxy_image), version):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not one of {version}"
    return None


def prove(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str, version: str | None) -> Proof:
    """Return whether a revision is proven to take workloads (safety rule S3).

    No label selects a non-revisioned installation whose default tag points elsewhere: it gets no pods.
    """
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    reason = not_ready_reason(mesh, revision, version)
    if reason or (injector and injector.deactivated and mesh.tags.get(DEFAULT) != revision):
        return Proof(reason or "")
    return prove_injection(client, mesh, namespaces, revision, version)


def require_ready(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> None:
    """Refuse a revision that shows a reason why it cannot take workloads now.

    Raises:
        ProofError: with the reason.
    """
    problem = prove(client, mesh, namespaces, revision, None).problem
    if problem:
        raise ProofError(
            f"Revision {revision} on cluster {client.connection.label} is not proven to take workloads: {problem}. "
            "Nothing was moved to it."
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
    clock: Callable[[], float] = time.monotonic,
) -> Mesh:
    """Wait until a revision is proven to take workloads, and return the mesh as it is then.

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
        if proof.doubt:
            progress(f"revision {revision} is ready, but not proven by a dry run: {proof.doubt}")
        if not reason:
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
