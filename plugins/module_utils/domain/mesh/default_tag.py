# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owners of a tag, and of the default above all, as one thing.

A tag is a webhook and, since Istio 1.28, a Service. The default also has a validator, and the webhook of a control
plane without a revision has to be parked behind the tag (istio/istio istioctl/pkg/tag/generate.go).
"""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Injector, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version

SERVICE_SINCE = (1, 28)
ACTIVE, PARKED = "active", "parked"
OTHER = "webhook_without_revision"


def unrevisioned(mesh: Mesh) -> Injector | None:
    """Return the webhook of the control plane without a revision, if there is one."""
    return next((i for i in mesh.injectors if i.revision == DEFAULT and not i.tag), None)


def owners(mesh: Mesh, tag: str) -> dict[str, str | None]:
    """Return where each owner of a tag leads; None where it is missing."""
    found = {"revision": mesh.tags.get(tag), "service": mesh.tag_services.get(tag)}
    own = unrevisioned(mesh)
    if tag == DEFAULT:
        found["validator"] = mesh.default_validator
    if tag == DEFAULT and own:
        found[OTHER] = PARKED if own.deactivated else ACTIVE
    return found


def wanted(mesh: Mesh, tag: str, revision: str | None) -> dict[str, str | None]:
    """Return where each owner of a tag leads once the tag points at a revision, or (None) is gone."""
    found = {owner: PARKED if owner == OTHER else revision for owner in owners(mesh, tag)}
    if revision is not None and not _has_service(mesh, revision):
        found["service"] = None
    return found


def _has_service(mesh: Mesh, revision: str) -> bool:
    plane = mesh.revisions.get(revision)
    return has_tag_service(parse_version(plane.installed_by or plane.version) if plane else None)


def has_tag_service(version: Version | None) -> bool:
    """Return whether the istioctl of a version makes a Service for each tag; an unknown one is taken for new."""
    return version is None or (version.major, version.minor) >= SERVICE_SINCE


def disagreements(mesh: Mesh, tag: str, revision: str | None) -> list[str]:
    """Return, in words, each owner of a tag that does not lead where the tag should."""
    now, then = owners(mesh, tag), wanted(mesh, tag, revision)
    if revision in (None, DEFAULT):
        # what it injects is what the tag would
        now.pop(OTHER, None)
    return [_words(owner, now[owner]) for owner in now if now[owner] != then[owner]]


def _words(owner: str, where: str | None) -> str:
    if owner == OTHER:
        return "the webhook of the control plane without a revision injects beside it"
    name = {"revision": "webhook", "service": "Service"}.get(owner, owner)
    return f"its {name} leads to {where}" if where else f"its {name} is missing"


def default_problem(mesh: Mesh) -> str | None:
    """Return how the owners of the default disagree now, or None."""
    lead = mesh.default_revision
    found: dict[str, t.Any] = {"injector": lead, "validator": mesh.default_validator}
    if mesh.default_service or (DEFAULT in mesh.tags and _has_service(mesh, mesh.tags[DEFAULT])):
        found["Service"] = mesh.default_service
    own = unrevisioned(mesh)
    if own and not own.deactivated and lead != DEFAULT:
        found[f"webhook {own.name}, which is active beside the tag,"] = DEFAULT
    if len(set(found.values())) == 1:
        return None
    return ", ".join(f"{what} {where or 'nothing'}" for what, where in found.items())
