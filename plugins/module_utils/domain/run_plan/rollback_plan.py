# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a rollback: the namespaces and tags that return to their previous revision, and the restarts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.limited_selection import (
    BACK,
    LimitedSelection,
    Skipped,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits


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


def plan_rollback(mesh: Mapping[str, t.Any], limits: Mapping[str, t.Any] | None = None) -> RollbackPlan:
    """Return what goes back, what is restarted, and what the limits leave out.

    Args:
        mesh: the result of istio_info; its ``undo`` has the changes of the run.
    """
    undo = mesh["undo"]
    selection = LimitedSelection(mesh["namespaces"], NamespaceLimits.from_mapping(limits or {}))
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
