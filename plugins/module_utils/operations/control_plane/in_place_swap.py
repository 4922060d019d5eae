# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces a running istiod by a newer one before its injector configuration changes.

Installers write the injector's ConfigMap first, and every istiod follows it at once: until the new pods serve, the old
istiod runs a template that it may not know, and rejects every pod (seen from 1.30 to 1.31, istio/istio #38145).
The other way round is safe: an istiod knows the templates of older versions.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError, ProofError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    COMPONENT_LABEL,
    REVISION_LABEL,
    Mesh,
    suffix,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import pod_failure
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Change,
    Installation,
    object_path,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.patience import patiently
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: What a newer istiod needs before it starts, in this order; the installer applies the rest.
AHEAD = (
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Deployment",
)


def needed(mesh: Mesh, changes: Iterable[Change], revision: str, version: Version) -> bool:
    """Return whether the install gives a running istiod another image, and not an older one."""
    found = mesh.revisions.get(revision)
    if found is None or not found.deployment:
        return False
    current = parse_version(found.installed_by) or parse_version(found.version)
    swapped = any(
        change.kind == "Deployment"
        and change.name == found.deployment
        and any(".image" in path for path in change.fields)
        for change in changes
    )
    return swapped and (current is None or current <= version)


def ahead(rendered: Iterable[Json], changes: Iterable[Change]) -> list[Json]:
    """Return the rendered objects that go first, in their order."""
    wanted = {change.ref for change in changes if change.kind in AHEAD}
    own = (obj for obj in rendered if labels_of(obj).get(COMPONENT_LABEL) not in SHARED_COMPONENTS)
    found = [obj for obj in own if ref_of(obj) in wanted]
    return sorted(found, key=lambda obj: AHEAD.index(obj["kind"]))


def roll(task: TaskContext, installation: Installation) -> None:
    """Bring the new istiod up beside the old one, and wait until only the new one serves.

    Raises:
        ProofError: it does not come up; the old one serves on, with the configuration that it knows.
    """
    params = task.params
    for obj in ahead(installation.rendered, installation.changes):
        _apply(task, installation, obj)
    deadline = time.monotonic() + params["timeout"]
    look = functools.partial(_missing, task, params["revision"])
    # what cannot be read for a moment, as while an API server changes its leader, is no trouble of the new istiod
    while (reason := patiently(max(0.0, deadline - time.monotonic()), look)) is not None:
        if time.monotonic() >= deadline:
            raise ProofError(
                f"Revision {params['revision']} ({params['version']}) on cluster {task.client.connection.label} "
                f"{_sentence(reason)}. Its injector configuration is as before, and nothing was restarted; mend the "
                "cause and run again.",
                {"evidence": broken(task, params["revision"])},
            )
        time.sleep(0.5)


@dataclasses.dataclass(frozen=True)
class _Missing:
    """Why the old istiod may still answer: the new one is not up, or it is and the old one does not go."""

    why: str
    up: bool = False


def _sentence(reason: _Missing) -> str:
    if not reason.up:
        return f"did not come up: {reason.why}. The old istiod serves on and injects what it did before"
    return (
        f"is up, but the old istiod is not gone: {reason.why}. As long as nobody knows that it is dead, it may answer; "
        "where its node is gone, delete the pod by force (kubectl delete pod --force --grace-period=0)"
    )


def _apply(task: TaskContext, installation: Installation, obj: Json) -> None:
    name, kind = name_of(obj), obj["kind"]
    path = object_path(kind, obj["metadata"].get("namespace", ""), name)
    doing = f"Applying {kind} {name}"
    try:
        live = task.client.get(path, doing=doing)
    except NotFoundError:
        live = {"metadata": {}}
    dressed = installation.dress(obj, live)
    task.client.apply(path, dressed, manager=installation.manager, doing=doing, dry_run=False)


def _pods(task: TaskContext, revision: str) -> list[Json]:
    selector = f"app=istiod,{REVISION_LABEL}={revision}"
    path = f"{NAMESPACES}/{task.istio_namespace}/pods"
    return task.client.list(path, doing="Reading istiod pods", labelSelector=selector)


def broken(task: TaskContext, revision: str) -> list[str]:
    """Return what the pods of a revision's istiod say of why they are not up."""
    return [f"pod {name_of(pod)}, {why}" for pod in _pods(task, revision) if (why := pod_failure(pod))]


def _missing(task: TaskContext, revision: str) -> _Missing | None:
    """Return why the old istiod may still answer, or None; a pod on its way out still does."""
    found = fetch_mesh(task.client, task.istio_namespace).revisions[revision]
    if not found.rolled_out:
        return _Missing("; ".join([f"Deployment istiod{suffix(revision)} is not rolled out", *broken(task, revision)]))
    leaving = [pod for pod in _pods(task, revision) if pod["metadata"].get("deletionTimestamp")]
    if not leaving:
        return None
    node = (leaving[0].get("spec") or {}).get("nodeName")
    since = f"its grace period ended at {leaving[0]['metadata']['deletionTimestamp']}"
    return _Missing(f"pod {name_of(leaving[0])}{f' on node {node}' if node else ''} is not gone yet, {since}", up=True)
