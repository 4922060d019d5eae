# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a mesh of several clusters, as far as one of the clusters shows it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.mesh_names import mesh_names
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import revision_refusal, tag_refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Number of clusters that a finding names; it counts the rest.
SHOWN = 8


def _find_remote_clusters(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    names = sorted(set(snapshot.precheck_inputs.remote_clusters))
    if names:
        yield (
            cluster_object("namespace", snapshot.mesh.namespace),
            f"Through remote Secrets, every istiod here also reads these clusters: {join_limited(names, SHOWN)}.",
        )


def _find_different_identities(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    all_identities = {name: mesh_names(revision) for name, revision in sorted(snapshot.mesh.revisions.items())}
    identities = {name: fields for name, fields in all_identities.items() if fields}
    first = upgrade.source if upgrade.source in identities else min(identities, default="")
    for name, fields in identities.items():
        expected = identities[first]
        differences = [
            f"{key.replace('_', ' ')} {fields[key]!r} instead of {expected[key]!r}"
            for key in fields
            if fields[key] != expected[key]
        ]
        if differences:
            yield (
                cluster_object("revision", name),
                f"Compared with revision {first}, it has {', '.join(differences)}.",
            )


def _find_external_control_planes(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name in sorted(snapshot.mesh.revisions):
        if snapshot.mesh.is_remote(name):
            yield (
                cluster_object("revision", name),
                "Its istiod runs outside this cluster, so its version cannot be read here.",
            )


def _find_other_meshes(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    mesh = snapshot.mesh
    for namespace in sorted(mesh.other_mesh_namespaces):
        names = sorted({injector.selected_name for injector in mesh.foreign_injectors if injector.home == namespace})
        shared = [name for name in names if mesh.injector(name) is not None]
        conflict = f" Both meshes own {join_limited(shared)}: pods that select it get the webhook that runs last."
        yield (
            cluster_object("namespace", namespace),
            f"Another mesh has its control planes there ({join_limited(names)}).{conflict if shared else ''}",
        )


def _find_foreign_names(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    mesh, target = snapshot.mesh, upgrade.revision
    if reason := revision_refusal(mesh, target):
        yield cluster_object("revision", target), f"It is not installed: {reason}"
    for tag, revision in sorted(mesh.tags.items()):
        moves = revision == upgrade.source != target and (tag != DEFAULT or upgrade.finalize)
        if moves and (reason := tag_refusal(mesh, tag, target)):
            yield cluster_object("tag", tag), f"The run does not move it: {reason}"


OTHER_MESH = Check(
    "MU063",
    INFO,
    "another mesh in this cluster",
    "A run here does not judge or change its proxies and control planes.",
    "give its revisions and tags different names; upgrade it in a run with its own istio_namespace",
    _find_other_meshes,
)

FOREIGN_NAMES = Check(
    "MU145",
    ERROR,
    "name that another mesh owns too",
    "The run stops there: istioctl and labels find revisions and tags by their names, in whichever mesh they are.",
    "give the revision or the tag of this mesh a name of its own; for the default, let only one mesh own it",
    _find_foreign_names,
)

CHECKS = (
    Check("MU060", INFO, "mesh of several clusters",
          "Istio does not document which versions may differ between clusters.",
          "upgrade the clusters one after another, and clusters whose proxies connect to istiods here after this one",
          _find_remote_clusters, needs=("remote_clusters",)),
    Check("MU061", WARNING, "revisions with different mesh identities",
          "Their proxies do not recognize each other: traffic is refused, or takes a detour through a gateway.",
          "install the newer revision again with the same values", _find_different_identities, WARNING),
    Check("MU062", INFO, "external control plane",
          "A run here moves proxies; it does not upgrade that control plane.",
          "upgrade it where it runs, before the proxies here", _find_external_control_planes),
    OTHER_MESH,
    FOREIGN_NAMES,
)  # fmt: skip
