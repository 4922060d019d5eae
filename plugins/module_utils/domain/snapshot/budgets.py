# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads PodDisruptionBudgets, and why one of them never allows a disruption, however many replicas there are.

Source: Kubernetes documentation, "Specifying a Disruption Budget for your Application", and the disruption controller
(pkg/controller/disruption): without a field it expects no pod and allows none to be down.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_maps, shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import NO_ROOM, Unrestartable

SYNC_FAILED = "SyncFailed"


@dataclasses.dataclass(frozen=True)
class Impossible:
    """Why a budget never allows a disruption, as the end of a sentence, and the remedy."""

    reason: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: its selector (None selects no pod), and how many more pods may be down now.

    ``most`` is how many may be down while all its pods are healthy, the upper limit; None until its controller has
    reported it. ``never`` is why that can never change without a change of the budget, if so.
    """

    namespace: str
    name: str
    selector: Mapping[str, object] | None
    allowed: int
    most: int | None = None
    never: Impossible | None = None


def read_budget(obj: Mapping[str, t.Any]) -> Budget:
    """Return the facts of a raw PodDisruptionBudget: no selector is for no pod, an empty one for all (policy/v1)."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    expected = int(status.get("expectedPods") or 0)
    # A status of another generation, or of no pods, does not show how many pods it will allow to be down.
    reported = expected > 0 and status.get("observedGeneration") == obj["metadata"].get("generation")
    return Budget(
        obj["metadata"]["namespace"],
        name_of(obj),
        spec.get("selector"),
        int(status.get("disruptionsAllowed") or 0),
        max(0, expected - int(status.get("desiredHealthy") or 0)) if reported else None,
        _impossible(spec, status),
    )


def _impossible(spec: Mapping[str, t.Any], status: Mapping[str, t.Any]) -> Impossible | None:
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most in (0, "0%"):
        return Impossible(f"its maxUnavailable is {most}", "raise its maxUnavailable, or delete it for the restart")
    if least == "100%":
        return Impossible("its minAvailable is 100%", "lower its minAvailable, or delete it for the restart")
    if most is None and least is None:
        return Impossible(
            "it has neither minAvailable nor maxUnavailable", "set one of these fields, or delete the budget"
        )
    for condition in as_maps(status.get("conditions")):
        if condition.get("reason") == SYNC_FAILED and condition.get("status") == "False":
            message = shown(condition.get("message") or "its controller cannot count its pods", 200)
            return Impossible(
                f"its controller reports {SYNC_FAILED}: {message}",
                "let its selector select only pods of workloads that can be scaled, or set minAvailable to a number",
            )
    return None


def forbidden_by_budget(budgets: Sequence[Budget], takes_down: int) -> Unrestartable | None:
    """Return the budget that forbids a rollout even while all pods of its workload are healthy, or None."""
    if not takes_down:
        return None
    for budget in budgets:
        if budget.never:
            name = f"{budget.namespace}/{budget.name}"
            reason = f"budget {name} never allows a pod to be down, because {budget.never.reason}"
            return Unrestartable(NO_ROOM, reason, budget.never.remedy)
    strict = next((b for b in budgets if b.most is not None and takes_down > b.most), None)
    if strict is None:
        return None
    return Unrestartable(
        NO_ROOM,
        f"budget {strict.namespace}/{strict.name} allows at most {strict.most} pods to be down even while "
        f"all are healthy, but a rollout takes down {takes_down}",
        "raise the replicas, relax the budget, or restart it manually when it may be down",
    )
