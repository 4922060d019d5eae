# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the workloads whose pods are bound to a revision by address, such as ztunnel, and not by injection."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import tag_service
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NODE_PARTS,
    Workload,
    node_part,
)


def led_services(mesh: Mesh) -> dict[tuple[str, str], str]:
    """Return each Service of istiod, by namespace and name -> the revision it leads to, with planned moves of tags."""
    by_tag = {(mesh.namespace, tag_service(tag)): revision for tag, revision in mesh.tag_services.items()}
    return {**mesh.service_revisions, **by_tag}


def bound_revisions(services: Mapping[tuple[str, str], str], workload: Workload) -> set[str]:
    """Return the revisions that the pods of a workload are bound to by address.

    ztunnel without such an address has its revision in an annotation only (istio/istio manifests/charts/ztunnel).
    """
    if not workload.istiod_services and node_part(workload):
        return {workload.template_annotations.get(REVISION_LABEL, "")}
    return {services[service] for service in workload.istiod_services if service in services}


def bound_workload_blockers(snapshot: Snapshot, revision: str, blocking: Container[ObjectRef]) -> list[Blocker]:
    """Return the workloads that name istiod of a revision by address; those in ``blocking`` are blockers already.

    Managed gateways are left out: istiod of the revision that owns them writes its own address into them.
    """
    services = led_services(snapshot.mesh)
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
        and revision in bound_revisions(services, workload)
    ]


def _remedy(workload: Workload) -> str:
    part = node_part(workload)
    if part is None:
        return "change the address in its pod template to istiod of the revision that stays"
    return (
        f"upgrade {NODE_PARTS[part]} to the revision that stays, after the CNI plugin: with Helm, upgrade its release "
        "with revision=...; with istioctl, adopt_shared_components=true of istio_revision"
    )
