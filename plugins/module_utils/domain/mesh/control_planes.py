# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes the installed control planes and the owners of the default as rows of results."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh


class ControlPlaneRow(t.TypedDict):
    """One installed revision."""

    revision: str
    version: str
    ready: bool
    replicas: int
    ready_replicas: int
    tags: list[str]
    installer: str | None
    managed_by: str | None


class DefaultRow(t.TypedDict):
    """The owners of the default: three revisions that agree in a correct mesh, and the namespace of another mesh."""

    revision: str | None
    validator: str | None
    service: str | None
    other_mesh: str | None


def describe_control_planes(mesh: Mesh) -> list[ControlPlaneRow]:
    """Return one row per installed revision."""
    return [
        {
            "revision": revision.name,
            "version": revision.version,
            "ready": revision.rolled_out,
            "replicas": revision.replicas,
            "ready_replicas": revision.ready,
            "tags": sorted(tag for tag, target in mesh.tags.items() if target == revision.name),
            "installer": revision.manager.kind or None,
            "managed_by": str(revision.manager) if revision.manager.kind else None,
        }
        for revision in mesh.revisions.values()
    ]


def describe_default(mesh: Mesh) -> DefaultRow:
    """Return the owners of the default."""
    return {
        "revision": mesh.default_revision,
        "validator": mesh.default_validator,
        "service": mesh.default_service,
        "other_mesh": mesh.other_mesh_owning(DEFAULT),
    }
