# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a mesh of several clusters, as far as one of them shows it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.identity import identity
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Clusters that a finding names before it only counts.
SHOWN = 8


def _remote_clusters(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    names = sorted(set(snapshot.precheck_inputs.remote_clusters))
    if names:
        yield (
            f"namespace {snapshot.mesh.namespace}",
            f"Every istiod here also reads, by remote Secrets: {some(names, SHOWN)}.",
        )


def _other_identity(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    known = {name: found for name, one in sorted(snapshot.mesh.revisions.items()) if (found := identity(one))}
    first = goal.source if goal.source in known else min(known, default="")
    for name, found in known.items():
        pairs = ((key.replace("_", " "), found[key], known[first][key]) for key in found)
        told = [f"{key} {own!r} instead of {other!r}" for key, own, other in pairs if own != other]
        if told:
            yield f"revision {name}", f"Beside revision {first} it has {', '.join(told)}."


def _elsewhere(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for name in sorted(snapshot.mesh.revisions):
        if snapshot.mesh.is_remote(name):
            yield f"revision {name}", "Its istiod runs outside this cluster, so its version cannot be read here."


def _other_meshes(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    mesh = snapshot.mesh
    for namespace in sorted(mesh.others):
        names = sorted({injector.owns for injector in mesh.foreign if injector.home == namespace})
        both = [name for name in names if mesh.injector(name) is not None]
        clash = f" Both meshes own {some(both)}, so pods that ask for it get whichever comes last." if both else ""
        yield f"namespace {namespace}", f"Another mesh has its control planes there ({some(names)}).{clash}"


CHECKS = (
    Check("MU060", INFO, "mesh of several clusters", "Istio says nothing about versions that differ between clusters.",
          "upgrade the clusters one after another; those whose proxies connect to istiods here come after this one",
          _remote_clusters, needs=("remote_clusters",)),
    Check("MU061", WARNING, "revisions of different identity",
          "Their proxies take each other for strangers: traffic is refused, or goes round by a gateway.",
          "install the newer revision again with the same values", _other_identity, WARNING),
    Check("MU062", INFO, "control plane elsewhere", "A run here moves proxies; it does not upgrade that control plane.",
          "upgrade it where it runs, before the proxies here", _elsewhere),
    Check("MU063", INFO, "another mesh in this cluster", "A run here leaves its proxies and control planes alone.",
          "give its revisions and tags names of their own; upgrade it by a run with its own istio_namespace",
          _other_meshes),
)  # fmt: skip
