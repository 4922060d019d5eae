# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the move of the default in finalize, and the restarts after it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.limited_selection import LimitedSelection
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits


class FinalizePlan(t.TypedDict):
    """The restarts after the move of the default revision, or why it is refused."""

    restarts: list[str]
    refused: str


def plan_finalize(
    mesh: Mapping[str, t.Any], revision: str, moves_default: bool, limits: Mapping[str, t.Any] | None = None
) -> FinalizePlan:
    """Return what is restarted once the default has moved, and why it may not move: it would move excluded namespaces.

    Args:
        mesh: the result of istio_info.
        moves_default: whether this run moves the default, and not the operator or another installer.
    """
    selection = LimitedSelection(mesh["namespaces"], NamespaceLimits.from_mapping(limits or {}))
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
