# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads with a canary percentage, and the labels and journals that it writes."""

from __future__ import annotations

import copy
import json
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import (
    CanaryPercentage,
    CanaryPlan,
    plan_canary,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS
from unit.support import builders as b

OLD, TRUE = {REV: b.OLD}, {INJECT: "true"}
PLANES = b.two_planes()
FREE = [*PLANES, b.namespace("shop", {})]
SHOP = Selection(("shop",))


def names(found: t.Iterable[tuple[str, str, str]]) -> set[str]:
    """The names of workloads."""
    return {name for dummy, dummy_kind, name in found}


def plan_percent(percent: int, *objects: b.Json, source: str | None = None, base: t.Any = FREE) -> CanaryPlan:
    """The plan of a percentage of namespace shop."""
    return plan_canary(b.snapshot_of([*base, *objects]), SHOP, CanaryPercentage(percent, b.NEW, source))


def moved(made: list[b.Json], label: str | None, previous: str | None) -> list[b.Json]:
    """A Deployment that was moved before, with its pods."""
    made = copy.deepcopy(made)
    made[0]["metadata"]["annotations"] = {} if previous is None else {PREVIOUS_LABELS: previous}
    for labels in (made[0]["spec"]["template"]["metadata"]["labels"], *(p["metadata"]["labels"] for p in made[2:])):
        labels.pop(REV, None)
        labels.update({} if label is None else {REV: label})
    return made


def change(run: str, before: str | None, after: str | None) -> b.Json:
    """One change as the journal keeps it; None stands for no label."""
    states = ({} if label is None else {REV: label} for label in (before, after))
    return {"run": run, **dict(zip(("before", "after"), states, strict=True))}


def written(*changes: b.Json) -> str:
    """The text of a journal."""
    return json.dumps(changes)
