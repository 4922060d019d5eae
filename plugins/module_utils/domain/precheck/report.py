# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What findings of one cluster say to a reader, and which of them fail a task."""

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

#: Objects of one finding that are shown; all of them are in the result.
SHOWN = 3
INDENT = " " * 8
IN_SENTENCE = 3


def count_by_severity(found: Iterable[Finding]) -> dict[str, int]:
    """Return the number of findings by severity, and of those that are waived."""
    counts = collections.Counter(finding.weight for finding in found)
    return {weight: counts[weight] for weight in EFFECTIVE_SEVERITIES}


def report_lines(found: Iterable[Finding], show: str = INFO) -> list[str]:
    """Return lines that explain findings, and count all; those that differ only in their object stand together.

    Args:
        show: lowest severity that is explained; only the lowest one goes for what is waived too.
    """
    found = list(found)
    shown = EFFECTIVE_SEVERITIES if show == INFO else SEVERITIES[: SEVERITIES.index(show) + 1]
    groups: dict[tuple[str, ...], list[Finding]] = collections.defaultdict(list)
    for one in sort_by_severity(one for one in found if one.weight in shown):
        groups[one.weight, one.code, one.title, one.remedy, *(one.waived or {}).values()].append(one)
    if not found:
        return ["nothing found"]
    total = ", ".join(f"{number} {weight}" for weight, number in count_by_severity(found).items() if number)
    return [line for group in groups.values() for line in _group(group)] + [f"{total}; about the codes: {DOCS}"]


def _group(group: Sequence[Finding]) -> list[str]:
    first = group[0]
    lines = [f"{first.weight:7} {first.code} {first.title}"]
    lines += [f"{INDENT}{one.object}: {one.message}" for one in group[:SHOWN]]
    if len(group) > SHOWN:
        lines.append(f"{INDENT}and {len(group) - SHOWN} more, all of them are in the result")
    if first.waived:
        return [*lines, f"{INDENT}waived until {first.waived['expires']}: {first.waived['reason']}"]
    return [*lines, f"{INDENT}remedy: {first.remedy}"]


def blocking_findings(found: Iterable[Finding], fail_on: str, allowed: Iterable[str]) -> list[Finding]:
    """Return the findings that fail the task."""
    counting = () if fail_on == "never" else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return [one for one in found if one.weight in counting and one.code not in allowed]


def failure_message(stage: str, cluster: str, bad: Sequence[Finding]) -> str:
    """Return the message of a failed gate: the first finding of the worst codes in full, the rest by number."""
    codes = list(dict.fromkeys(one.code for one in bad))[:IN_SENTENCE]
    shown = [next(one for one in bad if one.code == code) for code in codes]
    text = "; ".join(f"{one.code} {one.object}: {one.message} Remedy: {one.remedy}" for one in shown)
    more = f" (and {len(bad) - len(shown)} more)" if len(bad) > len(shown) else ""
    what = "is not ready to be upgraded" if stage == BEFORE else "is not in order after the upgrade"
    return f"Cluster {cluster} {what}: {text}{more}."
