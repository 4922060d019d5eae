# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the report as a short Markdown text, for a pull request or a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import printable
from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import as_text
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import COUNTED
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import (
    FAILED_STATES,
    INCOMPLETE,
    UNFINISHED_STATES,
)

#: Maximum number of clusters that are named, and of characters of each message.
MAX_CLUSTERS, MAX_MESSAGE = 20, 240
MARKDOWN_CHARACTERS = re.compile(r"([\\`*_{}\[\]()#+!|~>$])")
#: Follows each @, so that a name from a cluster does not mention a user of the chat.
ZERO_WIDTH_SPACE = "\u200b"


def render_markdown(report: Json) -> str:
    """Return the summary of a report."""
    run = report["run"]
    lines = [f"## {escape(report['title'])}: {run['verdict']}", "", f"**{escape(run['headline'])}**", ""]
    facts = [
        f"Playbook {', '.join(map(escape, run['playbooks'])) or 'unknown'}",
        f"started {run['started']}",
        f"took {format_duration(run['seconds'])}" if run["ended"] else f"written {run['written']}",
    ]
    lines += [", ".join([*facts, *(["check mode"] if run["check_mode"] else [])]) + ".", ""]
    for problem in run["problems"]:
        lines.append(f"- {escape(problem['host'])}, {escape(problem['task'])}: {_message(problem['message'])}")
    lines += [""] if run["problems"] else []
    lines += _ring_table(report)
    lines += _proxies(report["proxies"])
    lines += _attention(report)
    return "\n".join(lines).rstrip() + "\n"


def _ring_table(report: Json) -> list[str]:
    states = list(report["counts"])
    if not states:
        return []
    head = ["ring", "clusters", *(COUNTED[state] for state in states)]
    rows = [
        ["none" if row["ring"] is None else str(row["ring"]), str(row["clusters"])]
        + [str(row["counts"].get(state, "")) for state in states]
        for row in report["rings"]
    ]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)] + [""]


def _proxies(proxies: Json) -> list[str]:
    if not (proxies["before"] or proxies["after"]):
        return []
    changed = proxies["changed_since_reading"]
    note = f" ({changed} cluster{'s' if changed != 1 else ''} changed after the last reading)" if changed else ""
    return [f"Proxies: {_versions(proxies['before'])} before, {_versions(proxies['after'])} now{note}.", ""]


def _attention(report: Json) -> list[str]:
    states = (*FAILED_STATES, *UNFINISHED_STATES, INCOMPLETE)
    clusters = [cluster for cluster in report["clusters"] if cluster["state"] in states]
    lines = [
        f"- **{escape(cluster['host'])}** ({COUNTED[cluster['state']]}): {_message(cluster['detail'])}"
        for cluster in clusters[:MAX_CLUSTERS]
    ]
    rest = len(clusters) - MAX_CLUSTERS
    return [*lines, *([f"- and {rest} more, see the full report"] if rest > 0 else [])]


def _message(text: str) -> str:
    return escape(as_text(" ".join(text.split()), MAX_MESSAGE))


def escape(text: str) -> str:
    """Return text of a cluster so that Markdown shows it unchanged: no markup, no HTML, no mention of a user."""
    plain = " ".join(printable(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return MARKDOWN_CHARACTERS.sub(r"\\\1", plain).replace("@", f"@{ZERO_WIDTH_SPACE}")


def _versions(versions: Mapping[str, int]) -> str:
    """Return the number of proxies of each version."""
    return ", ".join(f"{number} x {escape(version or 'unknown')}" for version, number in versions.items()) or "none"


def format_duration(seconds: float) -> str:
    """Return a duration in hours, minutes and seconds, such as 1 min 30 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
