# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the tags, namespaces and default objects that point at a revision."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import tag_service
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import MOVE_DEFAULT, Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def name_blockers(snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return tags, namespaces and default objects that point at a revision."""
    mesh, blockers = snapshot.mesh, []
    for tag, target in mesh.tags.items():
        if target == revision:
            move = f"move it: istio_tag name={tag} revision=..., or remove it: istio_tag name={tag} state=absent"
            if tag in mesh.operator_tags:
                move = f"move it at {mesh.operator_tags[tag]}"
            elif home := mesh.other_mesh_owning(tag):
                move = (
                    f"the mesh of namespace {home} owns {tag} too, and istioctl cannot distinguish them, so it is not "
                    f"moved; remove it if no pod of this mesh needs it: istio_tag name={tag} state=absent"
                )
            blockers.append(Blocker("tag", f"tag {tag}", f"tag {tag} points at revision {revision}", move))
    for name, label in snapshot.namespaces_selecting(revision).items():
        text = f"namespace {name} selects {label}, which is revision {revision}"
        move = f"move it: namespace_revision namespaces={name} revision=..."
        if label in mesh.tags:
            move = f"move the tag: istio_tag name={label} revision=...; or {move}"
        blockers.append(Blocker("namespace", f"namespace {name}", text, move))
    if mesh.default_validator == revision:
        text = f"the default validator validates configuration with revision {revision}"
        blockers.append(Blocker("default_validator", "istiod-default-validator", text, MOVE_DEFAULT))
    if mesh.default_service == revision and mesh.tags.get(DEFAULT) != revision:
        text = f"the Service of tag default points at revision {revision}"
        blockers.append(Blocker("default_service", tag_service(DEFAULT), text, MOVE_DEFAULT))
    return blockers
