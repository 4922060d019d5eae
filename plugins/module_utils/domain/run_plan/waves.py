# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the moves of a run within the limits of its user: in the data plane, in finalize, and in a rollback.

All plans come from the result of istio_info. They name what a limit leaves out with the reason, so that a user does not
take it for done.
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
#: A hint for the namespaces that follow a tag that stays, by the direction of the move.
HINTS = {
    MOVED: f" With istio_tagged_namespaces={LABEL} the others get a label of their own and move without the tag.",
    BACK: "",
}


class Skipped(t.TypedDict):
    """A namespace or a tag that the limits leave out."""

    object: str
    reason: str


class DataPlanePlan(t.TypedDict):
    """The plan of an upgrade."""

    waves: list[list[str]]
    tags: list[str]
    gateway_waves: list[list[str]]
    following: list[str]
    selected_per_workload: list[str]
    skipped: list[Skipped]
    lines: list[str]


class FinalizePlan(t.TypedDict):
    """The restarts after the move of the default revision, or why it is refused."""

    restarts: list[str]
    refused: str


class TagRollback(t.TypedDict):
    """A tag that goes back, with the namespaces that follow it."""

    name: str
    namespaces: list[str]


class RollbackPlan(t.TypedDict):
    """The plan of a rollback."""

    run_id: str
    namespaces: list[str]
    tags: list[TagRollback]
    restarts: list[str]
    selected_per_workload: list[str]
    skipped: list[Skipped]
    lines: list[str]
    failures: list[str]


@dataclasses.dataclass
class _Selection:
    """Rows of namespaces, selected by limits."""

    rows: Sequence[Row]
    limits: Limits
    skipped: list[Skipped] = dataclasses.field(default_factory=list)

    def allows(self, row: Row) -> bool:
        return self.limits.allows(row["name"])

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append({"object": name, "reason": reason})

    def allowed(self, rows: Iterable[Row], verb: str) -> list[Row]:
        """Return the rows that the limits allow, and record the others."""
        candidates = list(rows)
        for row in candidates:
            if reason := self.limits.exclusion_reason(row["name"]):
                self.skip(f"namespace {row['name']}", f"is not {verb}: {reason}.")
        return [row for row in candidates if self.allows(row)]

    def followers(self, tag: str) -> list[Row]:
        """Return the namespaces that follow a tag, by their labels or by those of their pods."""
        return [row for row in self.rows if row["revision_label"] == tag or tag in row["followed_tags"]]

    def excluded_followers(self, tag: str) -> str:
        """Return the namespaces that follow a tag and are excluded by the limits, or an empty text."""
        reasons = {row["name"]: self.limits.exclusion_reason(row["name"]) for row in self.followers(tag)}
        return join_limited([f"{name} ({reason})" for name, reason in reasons.items() if reason])

    def keeps_tag(self, tag: str, verb: str) -> bool:
        """Return whether the limits keep a tag where it is, and record why: it moves all namespaces that follow it."""
        excluded = self.excluded_followers(tag)
        unfollowed = self.limits.allow_only_named and not self.followers(tag)
        if excluded:
            self.skip(f"tag {tag}", f"is not {verb}, because it is followed by {excluded}.{HINTS[verb]}")
        elif unfollowed:
            self.skip(f"tag {tag}", f"is not {verb}, because no namespace in the limits follows it.")
        return bool(excluded or unfollowed)

    def lines(self) -> list[str]:
        """Return a line for each object that is skipped."""
        return [f"{row['object'][0].upper()}{row['object'][1:]} {row['reason']}" for row in self.skipped]


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
        limits: namespaces, waves and exclude, as `Limits` has them.
        tagged_namespaces: how namespaces move that follow a tag: tag, label or stay.
        wave_size: the number of namespaces in a wave if the limits have no waves.

    Raises:
        ParameterError: a namespace in the limits is not in the mesh.
    """
    selection = _Selection(mesh["namespaces"], Limits.from_mapping(limits or {}))
    _require_meshed(selection, mesh["cluster"]["name"])
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
            row["name"] for row in selection.rows if row["revision"] == revision or not row["revision_label"]
        ],
        "selected_per_workload": [
            row["name"] for row in selection.rows if row["selected_per_workload"] and selection.allows(row)
        ],
        "skipped": selection.skipped,
        "lines": selection.lines(),
    }


def _movable(row: Row, revision: str, source_revision: str, tagged_namespaces: str) -> bool:
    """Return whether a label of a namespace, or its tag, selects the source, or it moved before and is still stale."""
    if row["revision"] != source_revision:
        return revision in row["target_revisions"]
    return bool(row["revision_label"]) and (row["selected_by"] != TAG or tagged_namespaces == LABEL)


def _limit_waves(selection: _Selection, revision: str, tagged_namespaces: str) -> list[list[str]]:
    """Return the waves of the limits, each namespace in the first wave that names it."""
    rows = {row["name"]: row for row in selection.rows}
    seen: set[str] = set()
    waves = []
    for wave in selection.limits.waves:
        names = dict.fromkeys(match for name in wave for match in match_namespaces(name, rows))
        allowed = selection.allowed([rows[name] for name in names if name not in seen], MOVED)
        seen.update(names)
        waves.append([row["name"] for row in allowed if not _tag_decides(selection, row, revision, tagged_namespaces)])
    return [wave for wave in waves if wave]


def _tag_decides(selection: _Selection, row: Row, revision: str, tagged_namespaces: str) -> bool:
    """Return whether a namespace moves or stays with the tag that it follows, although a wave names it."""
    if tagged_namespaces == LABEL or row["selected_by"] != TAG or row["revision"] == revision:
        return False
    if tagged_namespaces != TAG:
        reason = f"is not moved: it follows tag {row['revision_label']}, which stays."
        selection.skip(f"namespace {row['name']}", reason)
    return True


def _require_meshed(selection: _Selection, cluster: str) -> None:
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


def plan_finalize(
    mesh: Mapping[str, t.Any], revision: str, moves_default: bool, limits: Mapping[str, t.Any] | None = None
) -> FinalizePlan:
    """Return what is restarted once the default has moved, and why it may not move: it would move excluded namespaces.

    Args:
        mesh: the result of istio_info.
        moves_default: whether this run moves the default, and not the operator or another installer.
    """
    selection = _Selection(mesh["namespaces"], Limits.from_mapping(limits or {}))
    changes = moves_default and mesh["default"]["revision"] != revision
    excluded = selection.excluded_followers(DEFAULT) if changes else ""
    refused = (
        f"The default of cluster {mesh['cluster']['name']} stays where it is, because a move to {revision} would take "
        f"along {excluded}. Let these move too, or give them the label of a revision that stays."
        if excluded
        else ""
    )
    # When a run is repeated, pods that it did not restart after the move of the default are stale.
    restarts = [
        row["name"]
        for row in selection.rows
        if moves_default and DEFAULT in row["followed_tags"] and selection.allows(row)
        if changes or row["stale_proxies"]
    ]
    return {"restarts": restarts, "refused": refused}


def plan_rollback(mesh: Mapping[str, t.Any], limits: Mapping[str, t.Any] | None = None) -> RollbackPlan:
    """Return what goes back, what is restarted, and what the limits leave out.

    Args:
        mesh: the result of istio_info; its ``undo`` has the changes of the run.
    """
    undo = mesh["undo"]
    selection = _Selection(mesh["namespaces"], Limits.from_mapping(limits or {}))
    moved = [row["name"] for row in undo["namespaces"]]
    per_workload = [row["namespace"] for row in undo["workloads"]]
    names = dict.fromkeys([*moved, *per_workload, *undo["stale_namespaces"]])
    allowed = {row["name"] for row in selection.allowed(({"name": name} for name in names), BACK)}
    tags = [row["name"] for row in undo["tags"] if not selection.keeps_tag(row["name"], BACK)]
    kept = [row for row in undo["not_restored"] if not row["namespace"] or selection.limits.allows(row["namespace"])]
    return {
        "run_id": undo["run_id"] or "",
        "namespaces": [name for name in moved if name in allowed],
        "tags": [{"name": tag, "namespaces": [row["name"] for row in selection.followers(tag)]} for tag in tags],
        # Also the namespaces that an interrupted rollback did not restart.
        "restarts": [name for name in dict.fromkeys([*moved, *undo["stale_namespaces"]]) if name in allowed],
        "selected_per_workload": [name for name in dict.fromkeys(per_workload) if name in allowed],
        "skipped": selection.skipped,
        "lines": [undo["summary"], *selection.lines(), *(row["message"] for row in kept if not row["failed"])],
        "failures": [row["message"] for row in kept if row["failed"]],
    }
