# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of the findings of one cluster, and which of them fail a task."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    BEFORE,
    SEVERITIES,
    Finding,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.report import (
    blocking_findings,
    count_by_severity,
    failure_message,
    report_lines,
)

WAIVER = {"reason": "MESH-42", "expires": "2027-03-31"}
FOUND = [
    Finding(f"MU00{at}", severity, "title", parse_ref("it"), "is bad.", "It hurts.", "fix it", "https://x")
    for at, severity in enumerate(SEVERITIES)
]
ERROR, *OTHERS = FOUND
ACCEPTED = dataclasses.replace(ERROR, waived=WAIVER)
END = "about the codes: https://github.com/meshops/istio/blob/main/docs/findings.md"


def stale(number: int, remedy: str = "restart them") -> list[Finding]:
    """The same finding at many objects."""
    row = dataclasses.replace(FOUND[1], code="MU020", title="stale proxies", message="1 pod.", remedy=remedy)
    return [dataclasses.replace(row, ref=parse_ref(f"Deployment shop/web-{at:03}")) for at in range(number)]


@pytest.mark.parametrize(
    ("fail_on", "allow", "expected"),
    [
        ("error", [], ["MU000"]),
        ("warning", [], ["MU000", "MU001"]),
        ("never", [], []),
        ("warning", ["MU000"], ["MU001"]),
        ("error", ["MU000"], []),
    ],
)
def test_which_findings_fail_the_task(fail_on: str, allow: list[str], expected: list[str]) -> None:
    assert [finding.code for finding in blocking_findings([*FOUND, ACCEPTED], fail_on, allow)] == expected


@pytest.mark.parametrize("fail_on", ["error", "warning", "never"])
def test_waived_findings_do_not_fail_the_task(fail_on: str) -> None:
    assert blocking_findings([ACCEPTED], fail_on, []) == []


def test_waived_findings_are_counted_separately() -> None:
    assert count_by_severity([ACCEPTED, *OTHERS, *OTHERS]) == {"error": 0, "warning": 2, "info": 2, "waived": 1}


@pytest.mark.parametrize(
    ("stage", "begins"),
    [
        (BEFORE, "Cluster prod is not ready to be upgraded: MU000 it: is bad."),
        (AFTER, "Cluster prod has problems after the upgrade: MU000"),
    ],
)
def test_the_failure_message(stage: str, begins: str) -> None:
    assert failure_message(stage, "prod", FOUND).startswith(begins)


def test_the_failure_message_names_three_codes_and_counts_the_rest() -> None:
    text = failure_message(BEFORE, "prod", [*stale(300), *FOUND])
    assert [text.count(code) for code in ("MU020", "MU000", "MU001", "MU002")] == [1, 1, 1, 0]
    assert text.endswith("Remedy: fix it (and 300 more).")


def test_every_finding_explains_itself_and_the_worst_comes_first() -> None:
    assert report_lines([ACCEPTED, *reversed(FOUND)]) == [
        "error   MU000 title",
        "        it: is bad.",
        "        remedy: fix it",
        "warning MU001 title",
        "        it: is bad.",
        "        remedy: fix it",
        "info    MU002 title",
        "        it: is bad.",
        "        remedy: fix it",
        "waived  MU000 title",
        "        it: is bad.",
        "        waived until 2027-03-31: MESH-42",
        f"1 error, 1 warning, 1 info, 1 waived; {END}",
    ]


@pytest.mark.parametrize(
    ("show", "shown"), [("error", ["error"]), ("warning", ["error", "warning"]), ("info", [*SEVERITIES, "waived"])]
)
def test_findings_that_are_not_shown_are_counted(show: str, shown: list[str]) -> None:
    *lines, total = report_lines([*FOUND, ACCEPTED], show)
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == shown
    assert total == f"1 error, 1 warning, 1 info, 1 waived; {END}"


def test_findings_that_differ_only_in_their_object_are_grouped() -> None:
    lines = report_lines([*stale(300), *stale(2, "wait")])
    assert lines == [
        "warning MU020 stale proxies",
        *(f"        Deployment shop/web-{at:03}: 1 pod." for at in range(3)),
        "        and 297 more, see the result",
        "        remedy: restart them",
        "warning MU020 stale proxies",
        *(f"        Deployment shop/web-{at:03}: 1 pod." for at in range(2)),
        "        remedy: wait",
        f"302 warning; {END}",
    ]


def test_different_waivers_of_one_code_are_not_grouped() -> None:
    other = dataclasses.replace(ACCEPTED, waived={**WAIVER, "reason": "MESH-43"})
    assert [line for line in report_lines([ACCEPTED, other]) if "until" in line] == [
        "        waived until 2027-03-31: MESH-42",
        "        waived until 2027-03-31: MESH-43",
    ]


def test_nothing_found_is_one_line() -> None:
    assert report_lines([]) == ["nothing found"]
