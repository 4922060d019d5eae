# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides by its objects whether a control plane can take workloads (safety rule S3)."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh, Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    parse_image,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version


def not_ready_reason(mesh: Mesh, revision: str, version: str | None) -> str | None:
    """Return why the objects of a revision show that it cannot take workloads, or None."""
    plane = mesh.revisions.get(revision)
    injector = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    if plane is None or injector is None:
        return "it is not installed"
    local = not mesh.is_remote(revision)
    if local and not plane.deployment:
        return "its istiod Deployment is missing"
    if local and version and not _has_wanted_image(plane, version):
        return f"its istiod has the image tag {plane.version}, not {version}"
    if plane.unreadable:
        return f"its {plane.unreadable_maps}"
    if local and not plane.rolled_out:
        replicas = f"{plane.ready} of {plane.replicas} replicas are ready"
        return f"its Deployment {plane.deployment} is not rolled out: {replicas}"
    if injector.service is not None and not injector.has_ca_bundle:
        return f"webhook {injector.name} has no caBundle"
    return None


def _has_wanted_image(plane: Revision, wanted: str) -> bool:
    """Return whether istiod has the image of a version or tag; without a tag its installer shows the version."""
    tag, version = parse_image(plane.image).tag, parse_version(wanted)
    if tag or version is None or plane.istio_version is None:
        return not tag or has_wanted_tag(tag, wanted)
    return plane.istio_version.matches(version)
