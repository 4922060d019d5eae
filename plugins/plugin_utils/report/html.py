# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the report as one HTML page that loads nothing else and treats no value of a cluster as markup."""

from __future__ import annotations

import base64
import functools
import hashlib
import typing as t
from collections.abc import Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import has_wanted_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import format_duration
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import FAILED_STATES, INCOMPLETE, STATES

#: Templates, style sheet and script of the page. They are read from the installed collection.
ASSETS = Path(__file__).with_name("assets")


class Column(t.NamedTuple):
    """A column of a table; one of numbers is aligned to the right and sorted by number."""

    heading: str
    is_number: bool = False


class StateStyle(t.NamedTuple):
    """How the page shows a state: the tone is a CSS class; the symbol and the label make it readable without color."""

    tone: str
    symbol: str
    label: str


STATE_STYLES = {
    "failed": StateStyle("bad", "✕", "failed"),
    "unreachable": StateStyle("bad", "!", "unreachable"),
    "refused": StateStyle("bad", "⊘", "refused"),
    "locked": StateStyle("bad", "⊗", "locked"),
    "stopped": StateStyle("warn", "◐", "stopped partway"),
    "untouched": StateStyle("idle", "○", "untouched"),
    "running": StateStyle("calm", "▸", "in progress"),
    "waiting": StateStyle("idle", "·", "waiting"),
    "dry_run": StateStyle("calm", "◇", "check mode"),
    "incomplete": StateStyle("warn", "◑", "incomplete"),
    "read": StateStyle("calm", "·", "read"),
    "passed": StateStyle("good", "✓", "ready"),
    "verified": StateStyle("good", "✓", "verified"),
    "unchanged": StateStyle("good", "=", "nothing to do"),
    "done": StateStyle("good", "✓", "done"),
}
VERDICT_TONES = {
    "success": "good",
    "failed": "bad",
    "stopped": "warn",
    "incomplete": "warn",
    "interrupted": "warn",
    "aborted": "bad",
}
SEVERITY_TONES = {"error": "bad", "warning": "warn", "info": "calm", "waived": "idle"}
OUTCOME_TONES = {"ok": "good", "stopped": "warn", "failed": "bad", "rolled_back": "bad", "dry_run": "calm"}
#: Severities of the summary of a precheck, worst first.
SEVERITIES = ("error", "warning", "info")
#: Maximum number of clusters in the list at the top, and of failed clusters whose details are open at first.
MAX_ATTENTION, MAX_OPEN = 12, 5
#: Number of CSS classes v0, v1 and so on, which give each version its color.
VERSION_TONES = 6
#: The columns of all tables, by the keys that the templates use.
COLUMNS = {
    "cluster": Column("Cluster"),
    "ring": Column("Ring", is_number=True),
    "state": Column("State"),
    "control_plane": Column("Control plane"),
    "proxies_up_to_date": Column("Proxies up to date", is_number=True),
    "findings": Column("Findings", is_number=True),
    "stuck": Column("Stuck", is_number=True),
    "time": Column("Time", is_number=True),
    "code": Column("Code"),
    "severity": Column("Severity"),
    "finding": Column("Finding"),
    "why_it_matters": Column("Why it matters"),
    "clusters": Column("Clusters", is_number=True),
    "": Column(""),
    "control_planes": Column("Control planes"),
    "proxies_by_version": Column("Proxies by version"),
    "tags": Column("Tags"),
    "read_at": Column("Read at"),
    "started": Column("Started"),
    "namespaces": Column("Namespaces"),
    "workloads": Column("Workloads", is_number=True),
    "batches": Column("Batches", is_number=True),
    "outcome": Column("Outcome"),
    "object": Column("Object"),
    "owner": Column("Owner"),
    "pods": Column("Pods", is_number=True),
    "why": Column("Why"),
    "remedy": Column("Remedy"),
}


def render_html(report: Json) -> str:
    """Return the page."""
    run, clusters = report["run"], report["clusters"]
    ids = {cluster["host"]: f"c{number}" for number, cluster in enumerate(clusters, 1)}
    attention = [cluster for cluster in clusters if cluster["state"] in (*FAILED_STATES, "stopped", INCOMPLETE)]
    failed = [cluster for cluster in attention if cluster["state"] in FAILED_STATES]
    versions = sorted({*report["proxies"]["before"], *report["proxies"]["after"]})
    sides = ("Before",) if run["check_mode"] else ("Before", "After")
    version_tones = {version: f"v{number % VERSION_TONES}" for number, version in enumerate(versions)}
    state_tones = {state: style.tone for state, style in STATE_STYLES.items()}
    return _template().render(
        report=report,
        run=run,
        verdict_tone=VERDICT_TONES.get(run["verdict"], "calm"),
        ids=ids,
        rows=[_row(cluster, ids[cluster["host"]]) for cluster in clusters],
        attention=sorted(attention, key=lambda cluster: [*STATES].index(cluster["state"])),
        untouched=[cluster for cluster in clusters if cluster["state"] == "untouched"],
        max_attention=MAX_ATTENTION,
        open_states=FAILED_STATES if len(failed) <= MAX_OPEN else (),
        state_parts=_bar_parts(report["counts"], state_tones),
        versions=versions,
        version_parts={side: _bar_parts(report["proxies"][side.lower()], version_tones) for side in sides},
        codes=_codes(report),
        **_constants(),
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(ASSETS),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(duration=format_duration, date_and_time=_date_and_time, time=_time)
    return environment.get_template("page.html.j2")


@functools.cache
def _constants() -> Json:
    """Return the variables that are the same for every page.

    The script and the style sheet are the only values without escaping, and the only ones that the content security
    policy allows.
    """
    script, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    sources = f"script-src {_hash(script)}; style-src {_hash(style)}"
    return {
        "policy": f"default-src 'none'; img-src data:; {sources}; base-uri 'none'; form-action 'none'",
        "script": Markup(script),
        "style": Markup(style),
        "state_styles": STATE_STYLES,
        "severity_tones": SEVERITY_TONES,
        "outcome_tones": OUTCOME_TONES,
        "columns": COLUMNS,
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _date_and_time(timestamp: str | None) -> str:
    return (timestamp or "").replace("T", " ").removesuffix("Z")


def _time(timestamp: str | None) -> str:
    return _date_and_time(timestamp).partition(" ")[2]


def _bar_parts(counts: Mapping[str, int], tones: Mapping[str, str]) -> list[Json]:
    """Return the parts of a bar that is 100 units wide."""
    total, left, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total if total else 0.0
        parts.append({"name": name, "count": count, "tone": tones[name], "x": round(left, 3), "width": round(width, 3)})
        left += width
    return parts


def _row(cluster: Json, row_id: str) -> Json:
    """Return the row of a cluster in the table, with the values for search and sorting."""
    reading = cluster["after"] or cluster["before"] or {}
    versions: Mapping[str, int] = reading.get("versions") or {}
    total, wanted = sum(versions.values()), _wanted_tags(cluster)
    up_to_date = sum(
        number for version, number in versions.items() if any(has_wanted_tag(version, tag) for tag in wanted)
    )
    summary = cluster["summary"].get("after") or cluster["summary"].get("before") or {}
    counts = {severity: summary.get(severity, 0) for severity in SEVERITIES}
    return {
        "id": row_id,
        "host": cluster["host"],
        "state": cluster["state"],
        "order": f"{[*STATES].index(cluster['state']):02}",
        "ring": "none" if cluster["ring"] is None else str(cluster["ring"]),
        "ring_order": 1_000_000 if cluster["ring"] is None else cluster["ring"],
        "planes": " → ".join(_plane_names(cluster)),
        "proxies": f"{up_to_date} of {total}" if wanted and total else str(total or ""),
        "proxies_order": round(up_to_date / total, 4) if total else -1,
        "reading_note": "before the last change" if cluster["after"] and not cluster["after"]["current"] else "",
        "findings": ", ".join(f"{count} {severity}" for severity, count in counts.items() if count),
        "findings_order": counts["error"] * 1_000_000 + counts["warning"] * 1_000 + counts["info"],
        "unrestartable": len(cluster["unrestartable"]),
        "seconds": cluster["seconds"],
        "search_text": _search_text(cluster, versions),
    }


def _wanted_tags(cluster: Json) -> list[str]:
    """Return the version of the target, and its image tag if that names no version, such as asm-1-23.

    The image tag is the one of its control plane, if that was read after the last change.
    """
    target, reading = cluster["target"], cluster["after"] or {}
    if not target or not target["version"]:
        return []
    tag = str((reading.get("revisions") or {}).get(target["revision"]) or "") if reading.get("current") else ""
    return [target["version"], *([tag] if tag and parse_version(tag) is None else [])]


def _search_text(cluster: Json, versions: Mapping[str, int]) -> str:
    """Return the text that the search field of the page is compared with."""
    codes = {finding["code"] for findings in cluster["findings"].values() for finding in findings}
    texts = [cluster["host"], cluster["detail"], STATE_STYLES[cluster["state"]].label, *versions, *sorted(codes)]
    texts += _plane_names(cluster)
    texts += [str(value) for value in (cluster["cluster"] or {}).values()]
    texts += [failure["message"] for failure in cluster["failures"]]
    return " ".join(texts).lower()


def _plane_names(cluster: Json) -> list[str]:
    """Return the versions of the source and target control planes, or their revisions if the version is unknown."""
    return [str(plane["version"] or plane["revision"]) for plane in (cluster["source"], cluster["target"]) if plane]


def _codes(report: Json) -> list[Json]:
    """Return the findings by code, worst first, with the number of their clusters."""
    hosts: dict[tuple[str, str], set[str]] = {}
    for cluster in report["clusters"]:
        for finding in cluster["findings"].get("after", cluster["findings"].get("before", [])):
            severity = "waived" if finding["waived"] else finding["severity"]
            hosts.setdefault((severity, finding["code"]), set()).add(cluster["host"])
    severities = [*SEVERITY_TONES, *(severity for severity, dummy in hosts)]
    order = sorted(hosts, key=lambda key: (severities.index(key[0]), -len(hosts[key]), key[1]))
    return [_code_row(code, severity, len(hosts[severity, code]), report["codes"]) for severity, code in order]


def _code_row(code: str, severity: str, clusters: int, texts: Mapping[str, Json]) -> Json:
    check = texts.get(code, {})
    link = check.get("docs", "")
    return {
        "code": code,
        "severity": severity,
        "clusters": clusters,
        "title": check.get("title", ""),
        "why": check.get("why", ""),
        "link": link if link.startswith("https://") else "",
    }
