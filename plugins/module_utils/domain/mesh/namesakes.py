# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds names of revisions and tags that another mesh of the cluster owns.

Webhook configurations are cluster-wide. istioctl finds them by the names of revisions and tags alone, in whichever
mesh they are (istio/istio istioctl/pkg/tag/util.go), and labels of namespaces have no mesh either.
"""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Injector, Mesh


def foreign_owner(mesh: Mesh, name: str) -> Injector | None:
    """Return the injector of another mesh that has a revision or a tag of this name, or None."""
    return next((injector for injector in mesh.foreign_injectors if injector.selected_name == name), None)


def cluster_has_default_tag(mesh: Mesh) -> bool:
    """Return whether any mesh of the cluster has the tag default."""
    return any(injector.tag == DEFAULT for injector in mesh.all_injectors)


def describe_owner(injector: Injector, too: str = "") -> str:
    """Return the mesh of an injector, and what it has there, as the beginning of a sentence."""
    owned = f"tag {injector.tag}" if injector.tag else f"revision {injector.revision}"
    return f"the mesh of namespace {injector.home} has a {owned}{too} ({injector.name})"


def owner_hint(mesh: Mesh, name: str) -> str:
    """Return a sentence that says which other mesh a name belongs to that this mesh does not have, or an empty text."""
    owner = None if name in {*mesh.revisions, *mesh.tags} else foreign_owner(mesh, name)
    if owner is None:
        return ""
    described = describe_owner(owner)
    return f" {described[0].upper()}{described[1:]}: run with istio_namespace={owner.home} to work on that mesh."


def tag_refusal(mesh: Mesh, name: str, revision: str) -> str:
    """Return why istioctl must not set a tag to a revision, because it would reach another mesh, or an empty text."""
    same_revision = (i for i in mesh.foreign_injectors if i.revision == revision and not i.tag)
    owner = foreign_owner(mesh, name) or next(same_revision, None)
    if owner is None:
        return ""
    if name == DEFAULT and owner.selected_name == DEFAULT:
        remedy = (
            "Only one mesh can own the default: let the namespaces of this mesh select a revision or another tag by "
            "label, and remove its tag with istio_tag name=default state=absent."
        )
    else:
        remedy = "Give one of them another name."
    return f"{describe_owner(owner, ' too')}, and istioctl cannot distinguish them. {remedy}"


def revision_refusal(mesh: Mesh, revision: str) -> str:
    """Return why a revision must not be installed, because another mesh owns its name, or an empty text.

    A revision that this mesh has already may be upgraded.
    """
    owner = next((i for i in mesh.foreign_injectors if i.selected_name == revision and not i.deactivated), None)
    if owner is None or revision in mesh.revisions:
        return ""
    return (
        f"{describe_owner(owner)}, and both would inject every pod that selects it. Choose another name, or run with "
        f"istio_namespace={owner.home} to work on that mesh."
    )
