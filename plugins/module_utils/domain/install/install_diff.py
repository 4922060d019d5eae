# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summarize an installation, refuse its unintended changes, and show it as a diff."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Collection, Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import (
    FIELDS_SHOWN,
    ObjectChange,
    shorten_value,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import SettingsDiff
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh


def summarize_changes(changes: Collection[ObjectChange]) -> str:
    """Return the number of objects per kind of change, in one line."""
    counts = {kind: sum(change.change == kind for change in changes) for kind in ("create", "update", "prune")}
    return ", ".join(f"{kind} {count} objects" for kind, count in counts.items() if count)


def require_settings_kept(settings: SettingsDiff, allowed: Iterable[str]) -> None:
    """Refuse to change what a user set, unless the path is allowed (istioctl upgrade stopped asking in 1.13).

    Raises:
        SafetyError: it lists the settings.
    """
    changed = sorted(set(settings.user) - set(allowed))
    if changed:
        listed = ", ".join(f"{path}: {settings.user[path][0]!r} -> {settings.user[path][1]!r}" for path in changed[:5])
        raise SafetyError(
            f"Settings that a user gave to the running revision would change: {listed}. Name them in "
            "allow_setting_changes to accept the change.",
            {"settings": settings.as_dict()},
        )


def require_no_prunes(changes: Iterable[ObjectChange]) -> None:
    """Refuse to delete objects in use because a profile became smaller (rule S12).

    Raises:
        SafetyError: it lists the objects.
    """
    pruned = [str(change) for change in changes if change.change == "prune"]
    if pruned:
        raise SafetyError(
            f"This installation would delete objects that the revision was installed with: {', '.join(pruned)}. "
            "Add the missing parts to profile or values, so that no object is pruned."
        )


@dataclasses.dataclass(frozen=True)
class InstallDiff:
    """The control planes, the default revision, the settings and the objects, before and after."""

    before: Json
    after: Json


def install_diff(
    mesh: Mesh,
    revision: str,
    version: str,
    *,
    changes: Iterable[ObjectChange],
    settings: SettingsDiff,
    default_after: str | None,
) -> InstallDiff:
    """Return both sides of --diff; of each object at most `FIELDS_SHOWN` fields."""
    planes = {name: plane.version for name, plane in mesh.revisions.items() if plane.deployment}
    before: Json = {
        "control_planes": planes,
        "default": mesh.default_revision,
        "settings": settings.side(0),
        "objects": {},
    }
    after: Json = {
        "control_planes": {**planes, revision: version},
        "default": mesh.default_revision if DEFAULT in mesh.tags else default_after,
        "settings": settings.side(1),
        "objects": {},
    }
    for change in changes:
        if change.change == "update":
            before["objects"][change.place], after["objects"][change.place] = _field_sides(change)
        elif change.change == "create":
            after["objects"][change.place] = "present"
        else:
            before["objects"][change.place] = "present"
    return InstallDiff(before, after)


def _field_sides(change: ObjectChange) -> tuple[Json, Json]:
    # A CRD has hundreds of descriptions, so they come last.
    fields = sorted(change.fields.items(), key=lambda field: field[0].endswith(".description"))
    hidden = max(0, len(fields) - FIELDS_SHOWN)
    return _side(fields[:FIELDS_SHOWN], 0, hidden), _side(fields[:FIELDS_SHOWN], 1, hidden)


def _side(fields: Sequence[tuple[str, tuple[t.Any, t.Any]]], side: int, hidden: int) -> Json:
    values = {path: shorten_value(pair[side]) for path, pair in fields if pair[side] is not None}
    if hidden:
        values["..."] = f"{hidden} more fields differ ({'before' if side == 0 else 'after'})"
    return values
