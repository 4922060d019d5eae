# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a document: what docs/report.schema.json describes."""

from __future__ import annotations

import collections
import datetime
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.facts import Facts, Reading, Stage
from ansible_collections.meshops.istio.plugins.plugin_utils.report.run import (
    ABORTED,
    BAD,
    INTERRUPTED,
    OPEN,
    RUNNING,
    STATES,
    Run,
)

VERSION = 1
SCHEMA = "https://github.com/meshops/istio/blob/main/docs/report.schema.json"
#: How a headline counts clusters.
COUNTED = {
    "done": "done",
    "unchanged": "with nothing to do",
    "passed": "ready",
    "dry_run": "looked at in check mode",
    "failed": "failed",
    "unreachable": "not reached",
    "refused": "refused by the precheck",
    "locked": "locked by another run",
    "stopped": "stopped half-way",
    "untouched": "left untouched",
    "running": "at work",
    "waiting": "not begun yet",
}


def document(run: Run, now: float) -> Json:
    """Return the whole report."""
    clusters = [_cluster(run, facts) for facts in run.clusters.values()]
    clusters.sort(key=lambda one: (one["ring"] is None, one["ring"] or 0))
    counts = counts_of(clusters)
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "title": run.title,
        "run": {
            "verdict": run.verdict(),
            "headline": headline(run, counts),
            "state": run.state,
            "check_mode": run.check_mode,
            "playbooks": run.playbooks,
            "began": moment(run.began),
            "ended": moment(run.ended),
            "written": moment(now),
            "seconds": round((run.ended or now) - run.began, 1),
            "signal": run.signal or None,
            "during": run.during if run.state != "finished" else "",
            "problems": [{**one, "at": moment(one["at"])} for one in run.problems],
        },
        "counts": counts,
        "proxies": all_proxies(clusters),
        "rings": rings_of(clusters),
        "clusters": clusters,
        "codes": dict(sorted(run.codes.items())),
    }


def headline(run: Run, counts: dict[str, int]) -> str:
    """Return the verdict in one sentence."""
    total = sum(counts.values())
    told = ", ".join(f"{counts[state]} {COUNTED[state]}" for state in COUNTED if counts.get(state))
    text = f"{total} clusters: {told}." if total != 1 else f"1 cluster: {told.removeprefix('1 ')}."
    if run.state == RUNNING:
        return f"At work when this was written. What came later is not known: it goes on, or it was killed. {text}"
    if run.state == INTERRUPTED:
        return f"Interrupted by {run.signal} during {run.during or 'its start'}. {text}"
    if run.state == ABORTED:
        return f"The run broke off during {run.during or 'its start'}, with an error of its own. {text}"
    return text


def moment(seconds: float) -> str | None:
    """Return a time as people and programs read it, in UTC."""
    if not seconds:
        return None
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def counts_of(clusters: Iterable[Json]) -> dict[str, int]:
    found = collections.Counter(one["state"] for one in clusters)
    return {state: found[state] for state in STATES if found[state]}


def _cluster(run: Run, facts: Facts) -> Json:
    state = run.state_of(facts)
    began = min((stage.began for stage in facts.stages.values()), default=0.0)
    ended = max((stage.ended for stage in facts.stages.values()), default=0.0)
    after = None if run.check_mode else _reading(facts, facts.after)
    return {
        "host": facts.host,
        "ring": facts.ring,
        "state": state,
        "detail": _detail(run, facts, state),
        "cluster": facts.cluster,
        "changed": bool(facts.changed_at),
        "began": moment(began),
        "ended": moment(ended),
        "seconds": round(ended - began, 1),
        "source": facts.source or None,
        "target": facts.target or None,
        "before": _reading(facts, facts.before, first=True),
        "after": after,
        "stages": [_stage(name, stage) for name, stage in facts.stages.items()],
        "actions": facts.actions,
        "waves": [_timed(wave) for wave in facts.waves],
        "remaining": facts.remaining,
        "summary": facts.summary,
        "findings": facts.findings,
        "unrestartable": facts.unrestartable,
        "failures": [_failure(facts, number) for number in range(len(facts.failures))],
        "warnings": facts.warnings,
        "requests": facts.requests,
        "left_out": facts.left_out,
    }


def _stage(name: str, stage: Stage) -> Json:
    return {
        "stage": name,
        "began": moment(stage.began),
        "seconds": round(stage.ended - stage.began, 1),
        "changed": stage.changed,
        "failed": stage.bad,
    }


def _timed(wave: Json) -> Json:
    seconds = round(wave["ended"] - wave["began"], 1)
    return {**wave, "began": moment(wave["began"]), "ended": moment(wave["ended"]), "seconds": seconds}


def _failure(facts: Facts, number: int) -> Json:
    """Return a failure; those that a rescue followed and mended are told all the same, and marked."""
    row = facts.failures[number]
    kept = {key: value for key, value in row.items() if key not in ("action", "once")}
    return {**kept, "at": moment(row["at"]), "final": facts.failing and number == len(facts.failures) - 1}


def _reading(facts: Facts, reading: Reading | None, *, first: bool = False) -> Json | None:
    if reading is None:
        return None
    return {
        "at": moment(reading.at),
        "current": not first and reading.at >= facts.changed_at,
        "revisions": reading.revisions,
        "proxies": reading.proxies,
        "versions": _versions(reading.proxies),
        "tags": reading.tags,
        "default": reading.default,
    }


def _versions(proxies: dict[str, dict[str, int]] | None) -> dict[str, int] | None:
    if proxies is None:
        return None
    total: dict[str, int] = collections.Counter()
    for row in proxies.values():
        for version, number in row.items():
            total[version] += number
    return dict(sorted(total.items()))


def _detail(run: Run, facts: Facts, state: str) -> str:
    """Return the state of a cluster as a sentence."""
    if state in BAD:
        return str(facts.failures[-1]["message"]) if facts.failures else STATES[state]
    if state == "stopped" and facts.remaining:
        return f"The time to restart workloads ended at {facts.window}: {facts.remaining} remain for the next run."
    last = next(reversed(facts.stages), "")
    if state in OPEN:
        return left_at(state, last, begun=bool(facts.stages))
    if state == "running" and last:
        return f"At work: the last stage was {last}."
    return f"{STATES[state][0].upper()}{STATES[state][1:]}."


def left_at(state: str, stage: str, *, begun: bool) -> str:
    """Return where a run left a cluster at which it did not come to its end."""
    if state == "stopped":
        return f"Changed, and not at its end: the last stage was {stage or 'a task of the playbook'}."
    return "It was looked at, and nothing was changed." if begun else "Nothing was begun here."


def all_proxies(clusters: list[Json]) -> Json:
    """Return the proxies of clusters by version, before and after; what was not read again is as it was."""
    total: Json = {"not_read_since": sum(bool(one["after"]) and not one["after"]["current"] for one in clusters)}
    for when, others in (("before", "after"), ("after", "before")):
        found: dict[str, int] = collections.Counter()
        for one in clusters:
            reading = one[when] or one[others] or {}
            for version, number in (reading.get("versions") or {}).items():
                found[version] += number
        total[when] = dict(sorted(found.items()))
    return total


def rings_of(clusters: list[Json]) -> list[Json]:
    """Return a row for each ring, in their order; clusters without one stand together at the end."""
    rows = []
    for ring in dict.fromkeys(one["ring"] for one in clusters):
        members = [one for one in clusters if one["ring"] == ring]
        times = [one for one in members if one["began"]]
        row: dict[str, t.Any] = {
            "ring": ring,
            "clusters": len(members),
            "counts": counts_of(members),
            "began": min((one["began"] for one in times), default=None),
            "ended": max((one["ended"] for one in times), default=None),
            "proxies": all_proxies(members),
        }
        rows.append(row)
    return rows
