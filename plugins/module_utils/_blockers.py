# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. What still needs a revision (safety rule S4); only an empty list lets it go."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils._mesh import DEFAULT, REV, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._workloads import top_owner, unrestartable_owner

#: Components that a revision's uninstall takes along although the whole mesh uses them.
SHARED_COMPONENTS = ("IngressGateways", "EgressGateways", "Cni", "Ztunnel")


@dataclasses.dataclass(frozen=True)
class Blocker:
    """One object that still needs a revision, with the way to resolve it."""

    code: str
    object: str
    message: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """Return the JSON-ready form that results carry."""
        return dataclasses.asdict(self)


def of_names(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return tags, namespaces and default objects that lead to a revision."""
    mesh = snapshot.mesh
    found = [
        Blocker(
            "tag", f"tag {tag}", f"tag {tag} points at revision {revision}", "move or remove the tag with istio_tag"
        )
        for tag, target in mesh.tags.items()
        if target == revision
    ]
    for name, asked in snapshot.namespaces_on(revision).items():
        text = f"namespace {name} asks for {asked}, which is revision {revision}"
        found.append(Blocker("namespace", f"namespace {name}", text, "move it with namespace_revision"))
    validator = mesh.default_validator
    if validator == revision:
        text = f"the default validator checks configuration with revision {revision}"
        found.append(
            Blocker("default_validator", "istiod-default-validator", text, "move the tag default with istio_tag")
        )
    if mesh.default_service == revision and mesh.tags.get(DEFAULT) != revision:
        text = f"the Service of tag default points at revision {revision}"
        found.append(
            Blocker("default_service", "istiod-revision-tag-default", text, "move the tag default with istio_tag")
        )
    return found


def of_pods(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return what runs on a revision, connected or not, and what would get it at its next creation."""
    live: dict[tuple[str, str], int] = collections.Counter()
    wanted: set[str] = set()
    for pod, judgement in snapshot.judgements:
        owner = top_owner(pod, snapshot.parents)
        what = f"{owner.kind} {pod.namespace}/{owner.name}" if owner else f"Pod {pod.namespace}/{pod.name}"
        restartable = snapshot.workload_of(pod) is not None
        remedy = "restart it with rollout_restart" if restartable else unrestartable_owner(owner).remedy
        if pod.proxy_image and pod.revision == revision:
            live[(what, remedy)] += 1
        elif judgement.verdict.revision == revision:
            wanted.add(what)
    found = [
        Blocker(
            "live_proxy",
            what,
            f"{what} has {count} live {'proxy' if count == 1 else 'proxies'} on revision {revision}",
            remedy,
        )
        for (what, remedy), count in sorted(live.items())
    ]
    for what in sorted(wanted):
        text = f"the next pod of {what} would get revision {revision}"
        found.append(Blocker("selects_revision", what, text, f"change its label {REV} or move its namespace"))
    return found


def of_workloads(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return workloads without pods now (scaled to zero) whose template still asks for a revision."""
    found = []
    for workload in snapshot.workloads.values():
        if workload.replicas > 0 or workload.namespace not in snapshot.namespaces:
            continue
        if snapshot.verdict(workload.namespace, workload.template_labels).revision == revision:
            text = f"{workload} has no pods now, but they would get revision {revision}"
            found.append(
                Blocker("selects_revision", str(workload), text, f"change its label {REV} or move its namespace")
            )
    return found


def of_shared(objects: Iterable[Mapping[str, object]], revision: str) -> list[Blocker]:
    """Return shared gateways, CNI and ztunnel objects that an uninstall of the revision would delete (rule S12)."""
    return [
        Blocker(
            "shared_component",
            f"{obj.get('kind') or 'workload'} {name_of(obj)}",
            f"{labels_of(obj).get('operator.istio.io/component')} {name_of(obj)} belongs to revision "
            f"{revision} and would be "
            "deleted with it",
            "install that component again with the remaining revision, so that it changes owner",
        )
        for obj in objects
    ]
