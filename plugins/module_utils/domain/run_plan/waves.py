# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run picks within the limits of its user: for the way there, the end, the way back.

All from the result of istio_info. What a limit leaves out is named with the reason, so that nobody takes it for done.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.limits import (
    LIMIT_VARIABLES,
    Limits,
    is_pattern,
    match_namespaces,
)

Row = Mapping[str, t.Any]
TAG, LABEL = "tag", "label"
MOVED, BACK = "moved", "moved back"
#: What helps whoever follows such a tag, by what was to be done.
OFFER = {
    MOVED: f" With istio_tagged_namespaces={LABEL} the others get a label of their own and move without the tag.",
    BACK: "",
}


@dataclasses.dataclass
class _Picked:
    """Rows of namespaces, asked for by limits."""

    rows: Sequence[Row]
    limits: Limits
    left: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def allows(self, row: Row) -> bool:
        return self.limits.allows(row["name"])

    def leave(self, what: str, why: str) -> None:
        self.left.append({"what": what, "why": why})

    def within(self, rows: Iterable[Row], doing: str) -> list[Row]:
        """Return the rows that may be touched, and note the others."""
        found = list(rows)
        for row in found:
            if why := self.limits.exclusion_reason(row["name"]):
                self.leave(f"namespace {row['name']}", f"is not {doing}: {why}.")
        return [row for row in found if self.allows(row)]

    def following(self, tag: str) -> list[Row]:
        """Return the namespaces that follow a tag, by their labels or by those of their pods."""
        return [row for row in self.rows if row["revision_label"] == tag or tag in row["followed_tags"]]

    def outside(self, tag: str) -> str:
        """Return who follows a tag although the limits leave it out, or an empty text."""
        found = [
            (row["name"], why) for row in self.following(tag) if (why := self.limits.exclusion_reason(row["name"]))
        ]
        return join_limited([f"{name} ({why})" for name, why in found])

    def holds_back(self, tag: str, doing: str) -> bool:
        """Return whether the limits keep a tag where it is, and note why: it takes along all that follows it."""
        outside = self.outside(tag)
        nobody = self.limits.allow_only_named and not self.following(tag)
        if outside:
            self.leave(f"tag {tag}", f"is not {doing}, because it is followed by {outside}.{OFFER[doing]}")
        elif nobody:
            self.leave(f"tag {tag}", f"is not {doing}, because no namespace that was given follows it.")
        return bool(outside or nobody)

    def said(self) -> list[str]:
        """Return a line for each thing that is left."""
        return [f"{one['what'][0].upper()}{one['what'][1:]} {one['why']}" for one in self.left]


def data_plane(
    mesh: Mapping[str, t.Any],
    revision: str,
    source: str,
    limits: Mapping[str, t.Any] | None = None,
    tagged: str = TAG,
    wave_size: int = 5,
) -> dict[str, t.Any]:
    """Return what moves to a revision: waves, tags, gateways, namespaces whose pods choose; and what stays, and why.

    Args:
        mesh: the result of istio_info.
        limits: namespaces, waves and exclude, as `Limits` has them.
        tagged: how namespaces move that follow a tag: tag, label or stay.

    Raises:
        ParameterError: a namespace that is named to be moved is not in the mesh.
    """
    picked = _Picked(mesh["namespaces"], Limits.from_mapping(limits or {}))
    _require_meshed(picked, mesh["cluster"]["name"])
    waves = picked.limits.waves
    if waves:
        plain, gateways = _given_waves(picked, revision, tagged), []
    else:
        movable = picked.within((row for row in picked.rows if _movable(row, revision, source, tagged)), MOVED)
        plain, gateways = (
            _batched([row["name"] for row in movable if bool(row["gateways"]) is last], wave_size)
            for last in (False, True)
        )
    tags = [
        name
        for name, target in sorted(mesh["tags"].items())
        if tagged == TAG and name != DEFAULT and name not in mesh["operator_tags"] and target == source
        if not picked.holds_back(name, MOVED)
    ]
    return {
        "waves": plain,
        "tags": tags,
        "gateway_waves": gateways,
        # these follow already, some by a tag or by the labels of their pods: they keep their label and are restarted
        "following": [row["name"] for row in picked.rows if row["revision"] == revision or not row["revision_label"]],
        "choosing": [row["name"] for row in picked.rows if row["selected_per_workload"] and picked.allows(row)],
        "left": picked.left,
        "lines": picked.said(),
    }


def _movable(row: Row, revision: str, source: str, tagged: str) -> bool:
    """Return whether a namespace is on the source by its own label (or a tag's), or moved before and is still stale."""
    if row["revision"] != source:
        return revision in row["target_revisions"]
    return bool(row["revision_label"]) and (row["selected_by"] != TAG or tagged == LABEL)


def _given_waves(picked: _Picked, revision: str, tagged: str) -> list[list[str]]:
    rows = {row["name"]: row for row in picked.rows}
    named = [
        list(dict.fromkeys(n for name in wave for n in match_namespaces(name, rows))) for wave in picked.limits.waves
    ]
    seen: set[str] = set()
    waves = []
    for wave in named:
        fresh = [rows[name] for name in wave if name not in seen]
        seen.update(wave)
        kept = picked.within(fresh, MOVED)
        waves.append([row["name"] for row in kept if not _with_its_tag(picked, row, revision, tagged)])
    return [wave for wave in waves if wave]


def _with_its_tag(picked: _Picked, row: Row, revision: str, tagged: str) -> bool:
    """Return whether a namespace moves, or stays, with the tag that it follows, also where a wave names it."""
    if tagged == LABEL or row["selected_by"] != TAG or row["revision"] == revision:
        return False
    if tagged != TAG:
        picked.leave(f"namespace {row['name']}", f"is not moved: it follows tag {row['revision_label']}, which stays.")
    return True


def _require_meshed(picked: _Picked, cluster: str) -> None:
    rows, limits = {row["name"] for row in picked.rows}, picked.limits
    for key, names in (("namespaces", limits.namespaces), ("waves", [n for wave in limits.waves for n in wave])):
        outside = [name for name in names if not is_pattern(name) and name not in rows]
        if outside:
            raise ParameterError(
                f"Namespaces {join_limited(outside)} of {LIMIT_VARIABLES[key]} are not in the mesh of cluster "
                f"{cluster} (no injection label, no proxy), so there is nothing to move; remove them, or enroll them "
                "with namespace_revision."
            )


def _batched(names: Sequence[str], size: int) -> list[list[str]]:
    step = max(1, size)
    return [list(names[start : start + step]) for start in range(0, len(names), step)]


def finalize(
    mesh: Mapping[str, t.Any], revision: str, moves_default: bool, limits: Mapping[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """Return who is restarted once the default has moved, and why it may not move: it would take along who stays.

    Args:
        moves_default: whether the default is this run's to move.
    """
    picked = _Picked(mesh["namespaces"], Limits.from_mapping(limits or {}))
    moves = moves_default and mesh["default"]["revision"] != revision
    outside = picked.outside(DEFAULT) if moves else ""
    refused = (
        f"The default of cluster {mesh['cluster']['name']} stays where it is, because a move to {revision} would take "
        f"along {outside}. Let these move too, or give them the label of a revision that stays."
        if outside
        else ""
    )
    # rerun, what was not restarted after the default had moved is stale
    restarts = [
        row["name"]
        for row in picked.rows
        if moves_default and DEFAULT in row["followed_tags"] and picked.allows(row) and (moves or row["stale_proxies"])
    ]
    return {"restarts": restarts, "refused": refused}


def rollback(mesh: Mapping[str, t.Any], limits: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """Return what goes back: namespaces, tags, whom to restart, namespaces whose pods choose, what stays and why.

    What the run changed is in ``undo`` of the result of istio_info.
    """
    undo = mesh["undo"]
    picked = _Picked(mesh["namespaces"], Limits.from_mapping(limits or {}))
    moved = [row["name"] for row in undo["namespaces"]]
    choosing = [row["namespace"] for row in undo["workloads"]]
    names = dict.fromkeys([*moved, *choosing, *undo["stale_namespaces"]])
    allowed = {row["name"] for row in picked.within(({"name": name} for name in names), BACK)}
    tags = [row["name"] for row in undo["tags"] if not picked.holds_back(row["name"], BACK)]
    stays = [row for row in undo["not_restored"] if not row["namespace"] or picked.limits.allows(row["namespace"])]
    return {
        "run_id": undo["run_id"] or "",
        "namespaces": [name for name in moved if name in allowed],
        "tags": [{"name": tag, "namespaces": [row["name"] for row in picked.following(tag)]} for tag in tags],
        # also what a rollback that was interrupted did not restart
        "restarts": [name for name in dict.fromkeys([*moved, *undo["stale_namespaces"]]) if name in allowed],
        "choosing": [name for name in dict.fromkeys(choosing) if name in allowed],
        "left": picked.left,
        "lines": [undo["summary"], *picked.said(), *(row["message"] for row in stays if not row["failed"])],
        "failures": [row["message"] for row in stays if row["failed"]],
    }
