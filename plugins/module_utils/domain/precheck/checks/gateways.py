# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the components of an installation besides istiod: gateways, CNI plugin, ztunnel and waypoints."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PodShape, resolve
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.ambient import installed_by
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import image_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NODE_PARTS,
    Workload,
    node_part,
)

#: Value of label gateway.istio.io/managed on waypoints (istio/istio pkg/config/constants).
WAYPOINT = "istio.io-mesh-controller"


def _node_agents(snapshot: Snapshot) -> Iterator[tuple[Workload, str]]:
    """Yield each DaemonSet of Istio, and its name for people."""
    for workload in snapshot.workloads.values():
        part = node_part(workload)
        if part:
            yield workload, NODE_PARTS[part]


def _find_ambient_components(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for workload, component in _node_agents(snapshot):
        component_version = f"{component} {image_tag(workload.image)}".rstrip()
        if installed_by(upgrade, workload):
            effect = f"the installation of revision {upgrade.revision} replaces it too"
        else:
            effect = "it serves all revisions, and this run does not upgrade it"
        yield workload.ref, f"This is {component_version}; {effect}."
    waypoints = {pod.namespace for pod in snapshot.pods if pod.labels.get(MANAGED_GATEWAY) == WAYPOINT}
    for namespace in sorted(waypoints):
        yield (
            cluster_object("namespace", namespace),
            "It has waypoints; istiod of the revision that they name restarts them itself.",
        )


def _find_installed_gateways(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for workload in snapshot.workloads.values():
        if not workload.component.endswith("Gateways"):
            continue
        if installed_by(upgrade, workload):
            yield (
                workload.ref,
                f"The installation of revision {upgrade.revision} replaces its pods together with those of istiod.",
            )
        elif workload.revision == upgrade.source:
            tag = image_tag(workload.image)
            kept = f"keeps proxy {tag}" if tag else "keeps its proxy"
            yield (
                workload.ref,
                f"It belongs to revision {workload.revision}. Until another revision adopts it, it {kept}, and "
                f"revision {workload.revision} cannot be removed.",
            )


def _find_unresolved_images(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for workload in snapshot.workloads.values():
        namespace = snapshot.namespaces.get(workload.namespace)
        if namespace is None or not workload.placeholder or not workload.replicas:
            continue
        shape = PodShape(workload.template_labels, workload.template_annotations, workload.host_network)
        injection = resolve(snapshot.mesh, namespace.name, namespace.labels, shape)
        if injection.revision is None and not (injection.rejected or injection.other_mesh):
            yield (
                workload.ref,
                f"Its proxy image auto is a placeholder that no injector replaces: {injection.reason}.",
            )


CHECKS = (
    Check("MU042", INFO, "ambient components", "They cannot be upgraded as a canary, and have their own upgrade order.",
          "upgrade them after the control plane: first the CNI plugin, then ztunnel", _find_ambient_components),
    Check("MU050", INFO, "gateways installed with a control plane", "An installation upgrades them, not a restart.",
          "after a canary upgrade, adopt them with adopt_shared_components (istio_adopt_shared_components); an "
          "in-place upgrade restarts them", _find_installed_gateways),
    Check("MU051", ERROR, "gateway image auto is not replaced by any injector",
          "New pods cannot start, because an image of that name does not exist (IST0146, IST0147).",
          "label the namespace, or label the pod template with a revision or sidecar.istio.io/inject=true",
          _find_unresolved_images, ERROR),
)  # fmt: skip
