# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a running istiod is replaced, and which objects a newer istiod needs before it starts."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

#: The kinds that a newer istiod needs before it starts, in this order; the installer applies the rest.
APPLIED_FIRST = (
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Deployment",
)


def replaces_running_istiod(mesh: Mesh, changes: Iterable[ObjectChange], revision: str, version: Version) -> bool:
    """Return whether the installation gives a running istiod another image that is not an older one."""
    plane = mesh.revisions.get(revision)
    if plane is None or not plane.deployment:
        return False
    current = plane.installed_version
    image_changes = any(
        change.kind == "Deployment"
        and change.name == plane.deployment
        and any(".image" in path for path in change.fields)
        for change in changes
    )
    return image_changes and (current is None or not current.newer_than(version))


def objects_applied_first(rendered: Iterable[Json], changes: Iterable[ObjectChange]) -> list[Json]:
    """Return the changed objects that a newer istiod needs, in the order in which they are applied."""
    refs = {change.ref for change in changes if change.kind in APPLIED_FIRST}
    not_shared = (obj for obj in rendered if labels_of(obj).get(COMPONENT_LABEL) not in SHARED_COMPONENTS)
    first = [obj for obj in not_shared if ref_of(obj) in refs]
    return sorted(first, key=lambda obj: APPLIED_FIRST.index(obj["kind"]))
