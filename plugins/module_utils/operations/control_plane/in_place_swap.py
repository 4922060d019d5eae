# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace a running istiod by a newer one before its injector configuration changes.

Installers write the injector's ConfigMap first, and every istiod reads it immediately: until the new pods are ready,
the previous istiod runs a template that it may not know, and rejects every pod (seen from 1.30 to 1.31,
istio/istio #38145). The opposite order is safe: an istiod knows the templates of older versions.
"""

from __future__ import annotations

import dataclasses
import functools
import time

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError, ProofError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.istiod_replacement import (
    objects_applied_first,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, suffix
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import pod_failure
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.istiod_writers import (
    discovery_image,
    name_istiod_writer,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def replace_istiod(task: TaskContext, options: InstallOptions, installation: Installation) -> str:
    """Bring up the new istiod beside the previous one, and return its image once only the new one is ready.

    It is the image that the API server stored, because an admission policy may rewrite it.

    Raises:
        ProofError: it does not come up, or another client puts the previous image back. The previous istiod is still
            serving, with the configuration that it knows.
    """
    image = ""
    for obj in objects_applied_first(installation.rendered, installation.changes):
        stored = _apply(task, installation, obj)
        if obj["kind"] == "Deployment":
            image = discovery_image(stored)
    deadline = time.monotonic() + options.timeout
    find_reason = functools.partial(_incomplete_reason, task, options, installation.manager, image)
    # A read that fails for a moment, such as during a leader change of the API server, is not a failure of istiod.
    while (reason := read_with_retries(max(0.0, deadline - time.monotonic()), find_reason)) is not None:
        if time.monotonic() >= deadline:
            raise ProofError(
                f"Revision {options.revision} ({options.version}) on cluster {task.client.connection.label} "
                f"{_sentence(reason)}. Its injector configuration is unchanged, and no workload was restarted. Fix the "
                "cause and run again.",
                {"evidence": failing_istiod_pods(task, options.revision)},
            )
        time.sleep(0.5)
    return image


@dataclasses.dataclass(frozen=True)
class _Incomplete:
    """Why the previous istiod may still answer: the new one is not up, or it is and the previous one still exists."""

    reason: str
    new_is_up: bool = False


def _sentence(incomplete: _Incomplete) -> str:
    if not incomplete.new_is_up:
        return (
            f"did not come up: {incomplete.reason}. The previous istiod is still serving and injecting its own version"
        )
    return (
        f"is up, but the previous istiod is not gone: {incomplete.reason}. It may still answer until it is known to "
        "be dead; if its node is gone, delete the pod by force (kubectl delete pod --force --grace-period=0)"
    )


def _apply(task: TaskContext, installation: Installation, obj: Json) -> Json:
    """Apply an object as the installer would, and return it as the API server stored it."""
    name, kind = name_of(obj), obj["kind"]
    path = object_path(kind, obj["metadata"].get("namespace", ""), name)
    doing = f"Applying {kind} {name}"
    try:
        live = task.client.get(path, doing=doing)
    except NotFoundError:
        live = {"metadata": {}}
    adapted = installation.adapt(obj, live)
    return task.client.apply(path, adapted, manager=installation.manager, doing=doing, dry_run=False)


def _other_image(task: TaskContext, options: InstallOptions, manager: str, image: str) -> str:
    """Return the clause that names the client which gave istiod another image than was written, or an empty text."""
    name = f"istiod{suffix(options.revision)}"
    path = object_path("Deployment", task.istio_namespace, name)
    deployment = task.client.get(path, doing=f"Reading Deployment {name}")
    current = discovery_image(deployment)
    if current == image:
        return ""
    writer = name_istiod_writer(task, deployment, manager)
    return f"{writer} changed the image of Deployment {task.istio_namespace}/{name} from {image} to {current}"


def explain_failed_proof(
    task: TaskContext, options: InstallOptions, manager: str, image: str, error: ProofError
) -> ProofError:
    """Return the error of a revision that is not proven, with the client that put the previous istiod back."""
    change = _other_image(task, options, manager, image) if image else ""
    if not change:
        return error
    return ProofError(
        f"{error.message} {change}. The injector configuration is already of {options.version}, so that new pods may "
        "be rejected (finding MU132): remove or upgrade that writer now, then run again.",
        error.details,
    )


def _istiod_pods(task: TaskContext, revision: str) -> list[Json]:
    selector = f"app=istiod,{REVISION_LABEL}={revision}"
    path = f"{NAMESPACES}/{task.istio_namespace}/pods"
    return task.client.list(path, doing="Reading istiod pods", labelSelector=selector)


def failing_istiod_pods(task: TaskContext, revision: str) -> list[str]:
    """Return each istiod pod of a revision that fails, with the reason in its status."""
    return [f"pod {name_of(pod)}, {reason}" for pod in _istiod_pods(task, revision) if (reason := pod_failure(pod))]


def _incomplete_reason(task: TaskContext, options: InstallOptions, manager: str, image: str) -> _Incomplete | None:
    """Return why the previous istiod may still answer, or None; a terminating pod still answers.

    Raises:
        ProofError: the Deployment does not have the image any more that was written.
    """
    revision = options.revision
    plane = fetch_mesh(task.client, task.istio_namespace).revisions[revision]
    if image and plane.image != image:
        raise ProofError(
            f"Revision {revision} on cluster {task.client.connection.label} was not upgraded to {options.version}: "
            f"{_other_image(task, options, manager, image) or 'its image changed meanwhile'}. Its injector "
            "configuration is unchanged, so that new pods are still injected, and no workload was restarted. Remove "
            "or upgrade that writer, then run again."
        )
    if not plane.rolled_out:
        reasons = [f"Deployment istiod{suffix(revision)} is not rolled out", *failing_istiod_pods(task, revision)]
        return _Incomplete("; ".join(reasons))
    terminating = [pod for pod in _istiod_pods(task, revision) if pod["metadata"].get("deletionTimestamp")]
    if not terminating:
        return None
    pod = terminating[0]
    node = (pod.get("spec") or {}).get("nodeName")
    place = f" on node {node}" if node else ""
    since = f"its grace period ended at {pod['metadata']['deletionTimestamp']}"
    return _Incomplete(f"pod {name_of(pod)}{place} is not gone yet, {since}", new_is_up=True)
