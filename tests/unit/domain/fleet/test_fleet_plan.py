# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a fleet: states and findings of all clusters, and the facts that later plays read."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.fleet_plan import (
    plan_fleet,
    recorded_runs,
    up_to_date_clusters,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Finding

Json = dict[str, t.Any]
UNREAD = {"failed": True, "msg": "No server answers."}


def plan(readings: Json, prechecks: Json) -> Json:
    """Plan an upgrade of clusters without rings."""
    return plan_fleet(readings, prechecks=prechecks, version="1.31.0", ring_of_cluster={})


def precheck(*codes: tuple[str, str], waived: bool = False) -> Json:
    """Return the result of a precheck that found these codes with their severities."""
    waiver = {"reason": "MESH-42", "expires": "2027-03-31"} if waived else None
    rows = [
        Finding(code, severity, f"title {code}", parse_ref("it"), "Bad.", "It hurts.", "fix it", "", waiver)
        for code, severity in codes
    ]
    return {"cluster": {"name": "x"}, "findings": [row.as_row() for row in rows]}


def finding_lines(prechecks: dict[str, Json]) -> list[str]:
    """Return the lines of a plan that are about findings."""
    lines = plan(dict.fromkeys(prechecks, UNREAD), prechecks)["lines"]
    return [line for line in lines if line.startswith(("error ", "warning ", "info ", "waived "))]


def test_what_is_good_to_know_is_one_line_for_the_fleet() -> None:
    note = precheck(("MU033", "info"), ("MU033", "info"), ("MU010", "error"), ("MU020", "warning"))
    prechecks = {f"c{at}": note for at in range(7)} | {"d": precheck(("IST0102", "info"), ("MU033", "info"))}
    assert finding_lines(
        {**prechecks, "e": precheck(("MU020", "warning"), waived=True), "up to date": {}, "lost": UNREAD}
    ) == [
        "info    MU033 title MU033: 8 clusters (c0, c1, c2, c3, c4, and 3 more)",
        "info    IST0102 title IST0102: 1 cluster (d)",
        "waived  MU020 title MU020: 1 cluster (e)",
    ]


def test_a_single_cluster_shows_it_in_its_own_precheck() -> None:
    assert finding_lines({"a": precheck(("MU033", "info"))}) == []


def test_the_number_of_clusters_stays_the_last_line() -> None:
    fleet_plan = plan({"a": UNREAD, "b": UNREAD}, {"a": precheck(("MU033", "info"))})
    assert fleet_plan["lines"][-1] == "2 clusters: 2 unreachable"


def test_programs_get_all_findings_with_all_clusters() -> None:
    prechecks = {f"c{at}": precheck(("MU010", "error"), ("MU033", "info")) for at in range(7)}
    fleet_plan = plan(dict.fromkeys(prechecks, UNREAD), prechecks)
    assert [(one["code"], one["clusters"]) for one in fleet_plan["findings"]] == [
        ("MU010", [*prechecks]),
        ("MU033", [*prechecks]),
    ]
    json.dumps(fleet_plan)


def test_rows_have_the_ring_and_the_state_of_each_cluster() -> None:
    readings = {
        "done": {
            "up_to_date": True,
            "control_planes": [{"revision": "1-31-0", "version": "1.31.0"}],
            "cluster": {"id": "1"},
        },
        "refused": {"control_planes": [], "cluster": {"id": "1"}},
    }
    fleet_plan = plan_fleet(
        readings,
        prechecks={"refused": {"failed": True, "msg": "It has errors."}},
        version="1.31.0",
        ring_of_cluster={"done": "istio_ring_0", "refused": "istio_ring_1"},
    )
    assert [(row["ring"], row["state"], row["reason"]) for row in fleet_plan["clusters"]] == [
        ("istio_ring_0", "done", "nothing to do"),
        ("istio_ring_1", "refused", "It has errors."),
    ]
    assert fleet_plan["duplicates"] == [
        "done and refused are the same cluster (namespace kube-system has UID 1). Remove one of them."
    ]
    assert fleet_plan["lines"][0] == "istio_ring_0: done: done: nothing to do"


def test_clusters_that_were_read_and_have_nothing_to_do_are_up_to_date() -> None:
    assert up_to_date_clusters({"a": {"up_to_date": True}, "b": {"up_to_date": False}, "c": UNREAD}) == ["a"]


def test_a_run_is_known_if_one_cluster_has_recorded_it() -> None:
    readings = {
        "a": {"undo": {"known": False, "recorded_runs": {"r1": 2, "r2": 1}}},
        "b": {"undo": {"known": True, "recorded_runs": {"r2": 3}}},
        "c": UNREAD,
    }
    assert recorded_runs(readings) == {"known": True, "runs": ["r1", "r2"]}
    assert recorded_runs({"c": UNREAD}) == {"known": False, "runs": []}
