# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what is bound to a revision without injection: agents of nodes, managed gateways, and addresses of istiod."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import image_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    drops_moved_gateways,
    node_agent_skew,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NODE_PARTS,
    ZTUNNEL,
    Workload,
    node_part,
)


def installed_by(upgrade: Upgrade, workload: Workload) -> bool:
    """Return whether the installation of the run also renders a workload: each revision keeps the ones it owns."""
    return workload.component in SHARED_COMPONENTS and workload.revision == upgrade.revision


def _find_skew(snapshot: Snapshot, upgrade: Upgrade, *, ambient: bool) -> CheckResults:
    """Yield the node agents whose version does not fit the target, in a mesh with or without ztunnel."""
    workloads = (w for w in snapshot.workloads.values() if not snapshot.is_of_other_mesh(w.ref))
    parts = {workload: part for workload in workloads if (part := node_part(workload))}
    if (ZTUNNEL in parts.values()) != ambient or upgrade.version is None:
        return
    for workload, part in parts.items():
        version = image_version(workload.image)
        skew = node_agent_skew(version, upgrade.version) if version else None
        if skew and not installed_by(upgrade, workload):
            yield workload.ref, f"It runs {NODE_PARTS[part]} {version}, {skew} control plane {upgrade.version}."


def _find_cni_skew(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    return _find_skew(snapshot, upgrade, ambient=False)


def _find_ambient_skew(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    return _find_skew(snapshot, upgrade, ambient=True)


def _find_gateways_without_configuration(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    """Yield the managed gateways whose istiod drops their configuration as soon as they select another revision."""
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    version = source.istio_version if source else None
    if version is None or upgrade.revision in ("", upgrade.source) or not drops_moved_gateways(version):
        return
    gateways = {
        snapshot.owner_ref(pod)
        for pod in snapshot.pods
        if MANAGED_GATEWAY in pod.labels and pod.revision == upgrade.source and upgrade.limits.allows(pod.namespace)
    }
    for ref in sorted(gateways, key=str):
        yield ref, f"It is served by Istio {version}, which sends it no routes from the moment that it moves."


def _find_lost_istiods(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    mesh = snapshot.mesh
    for workload in snapshot.workloads.values():
        for namespace, name in workload.istiod_services:
            if namespace == mesh.namespace and (namespace, name) not in mesh.services:
                yield workload.ref, f"Its pods connect to istiod at Service {namespace}/{name}, which does not exist."


CHECKS = (
    Check("MU052", WARNING, "CNI plugin of another version",
          "It supports a control plane of its own minor version or of the next one.",
          "bring it within one minor version first", _find_cni_skew, WARNING),
    Check("MU140", ERROR, "managed gateways lose their routes while they move",
          "istiod before 1.29.5, 1.30.2 and 1.31.0 drops the configuration of a gateway that selects another revision, "
          "until its new pods are ready (istio/istio issue 59959).",
          "first upgrade the source in place to the newest patch of its minor version; Istio 1.28 and older have no "
          "such patch: move in a maintenance window, with istio_allow=MU140",
          _find_gateways_without_configuration),
    Check("MU141", ERROR, "CNI plugin or ztunnel does not fit the control plane",
          "In an ambient mesh they support a control plane of their own minor version or of the next one, so an "
          "upgrade goes by one minor version at a time.",
          "before an upgrade, bring them to the minor version of the source: first the CNI plugin, then ztunnel; "
          "before a downgrade, bring them to the target: first ztunnel, then the CNI plugin", _find_ambient_skew,
          ERROR),
    Check("MU142", ERROR, "address of an istiod that does not exist",
          "The pods get no configuration and no certificates.",
          "change the address in the pod template; upgrade ztunnel with the revision that exists", _find_lost_istiods,
          ERROR),
)  # fmt: skip
