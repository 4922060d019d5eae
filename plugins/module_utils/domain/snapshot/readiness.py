# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides by its objects whether a control plane can take workloads (safety rule S3)."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import without_image_type
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh


def not_ready_reason(mesh: Mesh, revision: str, version: str | None) -> str | None:
    """Return why the objects of a revision show that it cannot take workloads, or None."""
    plane = mesh.revisions.get(revision)
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    if plane is None or injector is None:
        return "it is not installed"
    local = not mesh.is_remote(revision)
    if local and not plane.deployment:
        return "its istiod Deployment is missing"
    if local and version and without_image_type(plane.version) != without_image_type(version):
        return f"its istiod has the image tag {plane.version}, not {version}"
    if plane.unreadable:
        return f"its {plane.unreadable_maps}"
    if local and not plane.rolled_out:
        replicas = f"{plane.ready} of {plane.replicas} replicas are ready"
        return f"its Deployment {plane.deployment} is not rolled out: {replicas}"
    if injector.service is not None and not injector.has_ca_bundle:
        return f"webhook {injector.name} has no caBundle"
    return None
