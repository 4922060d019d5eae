# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report keeps of a run: a few facts of each result, never the result itself."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, parse_ref
from ansible_collections.meshops.istio.plugins.plugin_utils.report.values import (
    ROWS,
    listed,
    mapping,
    number_of,
    rows_of,
    short,
)

COLLECTION = "meshops.istio."
#: Modules that change a mesh. Others only look at it, or keep the books of the run.
CHANGING = ("istio_revision", "istio_tag", "namespace_revision", "rollout_restart")
READING = ("istio_info", "istio_precheck")
BOOKS = "istio_run_record"
#: Workloads of a wave that are named.
NAMES = 20
#: What is kept of a row: its columns, with a value of the form that each has.
CLUSTER = {"id": "", "name": "", "server": ""}
PLANE = {"revision": "", "version": ""}
FINDING = {"code": "", "severity": "info", "object": "", "message": "", "remedy": "", "waived": None}
STUCK = {"namespace": "", "kind": "", "name": "", "pods": 0, "code": "", "reason": "", "remedy": ""}
EVIDENCE = {"workload": "", "pod": "", "container": "", "reason": "", "message": "", "log": [], "events": []}
BLOCKER = {"code": "", "object": "", "message": "", "remedy": ""}


@dataclasses.dataclass(frozen=True)
class Event:
    """The end of one task on one host. ``action`` is empty where it is none of our modules."""

    host: str
    task: str
    action: str = ""
    stage: str = ""
    began: float = 0.0
    ended: float = 0.0
    #: One of ok, failed, ignored, skipped, unreachable.
    outcome: str = "ok"
    #: Whether the task ran for all hosts at once, so that it says nothing about this one.
    once: bool = False
    dry_run: bool = False
    result: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def bad(self) -> bool:
        """Whether the host stops here, unless a rescue follows."""
        return self.outcome in ("failed", "unreachable")


@dataclasses.dataclass
class Stage:
    """A role on a cluster, or the tasks outside of roles."""

    began: float
    ended: float
    changed: bool = False
    bad: bool = False


@dataclasses.dataclass
class Reading:
    """What a cluster was at one moment."""

    at: float
    revisions: dict[str, str] = dataclasses.field(default_factory=dict)
    proxies: dict[str, dict[str, int]] | None = None
    tags: dict[str, str] | None = None
    default: str | None = None


@dataclasses.dataclass
class Facts:
    """One cluster."""

    host: str
    ring: int | None = None
    cluster: Json | None = None
    modules: set[str] = dataclasses.field(default_factory=set)
    changed_at: float = 0.0
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)
    source: Json = dataclasses.field(default_factory=dict)
    target: Json = dataclasses.field(default_factory=dict)
    before: Reading | None = None
    after: Reading | None = None
    actions: list[Json] = dataclasses.field(default_factory=list)
    waves: list[Json] = dataclasses.field(default_factory=list)
    moved: list[str] = dataclasses.field(default_factory=list)
    findings: dict[str, list[Json]] = dataclasses.field(default_factory=dict)
    summary: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    unrestartable: list[Json] = dataclasses.field(default_factory=list)
    failures: list[Json] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    requests: dict[str, int] = dataclasses.field(default_factory=dict)
    remaining: int = 0
    window: str = ""
    #: Whether the last task failed. A rescue clears it.
    failing: bool = False
    #: Whether the run ended before its end here without a failure, as it does where the budget is spent.
    halted: bool = False
    #: Whether one reading proved that nothing is to do.
    up_to_date: bool = False
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def take(self, event: Event, codes: dict[str, Json]) -> None:
        """Keep what matters of one result; titles of findings go to the table that all clusters share."""
        if event.outcome == "ignored" or (event.once and not event.action):
            return
        # what tidies up after a failure mends nothing
        self.failing = event.bad or (self.failing and event.action in ("", BOOKS))
        results = event.result.get("results")
        parts = results if event.action and isinstance(results, list) else [event.result]
        for part in parts:
            if isinstance(part, Mapping):
                self._take_result(event, part, codes)
        if event.outcome != "skipped" and (event.action or event.bad):
            self._take_stage(event)
        # a restart that goes on without some workloads is judged by a later task, which has no evidence
        if event.bad or _goes_on(event):
            self.failures.append(_failure(event))

    def _take_stage(self, event: Event) -> None:
        stage = self.stages.setdefault(event.stage, Stage(event.began, event.ended))
        stage.ended = max(stage.ended, event.ended)
        stage.bad = event.bad
        stage.changed |= _changes(event, event.result)

    def _take_result(self, event: Event, result: Mapping[str, t.Any], codes: dict[str, Json]) -> None:
        if not event.action or event.outcome == "skipped" or "censored" in result:
            return
        self.modules.add(event.action)
        cluster = rows_of([result.get("cluster")], CLUSTER)
        if cluster and (cluster[0]["id"] or not self.cluster):
            self.cluster = cluster[0]
        for name, number in mapping(result.get("requests")).items():
            self.requests[short(name)] = self.requests.get(short(name), 0) + number_of(number)
        said = (short(one) for one in listed(result.get("warnings")))
        self._keep("warnings", [one for one in said if one not in self.warnings])
        if _changes(event, result):
            self.changed_at = event.ended
            self._keep("actions", [{"stage": event.stage, "text": short(one)} for one in listed(result.get("actions"))])
        self._take_reading(event, result)
        if event.action == BOOKS and result.get("state") != "unlocked":
            self.halted = result.get("state") == "stopped"
        if "up_to_date" in result and event.action in READING:
            self.up_to_date = bool(result["up_to_date"])
        if event.action == "istio_precheck" and "findings" in result:
            self._take_findings(result, codes)
        if "unrestartable" in result and event.action in READING:
            self.unrestartable = rows_of(result["unrestartable"], STUCK)
        if not event.bad:
            self._take_proven(event, result)
        self._take_wave(event, result)

    def _keep(self, name: str, rows: list[t.Any]) -> None:
        kept = getattr(self, name)
        room = max(ROWS - len(kept), 0)
        kept += rows[:room]
        if rows[room:]:
            self.left_out[name] = self.left_out.get(name, 0) + len(rows[room:])

    def _take_reading(self, event: Event, result: Mapping[str, t.Any]) -> None:
        if event.action not in READING or not ({"proxies", "control_planes"} & set(result)):
            return
        planes = result.get("control_planes")
        now = Reading(event.ended, dict.fromkeys(map(short, mapping(result.get("identities"))), ""))
        if result.get("source_revision"):
            source = {"revision": short(result["source_revision"]), "version": short(result.get("source_version"))}
            now.revisions[source["revision"]] = source["version"]
            self.source = self.source or source
        now.revisions.update({one["revision"]: one["version"] for one in rows_of(planes, PLANE)})
        if "proxies" in result:
            now.proxies = {
                short(revision): {short(version): number_of(number) for version, number in mapping(row).items()}
                for revision, row in mapping(result["proxies"]).items()
            }
        if "tags" in result:
            now.tags = {short(tag): short(revision) for tag, revision in mapping(result["tags"]).items()}
            now.default = short(mapping(result.get("default")).get("revision")) or None
        if self.after:
            _carry_over(self.after, now)
        self.before = self.before or now
        self.after = dataclasses.replace(now, revisions=dict(now.revisions), tags=now.tags and dict(now.tags))

    def _take_proven(self, event: Event, result: Mapping[str, t.Any]) -> None:
        """Bring the last reading up to date with what a module did and proved since."""
        name, version = short(result.get("revision")), short(result.get("version"))
        if event.action == "istio_revision" and version:
            self.target = {"revision": name, "version": version}
        if not self.after or not _changes(event, result):
            return
        if event.action == "istio_revision":
            self.after.revisions.pop(name, None)
            self.after.revisions.update({name: version} if version else {})
        elif event.action == "istio_tag" and self.after.tags is not None:
            tag = short(result.get("tag"))
            self.after.tags.pop(tag, None)
            self.after.tags.update({tag: name} if name else {})
            self.after.default = name if tag == "default" else self.after.default

    def _take_findings(self, result: Mapping[str, t.Any], codes: dict[str, Json]) -> None:
        stage = _stage_of(result)
        found = [one for one in listed(result["findings"]) if isinstance(one, Mapping)]
        for one in found:
            texts = {key: short(one.get(key)) for key in ("title", "why", "docs")}
            codes.setdefault(short(one.get("code")), texts)
        self.findings[stage] = rows_of(found, FINDING)
        self.summary[stage] = {
            short(name): number_of(number) for name, number in mapping(result.get("summary")).items()
        }
        self.left_out.pop(f"findings {stage}", None)
        if found[ROWS:]:
            self.left_out[f"findings {stage}"] = len(found[ROWS:])

    def _take_wave(self, event: Event, result: Mapping[str, t.Any]) -> None:
        if event.action in ("namespace_revision", "istio_tag"):
            named = listed(result.get("moved")) or listed(result.get("namespaces"))
            self.moved = [*map(short, named)] if _changes(event, result) else []
        elif event.action == "rollout_restart":
            wave = _wave(event, result, self.moved)
            self.moved = []
            self.remaining = len(listed(result.get("remaining"))) if not event.bad else 0
            self.window = short(result.get("not_after"))
            if wave:
                self._keep("waves", [wave])


def _carry_over(known: Reading, now: Reading) -> None:
    """Keep what a reading does not tell, as it was before and as modules proved since."""
    for revision in (name for name, version in now.revisions.items() if not version):
        now.revisions[revision] = known.revisions.get(revision, "")
    if now.tags is None:
        now.tags, now.default = known.tags, known.default
    if now.proxies is None:
        now.proxies, now.at = known.proxies, known.at


def _changes(event: Event, result: Mapping[str, t.Any]) -> bool:
    return event.action in CHANGING and bool(result.get("changed")) and not event.dry_run


def _stage_of(result: Mapping[str, t.Any]) -> str:
    """Return the stage of a precheck; its option has two values, and no other argument is looked at."""
    arguments = mapping(mapping(result.get("invocation")).get("module_args"))
    return "after" if arguments.get("stage") == "after" else "before"


def _goes_on(event: Event) -> bool:
    """Whether workloads of a restart failed by themselves, and the role goes on with the others."""
    return not event.bad and mapping(event.result.get("failure")).get("caused_by") == "workloads"


def _failure(event: Event) -> Json:
    result, detail = event.result, mapping(event.result.get("failure"))
    hidden = "censored" in result
    evidence = rows_of(detail.get("evidence"), EVIDENCE)
    row: Json = {
        "task": short(event.task),
        "stage": event.stage,
        "at": event.ended,
        "kind": "unreachable" if event.outcome == "unreachable" else short(detail.get("kind")),
        "message": "Hidden by no_log." if hidden else short(result.get("msg") or "The task failed without a message."),
        "evidence": evidence,
        "blockers": rows_of(detail.get("blockers"), BLOCKER),
        "rolled_back": bool(detail["rolled_back"]) if "rolled_back" in detail else None,
        "rollback_problems": [short(one) for one in listed(detail.get("rollback_problems"))[:ROWS]],
        "action": event.action,
        "once": event.once,
    }
    return row


def _namespaces(workloads: list[str]) -> list[str]:
    """Return the namespaces of workloads such as Deployment shop/cart."""
    return list(dict.fromkeys(parse_ref(one).namespace for one in workloads))


def _wave(event: Event, result: Mapping[str, t.Any], moved: list[str]) -> Json | None:
    detail = mapping(result.get("failure"))
    done = [short(one) for one in listed(result.get("restarted")) or listed(detail.get("completed_before"))]
    again = listed(result.get("resumed"))
    left = [short(one) for one in listed(result.get("remaining")) or listed(detail.get("remaining"))]
    if not (done or again or left or moved or event.bad):
        return None
    if _goes_on(event):
        outcome = "failed"
    elif event.bad:
        outcome = "rolled_back" if detail.get("rolled_back") else "failed"
    else:
        outcome = "dry_run" if event.dry_run else "stopped" if result.get("stopped_early") else "ok"
    return {
        "task": short(event.task),
        "stage": event.stage,
        "began": event.began,
        "ended": event.ended,
        "namespaces": (moved or _namespaces([*done, *map(short, again), *left]))[:ROWS],
        "moved": moved[:ROWS],
        "restarted": len(done),
        "resumed": len(again),
        "remaining": len(left),
        "batches": len(listed(result.get("batches"))),
        "planned_batches": len(listed(result.get("plan"))),
        "outcome": outcome,
        "workloads": done[:NAMES],
    }
