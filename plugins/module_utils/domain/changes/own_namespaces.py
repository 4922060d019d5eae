# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses namespaces that a user names, and that belong to another mesh of the cluster."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import SELECTING_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import describe_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def owning_mesh(snapshot: Snapshot, name: str) -> str:
    """Return the namespace of the other mesh that a namespace belongs to, or an empty text.

    A namespace without a label that selects a revision may have pods of both meshes: then it belongs to both.
    """
    home, namespace = snapshot.other_mesh_of(name), snapshot.namespaces.get(name)
    if not home or home == name or (namespace and namespace.revision_label is not None):
        return home
    of_this_mesh = [snapshot.in_this_mesh(pod) for pod in snapshot.pods if pod.namespace == name and pod.is_meshed]
    return home if of_this_mesh and not any(of_this_mesh) else ""


def own_namespaces(snapshot: Snapshot) -> set[str]:
    """Return the namespaces of the cluster without those of other meshes."""
    return {name for name in snapshot.namespaces if not owning_mesh(snapshot, name)}


def require_own_namespaces(snapshot: Snapshot, names: Iterable[str], parameter: str = "namespaces") -> None:
    """Refuse namespaces of another mesh; patterns are no names of namespaces.

    Raises:
        SafetyError: it names the mesh that each of them belongs to.
    """
    for name in names:
        if home := owning_mesh(snapshot, name):
            raise SafetyError(
                f"Parameter {parameter}: namespace {name} belongs to the mesh of namespace {home} "
                f"({_reason(snapshot, name, home)}), so nothing was changed. Remove it from the list, or run with "
                f"istio_namespace={home}."
            )


def _reason(snapshot: Snapshot, name: str, home: str) -> str:
    labels = snapshot.namespaces[name].labels if name in snapshot.namespaces else {}
    selecting = {key: labels[key] for key in SELECTING_LABELS if key in labels}
    if name == home:
        return "its control planes run there"
    return f"it has {describe_state(selecting)}" if selecting else "its proxies belong to it"
