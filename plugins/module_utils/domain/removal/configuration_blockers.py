# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the configuration that only the istiods of a revision read."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import Labelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def configuration_blockers(snapshot: Snapshot, revision: str, configuration: Iterable[Labelled]) -> list[Blocker]:
    """Return configuration that no istiod would read, and Gateways that no istiod would manage.

    Another mesh may have a revision of the same name: configuration in its namespaces belongs to it.
    """
    namesakes = {injector.home for injector in snapshot.mesh.foreign_injectors if injector.revision == revision}
    blockers = []
    for obj in configuration:
        if obj.revision != revision or snapshot.other_mesh_of(obj.namespace) in namesakes:
            continue
        verb = "manages" if obj.is_gateway else "reads"
        text = f"{obj} has label {REVISION_LABEL}={revision}, so no other istiod {verb} it"
        remedy = f"remove its label {REVISION_LABEL}, or set it to the revision that stays"
        if namesakes and not _belongs_to_mesh(snapshot, obj.namespace):
            others = f"the mesh of namespace {' and '.join(sorted(namesakes))}"
            text += f" except that of {others}, which also has a revision of this name"
            remedy = f"if it is meant for {others}, leave it as it is and allow this blocker; otherwise {remedy}"
        blockers.append(Blocker("configuration", str(obj), text, remedy))
    return blockers


def _belongs_to_mesh(snapshot: Snapshot, namespace: str) -> bool:
    """Return whether a namespace is known to belong to this mesh; cluster-scoped objects apply to all meshes."""
    return namespace in snapshot.namespaces and snapshot.injection_of(namespace).revision is not None
