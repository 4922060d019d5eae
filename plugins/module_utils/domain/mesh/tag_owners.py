# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects own a tag, and whether they agree on its revision.

A tag is a webhook and, since Istio 1.28, a Service. The default also has a validator, and the webhook of a control
plane without a revision has to be parked behind the tag (istio/istio istioctl/pkg/tag/generate.go).
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import called_service
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    BY_DEFAULT_HOOK,
    DEFAULT,
    Injector,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

SERVICE_SINCE = (1, 28)
ACTIVE_STATE, PARKED_STATE = "active", "parked"
UNREVISIONED_WEBHOOK = "webhook_without_revision"


def unrevisioned(mesh: Mesh) -> Injector | None:
    """Return the webhook of the control plane without a revision, if there is one."""
    return next((i for i in mesh.injectors if i.revision == DEFAULT and not i.tag), None)


def injector_behind(mesh: Mesh, tag: str) -> Injector | None:
    """Return the injector that injects the followers of a tag now: the tag's own one, or a substitute for the default.

    The webhook of a control plane without a revision injects them where no tag default exists.
    """
    return mesh.injector_of_tag(tag) or (unrevisioned(mesh) if tag == DEFAULT else None)


def injects_by_default(mesh: Mesh, tag: str) -> bool:
    """Return whether a tag injects namespaces without labels (``istioctl tag set --auto-inject-namespaces``)."""
    injector = injector_behind(mesh, tag)
    return injector is not None and BY_DEFAULT_HOOK in injector.hook_names


def called_endpoint(hook: Mapping[str, t.Any]) -> str:
    """Return what a webhook calls: the namespace and name of a Service, or a URL."""
    service = called_service(hook)
    return f"Service {'/'.join(service)}" if service else str((hook.get("clientConfig") or {}).get("url") or "nothing")


def stray_hooks(mesh: Mesh, tag: str, revision: str | None) -> dict[str, str]:
    """Return the webhooks of a tag that do not call the istiod of a revision -> what they call.

    istioctl changes only the webhooks that it renders. One that another client has added stays on its istiod
    (server-side apply merges webhooks by name).
    """
    own, plane = (
        mesh.injector_of_tag(tag),
        next((i for i in mesh.injectors if i.revision == revision and not i.tag), None),
    )
    if own is None or plane is None or not plane.webhooks:
        return {}
    expected = called_endpoint(plane.webhooks[0])
    calls = {str(hook.get("name")): called_endpoint(hook) for hook in own.webhooks}
    return {name: called for name, called in calls.items() if called != expected}


def owner_targets(mesh: Mesh, tag: str) -> dict[str, str | None]:
    """Return owner of a tag -> the revision that it selects, None if the owner is missing."""
    targets: dict[str, str | None] = {"revision": mesh.tags.get(tag), "service": mesh.tag_services.get(tag)}
    injector = unrevisioned(mesh)
    if tag == DEFAULT:
        targets["validator"] = mesh.default_validator
    if tag == DEFAULT and injector:
        targets[UNREVISIONED_WEBHOOK] = PARKED_STATE if injector.deactivated else ACTIVE_STATE
    return targets


def expected_targets(mesh: Mesh, tag: str, revision: str | None) -> dict[str, str | None]:
    """Return owner of a tag -> its target once the tag points at a revision, or with None is removed."""
    targets = {owner: PARKED_STATE if owner == UNREVISIONED_WEBHOOK else revision for owner in owner_targets(mesh, tag)}
    if revision is not None and not _has_service(mesh, revision):
        targets["service"] = None
    return targets


def _has_service(mesh: Mesh, revision: str) -> bool:
    plane = mesh.revisions.get(revision)
    return has_tag_service(plane.installed_version if plane else None)


def tag_service(tag: str) -> str:
    """Return the name of the Service of a tag (istio/istio manifests/charts/istio-control/istio-discovery)."""
    return f"istiod-revision-tag-{tag}"


def has_tag_service(version: Version | None) -> bool:
    """Return whether istioctl of a version creates a Service for each tag; an unknown version counts as new."""
    return version is None or version.line >= SERVICE_SINCE


def owners_off_target(mesh: Mesh, tag: str, revision: str | None) -> list[str]:
    """Return in words each owner of a tag whose target differs from that of the tag."""
    now, expected = owner_targets(mesh, tag), expected_targets(mesh, tag, revision)
    if revision in (None, DEFAULT):
        # The webhook without a revision injects the same as the tag.
        now.pop(UNREVISIONED_WEBHOOK, None)
    wrong = [_describe(owner, now[owner]) for owner in now if now[owner] != expected[owner]]
    if now["revision"] == revision:
        wrong += [f"its webhook {name} calls {called}" for name, called in stray_hooks(mesh, tag, revision).items()]
    return wrong


def _describe(owner: str, where: str | None) -> str:
    if owner == UNREVISIONED_WEBHOOK:
        return "the webhook of the control plane without a revision injects beside it"
    name = {"revision": "webhook", "service": "Service"}.get(owner, owner)
    return f"its {name} leads to {where}" if where else f"its {name} is missing"


def default_problem(mesh: Mesh) -> str | None:
    """Return how the owners of the default disagree now, or None."""
    revision = mesh.default_revision
    targets: dict[str, str | None] = {"injector": revision, "validator": mesh.default_validator}
    elsewhere = mesh.other_mesh_owning(DEFAULT) or (revision in mesh.revisions and mesh.is_remote(revision))
    if elsewhere and mesh.default_validator is None:
        # Another mesh validates, or the cluster of the remote control plane (profile remote renders no validator).
        del targets["validator"]
    if mesh.default_service or (DEFAULT in mesh.tags and _has_service(mesh, mesh.tags[DEFAULT])):
        targets["Service"] = mesh.default_service
    injector = unrevisioned(mesh)
    if injector and not injector.deactivated and revision != DEFAULT:
        targets[f"webhook {injector.name}, which is active beside the tag,"] = DEFAULT
    stray = stray_hooks(mesh, DEFAULT, revision)
    if len(set(targets.values())) == 1 and not stray:
        return None
    shown = [f"{owner} {target or 'nothing'}" for owner, target in targets.items()]
    return ", ".join([*shown, *(f"webhook {name} calls {called}" for name, called in stray.items())])
