# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of the findings of a whole fleet."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.plan import plan
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Finding

Json = dict[str, t.Any]
UNREAD = {"failed": True, "msg": "Nobody answers."}


def gate(*found: tuple[str, str], waived: bool = False) -> Json:
    """The result of a precheck that found these codes with their severities."""
    waiver = {"reason": "MESH-42", "expires": "2027-03-31"} if waived else None
    rows = [
        Finding(code, severity, f"title {code}", parse_ref("it"), "Bad.", "It hurts.", "fix it", "", waiver)
        for code, severity in found
    ]
    return {"cluster": {"name": "x"}, "findings": [row.as_row() for row in rows]}


def told(gates: dict[str, Json]) -> list[str]:
    """Lines of a plan that are about findings."""
    lines = plan(dict.fromkeys(gates, UNREAD), gates, "1.31.0", {})["lines"]
    return [line for line in lines if line.startswith(("error ", "warning ", "info ", "waived "))]


def test_what_is_good_to_know_is_one_line_for_the_fleet() -> None:
    note = gate(("MU033", "info"), ("MU033", "info"), ("MU010", "error"), ("MU020", "warning"))
    gates = {f"c{at}": note for at in range(7)} | {"d": gate(("IST0102", "info"), ("MU033", "info"))}
    assert told({**gates, "e": gate(("MU020", "warning"), waived=True), "settled": {}, "lost": UNREAD}) == [
        "info    MU033 title MU033: 8 clusters (c0, c1, c2, c3, c4, and 3 more)",
        "info    IST0102 title IST0102: 1 cluster (d)",
        "waived  MU020 title MU020: 1 cluster (e)",
    ]


def test_a_single_cluster_has_said_it_itself() -> None:
    assert told({"a": gate(("MU033", "info"))}) == []


def test_the_number_of_clusters_stays_the_last_line() -> None:
    found = plan({"a": UNREAD, "b": UNREAD}, {"a": gate(("MU033", "info"))}, "1.31.0", {})
    assert found["lines"][-1] == "2 clusters: 2 unreachable"


def test_programs_get_all_findings_with_all_clusters() -> None:
    gates = {f"c{at}": gate(("MU010", "error"), ("MU033", "info")) for at in range(7)}
    found = plan(dict.fromkeys(gates, UNREAD), gates, "1.31.0", {})
    assert [(one["code"], one["clusters"]) for one in found["findings"]] == [("MU010", [*gates]), ("MU033", [*gates])]
    json.dumps(found)
