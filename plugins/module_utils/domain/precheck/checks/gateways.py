# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what an install brings beside istiod: gateways, CNI, ztunnel, waypoints."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PodShape, resolve
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    image_tag,
    parse_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    NODE_PARTS,
    Workload,
    node_part,
)

#: Value of label gateway.istio.io/managed on waypoints (istio/istio pkg/config/constants).
WAYPOINT = "istio.io-mesh-controller"


def _node_parts(snapshot: Snapshot) -> Iterator[tuple[Workload, str]]:
    for workload in snapshot.workloads.values():
        part = node_part(workload)
        if part:
            yield workload, NODE_PARTS[part]


def _comes_along(workload: Workload, goal: Upgrade) -> bool:
    """Whether the install of a run renders a workload anew: each revision keeps what it owns."""
    return workload.component in SHARED_COMPONENTS and workload.revision == goal.revision


def _ambient(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for workload, part in _node_parts(snapshot):
        left = "which serves all revisions and is not upgraded by this run"
        along = f"which the install of revision {goal.revision} replaces too"
        what = f"{part} {image_tag(workload.image)}".rstrip()
        yield str(workload), f"It is {what}, {along if _comes_along(workload, goal) else left}."
    waypoints = {pod.namespace for pod in snapshot.pods if pod.labels.get(MANAGED_GATEWAY) == WAYPOINT}
    for namespace in sorted(waypoints):
        yield f"namespace {namespace}", "It has waypoints; istiod of the revision that they name rolls them by itself."


def _far_apart(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for workload, part in _node_parts(snapshot):
        version, target = parse_version(image_tag(workload.image)), goal.version
        if version is None or target is None or _comes_along(workload, goal):
            continue
        behind = _minor(target) - _minor(version)
        if behind not in (0, 1):
            how = f"{behind} minor versions behind" if behind > 0 else "newer than"
            yield str(workload), f"It runs {part} {version}, {how} control plane {target}."


def _minor(version: Version) -> int:
    return version.major * 1000 + version.minor


def _gateways(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for workload in snapshot.workloads.values():
        if not workload.component.endswith("Gateways"):
            continue
        if _comes_along(workload, goal):
            yield str(workload), f"The install of revision {goal.revision} replaces its pods, as it does istiod's."
        elif workload.revision == goal.source:
            stays = f"keeps proxy {image_tag(workload.image)}" if image_tag(workload.image) else "keeps its proxy"
            yield (
                str(workload),
                f"It belongs to revision {workload.revision}: it {stays}, and the revision cannot be retired, until "
                "it is handed over.",
            )


def _placeholders(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for workload in snapshot.workloads.values():
        namespace = snapshot.namespaces.get(workload.namespace)
        if namespace is None or not workload.placeholder or not workload.replicas:
            continue
        shape = PodShape(workload.template_labels, workload.template_annotations, workload.host_network)
        injection = resolve(snapshot.mesh, namespace.name, namespace.labels, shape)
        if injection.revision is None and not injection.rejected:
            yield (
                str(workload),
                f"Image auto of its proxy is a placeholder that no injector replaces: {injection.reason}.",
            )


CHECKS = (
    Check("MU042", INFO, "ambient parts", "They cannot be upgraded by canary, and have an order of their own.",
          "upgrade them after the control plane: the CNI plugin, then ztunnel", _ambient),
    Check("MU050", INFO, "gateways of a control plane's install", "They are upgraded by an install, not by a restart.",
          "after a canary hand them over with istio_adopt_shared_components; in place expect their restart",
          _gateways),
    Check("MU051", ERROR, "gateway image that nothing fills in",
          "Its new pods cannot start: there is no image of that name (IST0146, IST0147).",
          "label the namespace, or the pod template with a revision or sidecar.istio.io/inject=true",
          _placeholders, ERROR),
    Check("MU052", WARNING, "CNI plugin or ztunnel of another version",
          "They work with a control plane of their own minor version or of the next one.",
          "bring them within one minor version first: the CNI plugin, then ztunnel", _far_apart, WARNING),
)  # fmt: skip
