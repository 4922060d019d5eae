# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary of the prechecks of several clusters."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import (
    failure_of_cluster,
    summarize_fleet,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Finding

Json = dict[str, t.Any]
WAIVER = {"reason": "MESH-42", "expires": "2027-03-31"}
END = "about the codes: https://github.com/meshops/istio/blob/main/docs/findings.md"


def row(code: str, severity: str, place: str = "it", waived: Json | None = None) -> Json:
    """A finding as a result has it."""
    docs = f"https://x/#{code.lower()}"
    return Finding(
        code, severity, f"title {code}", parse_ref(place), "Bad.", "It hurts.", "fix it", docs, waived
    ).as_row()


def read(*findings: Json, name: str = "a") -> Json:
    """The result of a precheck that read its cluster."""
    return {"changed": False, "cluster": {"name": name}, "findings": list(findings)}


UNREACHABLE = {"failed": True, "msg": "Cluster c cannot be reached.", "failure": {"kind": "ClusterError"}}
DANGLING, STALE, NOTE = row("MU010", "error", "namespace lost"), row("MU020", "warning"), row("MU021", "info")
ACCEPTED = row("MU010", "error", "namespace lost", WAIVER)
THREE = {"a": read(STALE, NOTE), "b": read(DANGLING, STALE, STALE), "c": UNREACHABLE, "d": read(NOTE, ACCEPTED)}


def test_each_code_is_counted_once_a_cluster_and_the_worst_comes_first() -> None:
    found = summarize_fleet(THREE)["findings"]
    assert [(one["severity"], one["code"], one["clusters"], one["objects"]) for one in found] == [
        ("error", "MU010", ["b"], 1),
        ("warning", "MU020", ["a", "b"], 3),
        ("info", "MU021", ["a", "d"], 2),
        ("waived", "MU010", ["d"], 1),
    ]
    assert found[0] == {
        "code": "MU010",
        "severity": "error",
        "title": "title MU010",
        "remedy": "fix it",
        "docs": "https://x/#mu010",
        "clusters": ["b"],
        "objects": 1,
        "examples": ["namespace lost"],
    }


def test_within_a_severity_findings_on_most_clusters_come_first() -> None:
    rows = {"a": read(row("MU001", "error"), row("MU003", "error")), "b": read(row("MU003", "error"))}
    assert [one["code"] for one in summarize_fleet(rows)["findings"]] == ["MU003", "MU001"]


@pytest.mark.parametrize(
    ("result", "clean"),
    [
        (read(), True),
        (read(NOTE, ACCEPTED), True),
        (read(STALE), False),
        (read(DANGLING), False),
        (UNREACHABLE, False),
        ({}, False),
    ],
)
def test_which_clusters_are_clean(result: Json, clean: bool) -> None:
    assert (summarize_fleet({"x": result})["clean"] == ["x"]) is clean


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        (UNREACHABLE, "ClusterError", "Cluster c cannot be reached."),
        ({"unreachable": True, "msg": "No connection."}, "", "No connection."),
        ({}, "", "The task failed before it read the cluster."),
    ],
)
def test_an_unread_cluster_is_named_and_never_passes(result: Json, kind: str, message: str) -> None:
    assert summarize_fleet({"x": result})["unread"] == [{"cluster": "x", "kind": kind, "message": message}]
    assert {failure_of_cluster(result, fail_on) for fail_on in ("error", "warning", "never")} == {message}


@pytest.mark.parametrize(
    ("findings", "fail_on", "allow", "fails"),
    [
        ([DANGLING], "error", [], True),
        ([DANGLING], "never", [], False),
        ([DANGLING], "error", ["MU010"], False),
        ([STALE], "error", [], False),
        ([STALE], "warning", [], True),
        ([ACCEPTED], "warning", [], False),
        ([], "warning", [], False),
    ],
)
def test_the_verdict_is_that_of_the_module(findings: list[Json], fail_on: str, allow: list[str], fails: bool) -> None:
    text = failure_of_cluster(read(*findings, name="paris"), fail_on, allow)
    assert text.startswith("Cluster paris is not ready to be upgraded: MU0") is fails
    assert bool(text) is fails


def test_the_lines() -> None:
    assert summarize_fleet(THREE)["lines"] == [
        "1 of 4 clusters clean (no error, no warning), 1 not read",
        "unread  c: Cluster c cannot be reached.",
        "error   MU010 title MU010: 1 cluster (b)",
        "        namespace lost",
        "        remedy: fix it",
        "warning MU020 title MU020: 2 clusters (a, b)",
        "        it (3 in total)",
        "        remedy: fix it",
        "info    MU021 title MU021: 2 clusters (a, d)",
        "        it (2 in total)",
        "        remedy: fix it",
        "waived  MU010 title MU010: 1 cluster (d)",
        "        namespace lost",
        "clean   d",
        END,
    ]


def test_a_fleet_of_three_hundred_fits_on_a_screen() -> None:
    many = [row("MU020", "warning", f"Deployment shop/web-{at}") for at in range(300)]
    results = {f"c{at:03}": read(*many) if at % 2 else UNREACHABLE for at in range(300)}
    lines = summarize_fleet(results)["lines"]
    assert lines[6] == "        and 145 more: c010, c012, c014, c016, c018, and 140 more"
    assert lines[7:9] == [
        "warning MU020 title MU020: 150 clusters (c001, c003, c005, c007, c009, and 145 more)",
        "        Deployment shop/web-0; Deployment shop/web-1; Deployment shop/web-2 (45000 in total)",
    ]
    assert len(lines) == 11


def test_a_clean_fleet_is_two_lines_and_json() -> None:
    found = summarize_fleet({"a": read(), "b": read()})
    assert found["lines"] == ["2 of 2 clusters clean (no error, no warning), 0 not read", "clean   a, b"]
    json.dumps(found)
