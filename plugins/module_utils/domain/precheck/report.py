# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report the findings of one cluster as lines and as a failure message, and select those that fail a task."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    DOCS,
    EFFECTIVE_SEVERITIES,
    INFO,
    SEVERITIES,
    Finding,
    sort_by_severity,
)

#: Number of objects of one finding that are shown; the result has all of them.
SHOWN = 3
INDENT = " " * 8
#: Number of codes in the message of a failed task.
IN_MESSAGE = 3


def count_by_severity(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the number of findings by severity, and the number of waived ones."""
    counts = collections.Counter(finding.effective_severity for finding in findings)
    return {severity: counts[severity] for severity in EFFECTIVE_SEVERITIES}


def report_lines(findings: Iterable[Finding], show: str = INFO) -> list[str]:
    """Return lines that explain findings and count all of them; those that differ only in their object are grouped.

    Args:
        show: lowest severity that is explained; waived findings are explained with ``info`` only.
    """
    findings = list(findings)
    if not findings:
        return ["nothing found"]
    shown = EFFECTIVE_SEVERITIES if show == INFO else SEVERITIES[: SEVERITIES.index(show) + 1]
    groups: dict[tuple[object, ...], list[Finding]] = collections.defaultdict(list)
    for finding in sort_by_severity(finding for finding in findings if finding.effective_severity in shown):
        waiver = tuple((finding.waived or {}).values())
        groups[finding.effective_severity, finding.code, finding.title, finding.remedy, waiver].append(finding)
    lines = [line for group in groups.values() for line in _group_lines(group)]
    total = ", ".join(f"{number} {severity}" for severity, number in count_by_severity(findings).items() if number)
    return [*lines, f"{total}; about the codes: {DOCS}"]


def _group_lines(group: Sequence[Finding]) -> list[str]:
    first = group[0]
    lines = [f"{first.effective_severity:7} {first.code} {first.title}"]
    lines += [f"{INDENT}{finding.object}: {finding.message}" for finding in group[:SHOWN]]
    if len(group) > SHOWN:
        lines.append(f"{INDENT}and {len(group) - SHOWN} more, see the result")
    if first.waived:
        return [*lines, f"{INDENT}waived until {first.waived['expires']}: {first.waived['reason']}"]
    return [*lines, f"{INDENT}remedy: {first.remedy}"]


def blocking_findings(findings: Iterable[Finding], fail_on: str, allowed: Iterable[str]) -> list[Finding]:
    """Return the findings that fail the task."""
    failing = () if fail_on == "never" else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return [finding for finding in findings if finding.effective_severity in failing and finding.code not in allowed]


def failure_message(stage: str, cluster: str, blocking: Sequence[Finding]) -> str:
    """Return the message of a failed precheck: one finding of each of the worst codes, and the number of the others."""
    codes = list(dict.fromkeys(finding.code for finding in blocking))[:IN_MESSAGE]
    shown = [next(finding for finding in blocking if finding.code == code) for code in codes]
    text = "; ".join(
        f"{finding.code} {finding.object}: {finding.message} Remedy: {finding.remedy}" for finding in shown
    )
    others = f" (and {len(blocking) - len(shown)} more)" if len(blocking) > len(shown) else ""
    problem = "is not ready to be upgraded" if stage == BEFORE else "has problems after the upgrade"
    return f"Cluster {cluster} {problem}: {text}{others}."
