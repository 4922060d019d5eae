# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves by a dry run that a control plane can take workloads (safety rule S3).

The injection webhooks have no side effects, so a pod created with dryRun=All passes through the real istiod and the
answer is the injected pod; nothing is stored.
"""

from __future__ import annotations

import time
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    IGNORED_NAMESPACES,
    expected_image,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    image_tag,
    same_image,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh

PROPAGATION_TRIES = 20
PROPAGATION_PAUSE = 0.25


def probe_namespace(namespaces: Mapping[str, Namespace], preferred: str) -> str:
    """Return a namespace without injection labels, in which the label of a dry-run pod decides.

    Raises:
        ProofError: every namespace has such a label.
    """
    order: Iterable[str] = (preferred, "default", *sorted(namespaces))
    for name in order:
        namespace = namespaces.get(name)
        ignored = name in IGNORED_NAMESPACES
        if namespace and not ignored and not {REVISION_LABEL, INJECTION_LABEL} & set(namespace.labels):
            return name
    raise ProofError(
        f"No namespace is free of the labels {REVISION_LABEL} and {INJECTION_LABEL}, so a dry-run pod cannot "
        "be sent anywhere."
    )


def dry_run_pod(client: Client, namespace: str, labels: Mapping[str, str]) -> Pod:
    """Return a pod as the API server and the real injector would create it now.

    Raises:
        ApiError: a webhook or the API server rejects it, as it would reject a real pod.
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


def injection_failure(
    client: Client, mesh: Mesh, namespace: str, revision: str, version: str | None = None
) -> str | None:
    """Return why a dry-run pod shows that a revision does not inject correctly, or None.

    Only the pod shows the version of a control plane outside this cluster.

    Raises:
        ApiError: the API server failed before it called the webhook.
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
    expected = expected_image(config, {}) if config else ""
    if expected and not same_image(pod.proxy_image, expected):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not {expected}"
    if version and mesh.is_remote(revision) and not has_wanted_tag(image_tag(pod.proxy_image), version):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not one of {version}"
    return None


def unproven_reason(client: Client, mesh: Mesh, namespace: str, revision: str, version: str | None) -> str | None:
    """Return why a revision is not proven to take workloads, or None if it is (safety rule S3).

    No label selects a non-revisioned installation whose default tag points elsewhere: it gets no pods.
    """
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    if injector and injector.deactivated and mesh.tags.get(DEFAULT) != revision:
        return not_ready_reason(mesh, revision, version)
    reason = not_ready_reason(mesh, revision, version)
    return reason or injection_failure(client, mesh, namespace, revision, version)


def require_ready(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> None:
    """Refuse a revision that is not proven to take workloads now.

    Raises:
        ProofError: with the reason.
    """
    reason = unproven_reason(client, mesh, probe_namespace(namespaces, mesh.namespace), revision, None)
    if reason:
        raise ProofError(
            f"Revision {revision} on cluster {client.connection.label} is not proven to take workloads: {reason}. "
            "Nothing was moved to it."
        )


def require_injection(client: Client, namespace: str, labels: Mapping[str, str], revision: str | None) -> None:
    """Refuse a restart unless the API server injects a pod with these labels by the expected revision.

    A changed label takes a moment to reach the selectors of the webhooks, so the dry run is repeated.

    Raises:
        ProofError: another revision, or none, still injects the pod after a few seconds.
    """
    actual: str | None = None
    for dummy in range(PROPAGATION_TRIES):
        try:
            actual = dry_run_pod(client, namespace, labels).revision
        except ForbiddenError:
            # Quotas and pod policies may refuse the dry-run pod although they admit the pods of the workload.
            return
        if actual == revision:
            return
        time.sleep(PROPAGATION_PAUSE)
    raise ProofError(
        f"Nothing was restarted in namespace {namespace}: a dry-run pod is injected by {actual or 'no revision'}, "
        f"but {revision or 'no revision'} is expected from its labels."
    )


def wait_until_ready(
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
    """Wait until a revision is proven to take workloads, and return the mesh as it is then.

    Raises:
        ProofError: it is not proven within the timeout; the message has the last reason.
    """
    deadline = clock() + timeout
    reported: str | None = None
    while True:
        try:
            mesh = fetch_mesh(client, istio_namespace)
            reason = unproven_reason(client, mesh, namespace, revision, version)
        except (ForbiddenError, UnauthorizedError) as exc:
            raise ProofError(f"Revision {revision} cannot be proven: {exc.message}") from exc
        except MeshError as exc:
            reason = exc.message
        if reason is None:
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
