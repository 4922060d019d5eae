# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summarize the prechecks of several clusters: the findings, and the clusters that have them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    DOCS,
    EFFECTIVE_SEVERITIES,
    ERROR,
    WAIVED,
    WARNING,
    Finding,
    finding_from_row,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.report import (
    INDENT,
    blocking_findings,
    failure_message,
)

#: Result of a precheck, as a task registers it.
Result = Mapping[str, t.Any]
#: Number of unread clusters whose messages are shown, and number of objects that a finding names as examples.
NAMED = 5
EXAMPLES = 3


class FindingSummary(t.TypedDict):
    """One code with one severity, on all clusters that have it."""

    code: str
    severity: str
    title: str
    remedy: str
    docs: str
    clusters: list[str]
    objects: int
    examples: list[str]


class UnreadCluster(t.TypedDict):
    """A cluster that could not be read, with the kind and the message of the failure."""

    cluster: str
    kind: str
    message: str


class FleetSummary(t.TypedDict):
    """The summary of all clusters; ``lines`` is the same for people."""

    clusters: int
    unread: list[UnreadCluster]
    findings: list[FindingSummary]
    clean: list[str]
    lines: list[str]


def _findings(result: Result) -> list[Finding]:
    return [finding_from_row(row) for row in result.get("findings", ())]


def _unread_message(result: Result) -> str:
    """Return why a cluster was not read, or an empty string if it was."""
    return "" if "findings" in result else str(result.get("msg") or "The task failed before it read the cluster.")


def failure_of_cluster(result: Result, fail_on: str, allowed: Iterable[str] = ()) -> str:
    """Return the message with which a cluster fails, or an empty string if it passes."""
    blocking = blocking_findings(_findings(result), fail_on, list(allowed))
    return failure_message(BEFORE, result["cluster"]["name"], blocking) if blocking else _unread_message(result)


def summarize_fleet(results: Mapping[str, Result]) -> FleetSummary:
    """Return the findings with their clusters, worst first, and the clusters that were not read or are clean."""
    unread: list[UnreadCluster] = [
        {"cluster": name, "kind": (result.get("failure") or {}).get("kind", ""), "message": _unread_message(result)}
        for name, result in results.items()
        if _unread_message(result)
    ]
    findings = _summarize_findings(results)
    with_problems = {
        name for summary in findings if summary["severity"] in (ERROR, WARNING) for name in summary["clusters"]
    }
    not_read = {cluster["cluster"] for cluster in unread}
    clean = [name for name in results if name not in with_problems and name not in not_read]
    lines = _lines(len(results), unread, findings, clean)
    return {"clusters": len(results), "unread": unread, "findings": findings, "clean": clean, "lines": lines}


def _summarize_findings(results: Mapping[str, Result]) -> list[FindingSummary]:
    """Return one summary for each code and severity: worst first, then the one on most clusters."""
    summaries: dict[tuple[str, str], FindingSummary] = {}
    for name, result in results.items():
        for finding in _findings(result):
            summary = summaries.setdefault((finding.effective_severity, finding.code), _empty_summary(finding))
            summary["objects"] += 1
            if name not in summary["clusters"]:
                summary["clusters"].append(name)
            summary["examples"] = list(dict.fromkeys([*summary["examples"], finding.object]))[:EXAMPLES]
    return sorted(
        summaries.values(),
        key=lambda summary: (
            EFFECTIVE_SEVERITIES.index(summary["severity"]),
            -len(summary["clusters"]),
            summary["code"],
        ),
    )


def _empty_summary(finding: Finding) -> FindingSummary:
    return {
        "code": finding.code,
        "severity": finding.effective_severity,
        "title": finding.title,
        "remedy": finding.remedy,
        "docs": finding.docs,
        "clusters": [],
        "objects": 0,
        "examples": [],
    }


def _lines(total: int, unread: list[UnreadCluster], findings: list[FindingSummary], clean: list[str]) -> list[str]:
    lines = [f"{len(clean)} of {_count_clusters(total)} clean (no error, no warning), {len(unread)} not read"]
    lines += [f"unread  {cluster['cluster']}: {cluster['message']}" for cluster in unread[:NAMED]]
    if len(unread) > NAMED:
        others = [cluster["cluster"] for cluster in unread[NAMED:]]
        lines.append(f"{INDENT}and {len(others)} more: {join_limited(others)}")
    for summary in findings:
        lines.append(finding_line(summary))
        objects = f" ({summary['objects']} in total)" if summary["objects"] > len(summary["examples"]) else ""
        lines.append(f"{INDENT}{'; '.join(summary['examples'])}{objects}")
        if summary["severity"] != WAIVED:
            lines.append(f"{INDENT}remedy: {summary['remedy']}")
    lines += [f"clean   {join_limited(clean)}"] if clean else []
    lines += [f"about the codes: {DOCS}"] if findings else []
    return lines


def finding_line(summary: FindingSummary) -> str:
    """Return one line with a finding and its clusters."""
    names = summary["clusters"]
    clusters = f"{_count_clusters(len(names))} ({join_limited(names)})"
    return f"{summary['severity']:7} {summary['code']} {summary['title']}: {clusters}"


def _count_clusters(number: int) -> str:
    return "1 cluster" if number == 1 else f"{number} clusters"
