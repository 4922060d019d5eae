# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that a control plane takes workloads (safety rule S3), by a real dry run.

The injection webhooks have no side effects, so a pod created with dryRun=All passes through the real istiod and comes
back injected; nothing is stored.
"""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.retries import is_transient
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ForbiddenError,
    MeshError,
    ProofError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    IGNORED_NAMESPACES,
    expected_image,
    without_image_type,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import image_tag
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh

SETTLE_TRIES = 20
SETTLE_SECONDS = 0.25


def probe_namespace(namespaces: Mapping[str, Namespace], preferred: str) -> str:
    """Return a namespace whose labels say nothing about injection, so that a probe's own label decides.

    Raises:
        ProofError: there is none.
    """
    order: Iterable[str] = (preferred, "default", *sorted(namespaces))
    for name in order:
        found = namespaces.get(name)
        if found and name not in IGNORED_NAMESPACES and not {REVISION_LABEL, INJECTION_LABEL} & set(found.labels):
            return name
    raise ProofError(
        f"No namespace is free of the labels {REVISION_LABEL} and {INJECTION_LABEL}, so a dry-run pod cannot "
        "be sent anywhere."
    )


def dry_run_pod(client: Client, namespace: str, labels: Mapping[str, str]) -> Pod:
    """Return a pod as the API server and the real injector would create it now.

    Raises:
        ApiError: a webhook or the API server rejects it; the answer is that of a real creation.
    """
    body: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "meshops-istio-proof-", "labels": dict(labels)},
        "spec": {"containers": [{"name": "app", "image": "proof"}]},
    }
    answer = client.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        doing=f"Creating a dry-run pod in namespace {namespace}",
        body=body,
        params={"dryRun": "All"},
    )
    return read_pod(answer)


def standing_problem(mesh: Mesh, revision: str, version: str | None) -> str | None:
    """Return why the objects of a revision show that it cannot take workloads, or None."""
    found = mesh.revisions.get(revision)
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    if found is None or injector is None:
        return "it is not installed"
    here = not mesh.is_remote(revision)
    if here and not found.deployment:
        return "its istiod Deployment is missing"
    if here and version and without_image_type(found.version) != without_image_type(version):
        return f"its istiod has the image tag {found.version}, not {version}"
    if found.unreadable:
        return f"its {found.unreadable_maps}"
    if here and not found.rolled_out:
        return (
            f"its Deployment {found.deployment} is not rolled out: {found.ready} of {found.replicas} replicas are ready"
        )
    if injector.service is not None and not injector.has_ca_bundle:
        return f"webhook {injector.name} has no caBundle"
    return None


def injection_problem(
    client: Client, mesh: Mesh, namespace: str, revision: str, version: str | None = None
) -> str | None:
    """Return why a dry-run pod shows that a revision does not inject what it should, or None.

    Only the pod shows which version a control plane elsewhere runs.

    Raises:
        ApiError: the API server did not get as far as to ask it.
        ClusterError: the API server does not answer.
    """
    try:
        pod = dry_run_pod(client, namespace, {REVISION_LABEL: revision})
    except (ForbiddenError, UnauthorizedError):
        raise
    except ApiError as exc:
        if is_transient(exc.status, repeatable=True, body=exc.message.encode()):
            raise
        return f"a dry-run pod for it is rejected: {exc.message}"
    if not pod.proxy_image:
        return "a dry-run pod for it comes back without a proxy"
    if pod.revision != revision:
        return f"a dry-run pod for it is injected by revision {pod.revision}"
    config = mesh.revisions[revision].config
    wanted = expected_image(config, {}) if config else ""
    if wanted and without_image_type(pod.proxy_image) != without_image_type(wanted):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not {wanted}"
    if version and mesh.is_remote(revision) and without_image_type(image_tag(pod.proxy_image)) != version:
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not one of {version}"
    return None


def problem(client: Client, mesh: Mesh, namespace: str, revision: str, version: str | None) -> str | None:
    """Return why a revision cannot be trusted with workloads, or None when it is proven (safety rule S3).

    A non-revisioned install behind a default tag that leads elsewhere is selected by nothing, so no pod can ask it.
    """
    own = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    if own and own.deactivated and mesh.tags.get(DEFAULT) != revision:
        return standing_problem(mesh, revision, version)
    standing = standing_problem(mesh, revision, version)
    return standing or injection_problem(client, mesh, namespace, revision, version)


def require(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> None:
    """Refuse a revision that is not proven now.

    Raises:
        ProofError: with the reason.
    """
    reason = problem(client, mesh, probe_namespace(namespaces, mesh.namespace), revision, None)
    if reason:
        raise ProofError(
            f"Revision {revision} on cluster {client.connection.label} is not proven to take workloads: {reason}. "
            "Nothing was moved to it."
        )


def require_injection(client: Client, namespace: str, labels: Mapping[str, str], revision: str | None) -> None:
    """Refuse a restart unless the API server itself sends a pod with these labels to the expected revision.

    A label that was just changed takes a moment to reach the webhooks' selectors, so ask until it has.

    Raises:
        ProofError: it does not within a few seconds.
    """
    got: str | None = None
    for dummy in range(SETTLE_TRIES):
        try:
            got = dry_run_pod(client, namespace, labels).revision
        except ForbiddenError:
            # quotas and pod policies may refuse the probe although they admit the workload's own pods
            return
        if got == revision:
            return
        time.sleep(SETTLE_SECONDS)
    raise ProofError(
        f"Nothing was restarted in namespace {namespace}: a dry-run pod there is injected by {got or 'no revision'}, "
        f"but {revision or 'no revision'} is expected from its labels."
    )


def wait(
    client: Client,
    istio_namespace: str,
    namespace: str,
    revision: str,
    version: str | None,
    *,
    timeout: float,
    progress: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Mesh:
    """Wait until a revision is proven and return the mesh as it is then.

    Raises:
        ProofError: it was not within the time, with the last reason.
    """
    deadline = clock() + timeout
    said: t.Any = None
    while True:
        try:
            mesh = fetch_mesh(client, istio_namespace)
            reason = problem(client, mesh, namespace, revision, version)
        except (ForbiddenError, UnauthorizedError) as exc:
            raise ProofError(f"Revision {revision} cannot be proven: {exc.message}") from exc
        except MeshError as exc:
            reason = exc.message
        if reason is None:
            return mesh
        if reason != said:
            progress(f"waiting for revision {revision}: {reason}")
            said = reason
        if clock() >= deadline:
            raise ProofError(
                f"Revision {revision} on cluster {client.connection.label} was not proven within "
                f"{timeout:.0f} s: {reason}. "
                "Existing workloads are untouched; mend the cause and run again."
            )
        time.sleep(0.5)
