# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What prechecks of several clusters say together: which finding on how many of them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    DOCS,
    EFFECTIVE_SEVERITIES,
    ERROR,
    WAIVED,
    WARNING,
    Finding,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.report import (
    INDENT,
    blocking_findings,
    failure_message,
)

#: Result of a precheck, as a task registers it.
Result = Mapping[str, t.Any]
NAMED = 5
EXAMPLES = 3


def _of(result: Result) -> list[Finding]:
    return [Finding(**row) for row in result.get("findings", ())]


def _unread(result: Result) -> str:
    return "" if "findings" in result else str(result.get("msg") or "It failed before it was looked at.")


def failure_of_cluster(result: Result, fail_on: str, allowed: Iterable[str] = ()) -> str:
    """Return the sentence with which a cluster fails, or an empty text."""
    bad = blocking_findings(_of(result), fail_on, list(allowed))
    return failure_message(BEFORE, result["cluster"]["name"], bad) if bad else _unread(result)


def summarize_fleet(results: Mapping[str, Result]) -> Json:
    """Return what was found on which clusters, worst first, and which of them were not read or are clean."""
    rows: dict[tuple[str, str], Json] = {}
    for name, result in results.items():
        for one in _of(result):
            empty = {"code": one.code, "severity": one.weight, "title": one.title, "remedy": one.remedy}
            row = rows.setdefault(
                (one.weight, one.code), {**empty, "docs": one.docs, "clusters": [], "objects": 0, "examples": []}
            )
            row["objects"] += 1
            row["clusters"] += [] if name in row["clusters"] else [name]
            if one.object not in row["examples"] and len(row["examples"]) < EXAMPLES:
                row["examples"].append(one.object)
    unread = [
        {"cluster": name, "kind": (result.get("failure") or {}).get("kind", ""), "message": _unread(result)}
        for name, result in results.items()
        if _unread(result)
    ]
    bad = {name for row in rows.values() if row["severity"] in (ERROR, WARNING) for name in row["clusters"]}
    found: Json = {
        "clusters": len(results),
        "unread": unread,
        "findings": sorted(rows.values(), key=_worst_and_most),
        "clean": [name for name, result in results.items() if name not in bad and not _unread(result)],
    }
    return {**found, "lines": _lines(found)}


def _worst_and_most(row: Json) -> tuple[int, int, str]:
    return EFFECTIVE_SEVERITIES.index(row["severity"]), -len(row["clusters"]), row["code"]


def _lines(found: Json) -> list[str]:
    unread, clean = found["unread"], found["clean"]
    lines = [f"{len(clean)} of {_clusters(found['clusters'])} clean (no error, no warning), {len(unread)} not read"]
    lines += [f"unread  {one['cluster']}: {one['message']}" for one in unread[:NAMED]]
    if len(unread) > NAMED:
        lines.append(f"{INDENT}and {len(unread) - NAMED} more: {some([one['cluster'] for one in unread[NAMED:]])}")
    for row in found["findings"]:
        lines.append(finding_line(row))
        total = f" ({row['objects']} in all)" if row["objects"] > len(row["examples"]) else ""
        lines.append(f"{INDENT}{'; '.join(row['examples'])}{total}")
        if row["severity"] != WAIVED:
            lines.append(f"{INDENT}remedy: {row['remedy']}")
    lines += [f"clean   {some(clean)}"] if clean else []
    lines += [f"about the codes: {DOCS}"] if found["findings"] else []
    return lines


def finding_line(row: Json) -> str:
    """Return on which clusters there is a finding."""
    names = row["clusters"]
    return f"{row['severity']:7} {row['code']} {row['title']}: {_clusters(len(names))} ({some(names)})"


def _clusters(number: int) -> str:
    return "1 cluster" if number == 1 else f"{number} clusters"
