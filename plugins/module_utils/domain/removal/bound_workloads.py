# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the workloads whose pods are bound to a revision by address, such as ztunnel, and not by injection."""

from __future__ import annotations

from collections.abc import Container

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NODE_PARTS,
    Workload,
    node_part,
)

#: Prefix of the Service of a tag (istio/istio manifests/charts/istio-control/istio-discovery, since Istio 1.28).
TAG_SERVICE = "istiod-revision-tag-"


def revision_of_service(mesh: Mesh, namespace: str, name: str) -> str | None:
    """Return the revision that a Service of istiod leads to, or None if it is not one of this mesh."""
    if namespace != mesh.namespace:
        return None
    tag = name.removeprefix(TAG_SERVICE)
    return mesh.tag_services.get(tag) if tag != name else mesh.service_revisions.get((namespace, name))


def bound_revisions(mesh: Mesh, workload: Workload) -> set[str]:
    """Return the revisions that the pods of a workload are bound to by address.

    ztunnel without such an address has its revision in an annotation only (istio/istio manifests/charts/ztunnel).
    """
    bound = {revision_of_service(mesh, *service) for service in workload.istiod_services} - {None}
    if not workload.istiod_services and node_part(workload):
        bound = {workload.template_annotations.get(REVISION_LABEL)} - {None}
    return {revision for revision in bound if revision}


def bound_workload_blockers(snapshot: Snapshot, revision: str, blocking: Container[ObjectRef]) -> list[Blocker]:
    """Return the workloads that name istiod of a revision by address; those in ``blocking`` are blockers already.

    Managed gateways are left out: istiod of the revision that owns them writes its own address into them.
    """
    return [
        Blocker(
            "bound_workload",
            str(workload),
            f"{workload} is bound to istiod of revision {revision} by its address",
            _remedy(workload),
        )
        for workload in snapshot.workloads.values()
        if workload.labels.get("app") != "istiod"
        and MANAGED_GATEWAY not in workload.template_labels
        and workload.ref not in blocking
        and revision in bound_revisions(snapshot.mesh, workload)
    ]


def _remedy(workload: Workload) -> str:
    part = node_part(workload)
    if part is None:
        return "change the address in its pod template to istiod of the revision that stays"
    return (
        f"upgrade {NODE_PARTS[part]} to the revision that stays, after the CNI plugin: with Helm, upgrade its release "
        "with revision=...; with istioctl, adopt_shared_components=true of istio_revision"
    )
