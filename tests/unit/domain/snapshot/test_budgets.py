# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets that never allow a disruption are named with their reason, and with a remedy that works."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import NO_ROOM
from unit.support import builders as b
from unit.support.checking import HEALTHY, fired, of

DB = {"matchLabels": {"app": "db"}}
FAILED = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no controllers found"}


def guarded(spec: b.Json, **status: object) -> list[b.Json]:
    """A healthy cluster with StatefulSet db and a budget."""
    budget = b.budget("guard", DB, 0)
    budget["spec"], budget["status"] = spec, {**budget["status"], **status}
    pod = b.pod("db-0", labels={"app": "db"}, owner=("StatefulSet", "db"))
    return [*HEALTHY, b.workload("StatefulSet", "db"), pod, budget]


@pytest.mark.parametrize(
    ("spec", "status", "reason", "remedy"),
    [
        ({"selector": DB, "maxUnavailable": "0%"}, {}, "its maxUnavailable is 0%", "raise its maxUnavailable"),
        ({"selector": {}, "maxUnavailable": 0}, {}, "its maxUnavailable is 0", "raise its maxUnavailable"),
        ({"selector": DB, "minAvailable": "100%"}, {}, "its minAvailable is 100%", "lower its minAvailable"),
        ({"selector": DB}, {}, "neither minAvailable nor maxUnavailable", "set one of these fields"),
        (
            {"selector": DB, "maxUnavailable": 1},
            {"conditions": [FAILED]},
            "reports SyncFailed: no controllers found",
            "set minAvailable to a number",
        ),
    ],
)
def test_a_budget_that_never_allows_a_disruption(spec: b.Json, status: b.Json, reason: str, remedy: str) -> None:
    objects = guarded(spec, **status)
    (found,) = of("MU023", objects)
    assert reason in found.message
    assert remedy in found.message
    assert "replicas" not in found.message
    (row,) = b.snapshot_of(objects).unrestartable(everything=True)
    assert (row.name, row.cause.code) == ("db", NO_ROOM)
    assert reason in row.cause.reason
    assert remedy in row.cause.remedy


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"maxUnavailable": 0}, id="without a selector it selects nothing"),
        pytest.param({"selector": {"matchLabels": {"app": "other"}}, "maxUnavailable": 0}, id="it selects other pods"),
    ],
)
def test_a_budget_of_other_pods_has_no_effect(spec: b.Json) -> None:
    objects = guarded(spec)
    assert "MU023" not in fired(objects)
    assert b.snapshot_of(objects).unrestartable(everything=True) == []


def test_a_budget_without_room_now_may_have_room_later() -> None:
    objects = guarded({"selector": DB, "minAvailable": 1})
    (found,) = of("MU023", objects)
    assert "increase the replicas, or wait until all its pods are ready" in found.message
    assert b.snapshot_of(objects).unrestartable(everything=True) == []
