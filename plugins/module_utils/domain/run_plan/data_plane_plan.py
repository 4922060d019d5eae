# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the moves of an upgrade in the data plane: the waves of namespaces, and the tags."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.limited_selection import (
    LABEL,
    MOVED,
    TAG,
    LimitedSelection,
    Row,
    Skipped,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import (
    LIMIT_VARIABLES,
    NamespaceLimits,
    is_pattern,
    match_namespaces,
)


class DataPlanePlan(t.TypedDict):
    """The plan of an upgrade."""

    waves: list[list[str]]
    tags: list[str]
    gateway_waves: list[list[str]]
    following: list[str]
    selected_per_workload: list[str]
    skipped: list[Skipped]
    lines: list[str]


def plan_data_plane(
    mesh: Mapping[str, t.Any],
    revision: str,
    source_revision: str,
    limits: Mapping[str, t.Any] | None = None,
    tagged_namespaces: str = TAG,
    wave_size: int = 5,
) -> DataPlanePlan:
    """Return what moves to a revision, in which waves, and what the limits leave out.

    Args:
        mesh: the result of istio_info.
        limits: namespaces, waves and exclude, as `NamespaceLimits` has them.
        tagged_namespaces: how namespaces move that follow a tag: tag, label or stay.
        wave_size: the number of namespaces in a wave if the limits have no waves.

    Raises:
        ParameterError: a namespace in the limits is not in the mesh.
    """
    selection = _select(mesh, NamespaceLimits.from_mapping(limits or {}))
    if selection.limits.waves:
        waves, gateway_waves = _limit_waves(selection, revision, tagged_namespaces), []
    else:
        candidates = (row for row in selection.rows if _movable(row, revision, source_revision, tagged_namespaces))
        movable = selection.allowed(candidates, MOVED)
        waves, gateway_waves = (
            _split([row["name"] for row in movable if bool(row["gateways"]) is gateways], wave_size)
            for gateways in (False, True)
        )
    tags = [
        tag
        for tag, target in sorted(mesh["tags"].items())
        if tagged_namespaces == TAG and tag != DEFAULT and tag not in mesh["operator_tags"]
        if target == source_revision and not selection.keeps_tag(tag, MOVED)
    ]
    return {
        "waves": waves,
        "tags": tags,
        "gateway_waves": gateway_waves,
        # These follow already, some by a tag or by the labels of their pods. They keep their label and are restarted.
        "following": [
            row["name"] for row in selection.rows if row["revision"] == revision or not _follows_as_a_whole(row)
        ],
        "selected_per_workload": [
            row["name"] for row in selection.rows if row["selected_per_workload"] and selection.allows(row)
        ],
        "skipped": selection.skipped,
        "lines": selection.lines(),
    }


def _movable(row: Row, revision: str, source_revision: str, tagged_namespaces: str) -> bool:
    """Return whether a namespace follows the source by its label, tag or by default, or moved and is still stale."""
    if row["revision"] != source_revision:
        return revision in row["target_revisions"]
    return _follows_as_a_whole(row) and (row["selected_by"] != TAG or tagged_namespaces == LABEL)


def _follows_as_a_whole(row: Row) -> bool:
    """Return whether a namespace selects a revision for all its pods, by a label or because it is injected by default.

    It can move by a label then. Otherwise labels of its pods count.
    """
    return bool(row["revision_label"]) or row["injected_by_default"]


def _limit_waves(selection: LimitedSelection, revision: str, tagged_namespaces: str) -> list[list[str]]:
    """Return the waves of the limits, each namespace in the first wave that names it."""
    rows = {row["name"]: row for row in selection.rows}
    seen: set[str] = set()
    waves = []
    for wave in selection.limits.waves:
        names = dict.fromkeys(match for name in wave for match in match_namespaces(name, rows))
        candidates = [rows[name] for name in names if name not in seen and name not in IGNORED_NAMESPACES]
        allowed = selection.allowed(candidates, MOVED)
        seen.update(names)
        waves.append([row["name"] for row in allowed if not _tag_decides(selection, row, revision, tagged_namespaces)])
    return [wave for wave in waves if wave]


def _tag_decides(selection: LimitedSelection, row: Row, revision: str, tagged_namespaces: str) -> bool:
    """Return whether a namespace moves or stays with the tag that it follows, although a wave names it."""
    if tagged_namespaces == LABEL or row["selected_by"] != TAG or row["revision"] == revision:
        return False
    if tagged_namespaces != TAG:
        reason = f"is not moved: it follows tag {row['revision_label']}, which stays."
        selection.skip(f"namespace {row['name']}", reason)
    return True


def _select(mesh: Mapping[str, t.Any], limits: NamespaceLimits) -> LimitedSelection:
    """Return the namespaces and limits; system namespaces are named as left out, because Istio ignores their labels."""
    selection = LimitedSelection(mesh["namespaces"], limits)
    _require_meshed(selection, mesh["cluster"]["name"])
    for row in selection.rows:
        if row["name"] in IGNORED_NAMESPACES and row["revision_label"]:
            selection.skip(f"namespace {row['name']}", "is not moved: Istio never injects into a system namespace.")
    return selection


def _require_meshed(selection: LimitedSelection, cluster: str) -> None:
    names_in_mesh, limits = {row["name"] for row in selection.rows}, selection.limits
    for key, names in (("namespaces", limits.namespaces), ("waves", [n for wave in limits.waves for n in wave])):
        outside = [name for name in names if not is_pattern(name) and name not in names_in_mesh]
        if outside:
            raise ParameterError(
                f"Namespaces {join_limited(outside)} of {LIMIT_VARIABLES[key]} are not in the mesh of cluster "
                f"{cluster} (no injection label, no proxy), so there is nothing to move; remove them, or enroll them "
                "with namespace_revision."
            )


def _split(names: Sequence[str], size: int) -> list[list[str]]:
    step = max(1, size)
    return [list(names[start : start + step]) for start in range(0, len(names), step)]
