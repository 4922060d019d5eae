# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predict which blockers of a removal are left after planned steps, for check mode."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import (
    PlannedSteps,
    apply_planned_steps,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import restarted_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import unrestartable


def blockers_after_plan(snapshot: Snapshot, blockers: Iterable[Blocker], steps: PlannedSteps) -> list[Blocker]:
    """Return the blockers that are left after the restarts and handovers of a plan, which are only planned."""
    view = apply_planned_steps(snapshot, steps)
    namespaces = restarted_namespaces(snapshot, steps)
    restarting = {
        str(workload)
        for key in view.stale_workloads()
        if (workload := view.workloads[key]).namespace in namespaces and unrestartable(workload) is None
    }
    left = (blocker for blocker in blockers if parse_ref(blocker.object) not in steps.taken_over)
    return [blocker for blocker in left if not (blocker.code == "live_proxy" and blocker.object in restarting)]
