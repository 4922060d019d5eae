# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what else writes an istiod: an operator, or the client that changed its image after our own write."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    NotFoundError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    FIELD_MANAGER,
    Json,
    ObjectRef,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import name_writer
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import (
    ISTIO_OPERATORS,
    is_operator_deployment,
    of_control_plane,
    read_istio_operator,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import manager_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Code of the check that finds the same before a run.
CODE = "MU130"
IMAGE = ("spec", "template", "spec", "containers", {"name": "discovery"}, "image")


def in_cluster_operator(client: Client, istio_namespace: str) -> str:
    """Return the in-cluster operator that puts the control plane of a namespace back, or an empty text.

    Raises:
        ForbiddenError: this user may not read its resources.
    """
    try:
        objects = client.list(ISTIO_OPERATORS, doing="Reading IstioOperators")
    except NotFoundError:
        return ""
    described = of_control_plane(map(read_istio_operator, objects), istio_namespace)
    kept = next((operator for operator in described if not operator.ignored), None)
    running = next(_running_operators(client), None) if kept else None
    return f"the in-cluster operator {running} ({kept.ref})" if kept and running else ""


def _running_operators(client: Client) -> Iterator[ObjectRef]:
    for obj in client.list(COLLECTIONS["Deployment"], doing="Reading Deployments"):
        spec = obj["spec"]
        if spec.get("replicas", 1) and is_operator_deployment(name_of(obj), labels_of(spec["template"])):
            yield ObjectRef(str(obj["metadata"].get("namespace") or ""), "Deployment", name_of(obj))


def require_no_in_cluster_operator(task: TaskContext, revision: str) -> None:
    """Refuse to write a control plane that an in-cluster operator puts back; warn if that cannot be read.

    Raises:
        SafetyError: it names the operator and its resource.
    """
    try:
        operator = in_cluster_operator(task.client, task.istio_namespace)
    except ForbiddenError as exc:
        task.warnings.append(f"Whether an in-cluster operator keeps revision {revision} is not known: {exc.message}")
        return
    if operator:
        raise SafetyError(
            f"{CODE}: revision {revision} on cluster {task.client.connection.label} is kept by {operator}, which "
            "restores its own version: remove or upgrade the operator first. To install the revision anyway, name the "
            "code in parameter allow."
        )


def name_istiod_writer(task: TaskContext, deployment: Json, own: str) -> str:
    """Name the client that changed the image of an istiod after the installer wrote it.

    The in-cluster operator writes under the same name as istioctl, so that its entry proves nothing.

    Args:
        deployment: the Deployment as it is now.
        own: the name under which the installer writes.
    """
    manager = manager_of(deployment)
    if manager.is_operator:
        return str(manager)
    writer = name_writer(deployment, IMAGE, (own, FIELD_MANAGER))
    try:
        return in_cluster_operator(task.client, task.istio_namespace) or writer
    except ForbiddenError as exc:
        return f"{writer} (whether an in-cluster operator is there is not known: {exc.text})"


def discovery_image(deployment: Json) -> str:
    """Return the image of istiod in its Deployment."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(c.get("image") or "") for c in containers if c.get("name") == "discovery"), "")
