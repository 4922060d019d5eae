# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that asks for nothing more and trusts no value of a cluster."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import duration
from ansible_collections.meshops.istio.plugins.plugin_utils.report.run import BAD, STATES

#: Templates, style sheet and script of the page. They are read from the installed collection.
ASSETS = Path(__file__).with_name("assets")
#: State -> tone, sign and words: colour alone says nothing.
SHOWN = {
    "failed": ("bad", "✕", "failed"),
    "unreachable": ("bad", "!", "not reached"),
    "refused": ("bad", "⊘", "refused"),
    "locked": ("bad", "⊗", "locked"),
    "stopped": ("warn", "◐", "stopped half-way"),
    "untouched": ("idle", "○", "untouched"),
    "running": ("calm", "▸", "at work"),
    "waiting": ("idle", "·", "waiting"),
    "dry_run": ("calm", "◇", "check mode"),
    "passed": ("good", "✓", "ready"),
    "unchanged": ("good", "=", "nothing to do"),
    "done": ("good", "✓", "done"),
}
VERDICTS = {"success": "good", "failed": "bad", "stopped": "warn", "interrupted": "warn", "aborted": "bad"}
WEIGHTS = {"error": "bad", "warning": "warn", "info": "calm", "waived": "idle"}
OUTCOMES = {"ok": "good", "stopped": "warn", "failed": "bad", "rolled_back": "bad", "dry_run": "calm"}
#: Clusters that stand in full at the top, and how many may be open from the start.
FIRST, OPENED = 12, 5
VERSION_TONES = 6
#: Columns that stand to the right and are sorted by value.
NUMBERS = ("Ring", "Proxies up to date", "Findings", "Stuck", "Time", "Clusters", "Pods", "Workloads", "Batches")


def html(report: Json) -> str:
    """Return the page."""
    clusters = report["clusters"]
    ids = {one["host"]: f"c{number}" for number, one in enumerate(clusters, 1)}
    attention = [one for one in clusters if one["state"] in (*BAD, "stopped")]
    bad = [one for one in attention if one["state"] in BAD]
    versions = sorted({*report["proxies"]["before"], *report["proxies"]["after"]})
    run = report["run"]
    whens = ("Before",) if run["check_mode"] else ("Before", "After")
    tones = {name: f"v{number % VERSION_TONES}" for number, name in enumerate(versions)}
    return _template().render(
        report=report,
        run=run,
        verdict_tone=VERDICTS.get(run["verdict"], "calm"),
        ids=ids,
        rows=[_row(one, ids[one["host"]]) for one in clusters],
        attention=sorted(attention, key=lambda one: [*STATES].index(one["state"])),
        untouched=[one for one in clusters if one["state"] == "untouched"],
        first=FIRST,
        opened=BAD if len(bad) <= OPENED else (),
        state_parts=_parts(report["counts"], {name: tone for name, (tone, *dummy) in SHOWN.items()}),
        versions=versions,
        version_parts={when: _parts(report["proxies"][when.lower()], tones) for when in whens},
        codes=_codes(report),
        **_words(),
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
    environment.filters.update(duration=duration, at=_moment, time=_time)
    return environment.get_template("page.html.j2")


@functools.cache
def _words() -> Json:
    """Return what is the same on every page; script and style are ours, and the only ones that may run or apply."""
    script, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    sources = f"script-src {_hash(script)}; style-src {_hash(style)}"
    policy = f"default-src 'none'; img-src data:; {sources}; base-uri 'none'"
    return {
        "policy": f"{policy}; form-action 'none'",
        "script": Markup(script),
        "style": Markup(style),
        "tones": {name: tone for name, (tone, dummy, more) in SHOWN.items()},
        "glyphs": {name: glyph for name, (dummy, glyph, more) in SHOWN.items()},
        "labels": {name: label for name, (dummy, more, label) in SHOWN.items()},
        "weights": WEIGHTS,
        "outcomes": OUTCOMES,
        "numbers": NUMBERS,
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _moment(text: str | None) -> str:
    return (text or "").replace("T", " ").removesuffix("Z")


def _time(text: str | None) -> str:
    return _moment(text).partition(" ")[2]


def _parts(counts: Mapping[str, int], tones: Mapping[str, str]) -> list[Json]:
    """Return the parts of a bar of 100 units."""
    total, at, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total if total else 0.0
        parts.append({"name": name, "count": count, "tone": tones[name], "x": round(at, 3), "width": round(width, 3)})
        at += width
    return parts


def _row(one: Json, key: str) -> Json:
    """Return what the table says about a cluster, and by what it is found and sorted."""
    reading = one["after"] or one["before"] or {}
    versions: Mapping[str, int] = reading.get("versions") or {}
    total, wanted = sum(versions.values()), (one["target"] or {}).get("version")
    right = versions.get(wanted, 0) if wanted else 0
    summary = one["summary"].get("after") or one["summary"].get("before") or {}
    told = [f"{summary[weight]} {weight}" for weight in ("error", "warning", "info") if summary.get(weight)]
    sides = [side for side in (one["source"], one["target"]) if side]
    codes = {finding["code"] for found in one["findings"].values() for finding in found}
    texts = [one["host"], one["detail"], SHOWN[one["state"]][2], *versions, *sorted(codes), *map(_plane, sides)]
    texts += [str(value) for value in (one["cluster"] or {}).values()]
    texts += [failure["message"] for failure in one["failures"]]
    weights = [summary.get(weight, 0) for weight in ("error", "warning", "info")]
    return {
        "id": key,
        "host": one["host"],
        "state": one["state"],
        "order": f"{[*STATES].index(one['state']):02}",
        "ring": "none" if one["ring"] is None else str(one["ring"]),
        "ring_order": 1_000_000 if one["ring"] is None else one["ring"],
        "planes": " → ".join(map(_plane, sides)),
        "proxies": f"{right} of {total}" if wanted and total else str(total or ""),
        "share": round(right / total, 4) if total else -1,
        "stale": "before the last change" if one["after"] and not one["after"]["current"] else "",
        "findings": ", ".join(told),
        "weight": weights[0] * 1_000_000 + weights[1] * 1_000 + weights[2],
        "stuck": len(one["unrestartable"]),
        "seconds": one["seconds"],
        "text": " ".join(texts).lower(),
    }


def _plane(side: Json) -> str:
    return str(side["version"] or side["revision"])


def _codes(report: Json) -> list[Json]:
    """Return the findings by code, worst first, with the number of their clusters."""
    rows: dict[tuple[str, str], set[str]] = {}
    for one in report["clusters"]:
        for finding in one["findings"].get("after", one["findings"].get("before", [])):
            weight = "waived" if finding["waived"] else finding["severity"]
            rows.setdefault((weight, finding["code"]), set()).add(one["host"])
    weights = [*WEIGHTS, *(weight for weight, dummy in rows)]
    order = sorted(rows, key=lambda key: (weights.index(key[0]), -len(rows[key]), key[1]))
    return [
        {
            "code": code,
            "weight": weight,
            "clusters": len(rows[weight, code]),
            "title": (about := report["codes"].get(code, {})).get("title", ""),
            "why": about.get("why", ""),
            "link": link if (link := about.get("docs", "")).startswith("https://") else "",
        }
        for weight, code in order
    ]
