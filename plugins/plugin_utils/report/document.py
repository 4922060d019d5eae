# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the report as a document, in the form that docs/report.schema.json describes."""

from __future__ import annotations

import collections
import datetime
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.plugin_utils.report.cluster_facts import ClusterFacts, Stage
from ansible_collections.meshops.istio.plugins.plugin_utils.report.cluster_reading import Reading
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import (
    ABORTED,
    FAILED_STATES,
    FINISHED,
    INCOMPLETE,
    INTERRUPTED,
    RUNNING,
    STATES,
    UNFINISHED_STATES,
    ReportedRun,
)

VERSION = 1
SCHEMA = "https://github.com/meshops/istio/blob/main/docs/report.schema.json"
#: State -> its name after the number of clusters, as in "3 done".
COUNTED = {
    "done": "done",
    "unchanged": "with nothing to do",
    "incomplete": "incomplete",
    "read": "read",
    "passed": "ready",
    "verified": "verified",
    "dry_run": "in check mode",
    "failed": "failed",
    "unreachable": "unreachable",
    "refused": "refused by the precheck",
    "locked": "locked by another run",
    "stopped": "stopped partway",
    "untouched": "left untouched",
    "running": "in progress",
    "waiting": "not started yet",
}


def build_document(run: ReportedRun, now: float) -> Json:
    """Return the whole report."""
    clusters = [_cluster(run, facts) for facts in run.clusters.values()]
    clusters.sort(key=lambda cluster: (cluster["ring"] is None, cluster["ring"] or 0))
    counts = count_states(clusters)
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
            "started": timestamp(run.started),
            "ended": timestamp(run.ended),
            "written": timestamp(now),
            "seconds": round((run.ended or now) - run.started, 1),
            "signal": run.signal or None,
            "last_task": "" if run.state == FINISHED else run.last_task,
            "problems": [{**problem, "at": timestamp(problem["at"])} for problem in run.problems],
        },
        "counts": counts,
        "proxies": count_proxies(clusters),
        "rings": ring_rows(clusters),
        "clusters": clusters,
        "codes": dict(sorted(run.codes.items())),
    }


def headline(run: ReportedRun, counts: dict[str, int]) -> str:
    """Return the verdict in one sentence."""
    total = sum(counts.values())
    states = ", ".join(f"{counts[state]} {COUNTED[state]}" for state in COUNTED if counts.get(state))
    text = f"{total} clusters: {states}." if total != 1 else f"1 cluster: {states.removeprefix('1 ')}."
    text += left_broken_sentence(
        f"{name} on {facts.host}" if total != 1 else name
        for facts in run.clusters.values()
        for name in facts.left_broken
    )
    if run.state == RUNNING:
        return f"In progress when this was written: the run is either still going or was killed. {text}"
    if run.state == INTERRUPTED:
        return f"Interrupted by {run.signal} during {run.last_task or 'its start'}. {text}"
    if run.state == ABORTED:
        return f"Aborted by an error of Ansible during {run.last_task or 'its start'}. {text}"
    return text


def left_broken_sentence(names: Iterable[str]) -> str:
    """Return a sentence about workloads that were broken before and were left, after a space; empty without any."""
    listed = list(names)
    return f" Not restarted, because they were broken before: {join_limited(listed)}." if listed else ""


def timestamp(seconds: float) -> str | None:
    """Return seconds since the epoch as an ISO 8601 text in UTC, and None for 0."""
    if not seconds:
        return None
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def count_states(clusters: Iterable[Json]) -> dict[str, int]:
    """Return the number of clusters in each state, without states that no cluster is in."""
    counts = collections.Counter(cluster["state"] for cluster in clusters)
    return {state: counts[state] for state in STATES if counts[state]}


def _cluster(run: ReportedRun, facts: ClusterFacts) -> Json:
    state = run.state_of(facts)
    started = min((stage.started for stage in facts.stages.values()), default=0.0)
    ended = max((stage.ended for stage in facts.stages.values()), default=0.0)
    after = None if run.check_mode else _reading(facts, facts.after)
    return {
        "host": facts.host,
        "ring": facts.ring,
        "state": state,
        "detail": _detail(run, facts, state),
        "cluster": facts.cluster,
        "changed": bool(facts.changed_at),
        "started": timestamp(started),
        "ended": timestamp(ended),
        "seconds": round(ended - started, 1),
        "source": facts.source,
        "target": facts.target,
        "before": _reading(facts, facts.before, first=True),
        "after": after,
        "stages": [_stage(name, stage) for name, stage in facts.stages.items()],
        "actions": facts.actions,
        "waves": [_wave(wave) for wave in facts.waves],
        "remaining": facts.remaining,
        "summary": facts.summary,
        "findings": facts.findings,
        "unrestartable": facts.unrestartable,
        "failures": [_failure(facts, number) for number in range(len(facts.failures))],
        "warnings": facts.warnings,
        "requests": facts.requests,
        "omitted": facts.omitted,
    }


def _stage(name: str, stage: Stage) -> Json:
    return {
        "stage": name,
        "started": timestamp(stage.started),
        "seconds": round(stage.ended - stage.started, 1),
        "changed": stage.changed,
        "failed": stage.failed,
    }


def _wave(wave: Json) -> Json:
    seconds = round(wave["ended"] - wave["started"], 1)
    return {**wave, "started": timestamp(wave["started"]), "ended": timestamp(wave["ended"]), "seconds": seconds}


def _failure(facts: ClusterFacts, number: int) -> Json:
    """Return a failure. One that a rescue followed stays in the report, and is not final."""
    row = facts.failures[number]
    columns = {key: value for key, value in row.items() if key != "module"}
    return {**columns, "at": timestamp(row["at"]), "final": facts.failing and number == len(facts.failures) - 1}


def _reading(facts: ClusterFacts, reading: Reading | None, *, first: bool = False) -> Json | None:
    if reading is None:
        return None
    return {
        "at": timestamp(reading.at),
        "current": not first and reading.at >= facts.changed_at,
        "revisions": reading.revisions,
        "proxies": reading.proxies,
        "versions": reading.proxies_by_version(),
        "tags": reading.tags,
        "default": reading.default,
    }


def _detail(run: ReportedRun, facts: ClusterFacts, state: str) -> str:
    """Return the state of a cluster as a sentence."""
    if state in FAILED_STATES:
        return str(facts.failures[-1]["message"]) if facts.failures else STATES[state]
    if state == "stopped" and facts.remaining:
        return f"The maintenance window ended at {facts.window_end}; {facts.remaining} workloads remain."
    if state == INCOMPLETE:
        return _incomplete(facts)
    last_stage = next(reversed(facts.stages), "")
    if state in UNFINISHED_STATES:
        return incomplete_detail(state, last_stage, started=bool(facts.stages))
    if state == "running" and last_stage:
        return f"In progress: the last stage was {last_stage}."
    return f"{STATES[state][0].upper()}{STATES[state][1:]}."


def _incomplete(facts: ClusterFacts) -> str:
    """Return what is not on the target version as a sentence."""
    count, parts = facts.left_proxies, []
    if count:
        parts.append(f"{'1 proxy does' if count == 1 else f'{count} proxies do'} not run the target version")
    if facts.left_namespaces:
        parts.append(f"the labels of {join_limited(facts.left_namespaces)} select another version")
    text = f"Finished, but {', and '.join(parts)}." if parts else "Finished, but some workloads were left."
    return text + left_broken_sentence(facts.left_broken)


def incomplete_detail(state: str, last_stage: str, *, started: bool) -> str:
    """Return the sentence for a cluster at which the run did not reach its end."""
    if state == "stopped":
        return f"Changed, but not finished: the last stage was {last_stage or 'a task of the playbook'}."
    return "It was read, but not changed." if started else "Not started."


def count_proxies(clusters: list[Json]) -> Json:
    """Return the proxies of clusters by version, before and after. A single reading counts for both."""
    changed = [cluster for cluster in clusters if cluster["after"] and not cluster["after"]["current"]]
    totals: Json = {"changed_since_reading": len(changed)}
    for side, other_side in (("before", "after"), ("after", "before")):
        versions: dict[str, int] = collections.Counter()
        for cluster in clusters:
            reading = cluster[side] or cluster[other_side] or {}
            for version, number in (reading.get("versions") or {}).items():
                versions[version] += number
        totals[side] = dict(sorted(versions.items()))
    return totals


def ring_rows(clusters: list[Json]) -> list[Json]:
    """Return a row for each ring, in their order; the clusters without a ring form the last row."""
    rows = []
    for ring in dict.fromkeys(cluster["ring"] for cluster in clusters):
        members = [cluster for cluster in clusters if cluster["ring"] == ring]
        started = [cluster for cluster in members if cluster["started"]]
        row: dict[str, t.Any] = {
            "ring": ring,
            "clusters": len(members),
            "counts": count_states(members),
            "started": min((cluster["started"] for cluster in started), default=None),
            "ended": max((cluster["ended"] for cluster in started), default=None),
            "proxies": count_proxies(members),
        }
        rows.append(row)
    return rows
