# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a few lines of Markdown, for a pull request or a chat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import printable
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import COUNTED
from ansible_collections.meshops.istio.plugins.plugin_utils.report.run import BAD, OPEN
from ansible_collections.meshops.istio.plugins.plugin_utils.report.values import short

#: Clusters that are named one by one, and how much of a message is told.
SHOWN, MESSAGE = 20, 240
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~>$])")
#: A space of no width, so that a name from a cluster notifies nobody.
QUIET = "\u200b"


def markdown(report: Json) -> str:
    """Return the summary of a report."""
    run = report["run"]
    lines = [f"## {escaped(report['title'])}: {run['verdict']}", "", f"**{escaped(run['headline'])}**", ""]
    told = [
        f"Playbook {', '.join(map(escaped, run['playbooks'])) or 'unknown'}",
        f"began {run['began']}",
        f"took {duration(run['seconds'])}" if run["ended"] else f"written {run['written']}",
    ]
    lines += [", ".join([*told, *(["check mode"] if run["check_mode"] else [])]) + ".", ""]
    lines += [
        f"- {escaped(one['host'])}, {escaped(one['task'])}: {_message(one['message'])}" for one in run["problems"]
    ]
    lines += [""] if run["problems"] else []
    lines += _table(report)
    versions = report["proxies"]
    if versions["before"] or versions["after"]:
        since = versions["not_read_since"]
        more = f" ({since} of the clusters changed after they were last read)" if since else ""
        lines += [f"Proxies: {counted(versions['before'])} before, {counted(versions['after'])} now{more}.", ""]
    lines += _attention(report)
    return "\n".join(lines).rstrip() + "\n"


def _table(report: Json) -> list[str]:
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


def _attention(report: Json) -> list[str]:
    found = [one for one in report["clusters"] if one["state"] in (*BAD, *OPEN)]
    lines = [f"- **{escaped(one['host'])}** ({COUNTED[one['state']]}): {_message(one['detail'])}" for one in found]
    more = [f"- and {len(lines) - SHOWN} more, all of them are in the report"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]


def _message(text: str) -> str:
    return escaped(short(" ".join(text.split()), MESSAGE))


def escaped(text: str) -> str:
    """Return text of a cluster so that Markdown shows it as it is: no markup, no HTML, no mention."""
    plain = " ".join(printable(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return SPECIAL.sub(r"\\\1", plain).replace("@", f"@{QUIET}")


def counted(versions: Mapping[str, int]) -> str:
    """Return proxies by version."""
    return ", ".join(f"{number} x {escaped(version or 'unknown')}" for version, number in versions.items()) or "none"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
