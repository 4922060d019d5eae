# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of one cluster: a few values of each task result, never the result itself."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import BROKEN_BEFORE
from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import (
    MAX_ROWS,
    as_list,
    as_mapping,
    as_number,
    as_rows,
    as_text,
    as_texts,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.cluster_reading import Reading, Revision, revision_of
from ansible_collections.meshops.istio.plugins.plugin_utils.report.result_rows import failure_row, wave_row
from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import (
    READING_MODULES,
    RECORD_MODULE,
    TaskEvent,
)

#: Columns of a row, each with an example of its type.
CLUSTER = {"id": "", "name": "", "server": ""}
FINDING = {"code": "", "severity": "info", "object": "", "message": "", "remedy": "", "waived": None}
UNRESTARTABLE = {"namespace": "", "kind": "", "name": "", "pods": 0, "code": "", "reason": "", "remedy": ""}


@dataclasses.dataclass
class Stage:
    """A role on a cluster, or the tasks outside of roles."""

    started: float
    ended: float
    changed: bool = False
    failed: bool = False


@dataclasses.dataclass
class ClusterFacts:
    """The facts of one cluster, updated by each task result."""

    host: str
    ring: int | None = None
    cluster: Json | None = None
    modules: set[str] = dataclasses.field(default_factory=set)
    changed_at: float = 0.0
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)
    source: Revision | None = None
    target: Revision | None = None
    before: Reading | None = None
    after: Reading | None = None
    actions: list[Json] = dataclasses.field(default_factory=list)
    waves: list[Json] = dataclasses.field(default_factory=list)
    #: Namespaces that the last task moved; the next restart belongs to them.
    moved: list[str] = dataclasses.field(default_factory=list)
    findings: dict[str, list[Json]] = dataclasses.field(default_factory=dict)
    summary: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    unrestartable: list[Json] = dataclasses.field(default_factory=list)
    failures: list[Json] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    requests: dict[str, int] = dataclasses.field(default_factory=dict)
    remaining: int = 0
    #: End of the maintenance window, as the last restart returned it.
    window_end: str = ""
    #: Whether the last task failed. A rescue clears it.
    failing: bool = False
    #: Whether the run stopped here early without a failure, as it does when the failure budget is spent.
    halted: bool = False
    #: Whether the last reading of the cluster failed.
    unread: bool = False
    #: Proxies that do not run the target version, as the last task that compared them returned it.
    left_proxies: int = 0
    #: Namespaces that select another version, as the same task returned them, and workloads that were left because they
    #: were broken before.
    left_namespaces: list[str] = dataclasses.field(default_factory=list)
    left_broken: list[str] = dataclasses.field(default_factory=list)
    #: Whether one reading proved that there is nothing to do.
    up_to_date: bool = False
    #: List -> number of entries above its limit.
    omitted: dict[str, int] = dataclasses.field(default_factory=dict)

    def record(self, event: TaskEvent, codes: dict[str, Json]) -> None:
        """Update the facts by one task result.

        Args:
            event: the end of a task.
            codes: code -> texts of a finding; all clusters share it, and new codes are added to it.
        """
        if event.outcome == "ignored" or (event.run_once and not event.module):
            return
        # Cleanup tasks do not clear the failure.
        self.failing = event.failed or (self.failing and event.module in ("", RECORD_MODULE))
        results = event.result.get("results")
        for result in results if event.module and isinstance(results, list) else [event.result]:
            if isinstance(result, Mapping):
                self._record_result(event, result, codes)
        if event.outcome != "skipped" and (event.module or event.failed):
            self._record_stage(event)
        if event.module in READING_MODULES and event.outcome != "skipped":
            self.unread = event.failed and "findings" not in event.result
        # If workloads failed and the restart continued, a later task fails for them, and it has no evidence.
        if event.failed or event.failed_by_workloads:
            self.failures.append(failure_row(event))

    def _record_stage(self, event: TaskEvent) -> None:
        stage = self.stages.setdefault(event.stage, Stage(event.started, event.ended))
        stage.ended = max(stage.ended, event.ended)
        stage.failed = event.failed
        stage.changed |= event.changed_mesh(event.result)

    def _record_result(self, event: TaskEvent, result: Mapping[str, t.Any], codes: dict[str, Json]) -> None:
        if not event.module or event.outcome == "skipped" or "censored" in result:
            return
        self.modules.add(event.module)
        self._record_connection(result)
        if event.changed_mesh(result):
            self.changed_at = event.ended
            self._extend("actions", [{"stage": event.stage, "text": text} for text in as_texts(result.get("actions"))])
        if event.module in READING_MODULES:
            self._record_reading(event, result)
        # The end of a run without changes has no reading of its own.
        if result.get("left_proxies") is not None:
            self.left_proxies = as_number(result["left_proxies"])
            self.left_namespaces = as_texts(result.get("left_namespaces"))[:MAX_ROWS]
        if event.module == RECORD_MODULE and result.get("state") != "unlocked":
            self.halted = result.get("state") == "stopped"
        if event.module == "istio_precheck" and "findings" in result:
            self._record_findings(result, codes)
        if not event.failed:
            self._record_proof(event, result)
        self._record_wave(event, result)

    def _record_connection(self, result: Mapping[str, t.Any]) -> None:
        """Update the identity of the cluster, the number of requests and the warnings, which every result has."""
        rows = as_rows([result.get("cluster")], CLUSTER)
        if rows and (rows[0]["id"] or not self.cluster):
            self.cluster = rows[0]
        for name, number in as_mapping(result.get("requests")).items():
            self.requests[as_text(name)] = self.requests.get(as_text(name), 0) + as_number(number)
        self._extend("warnings", [text for text in as_texts(result.get("warnings")) if text not in self.warnings])

    def _extend(self, name: str, rows: list[t.Any]) -> None:
        """Add entries to a list of the facts up to its limit, and count the others."""
        entries = getattr(self, name)
        free = max(MAX_ROWS - len(entries), 0)
        entries += rows[:free]
        if rows[free:]:
            self.omitted[name] = self.omitted.get(name, 0) + len(rows[free:])

    def _record_reading(self, event: TaskEvent, result: Mapping[str, t.Any]) -> None:
        if "up_to_date" in result:
            self.up_to_date = bool(result["up_to_date"])
        if "unrestartable" in result:
            self.unrestartable = as_rows(result["unrestartable"], UNRESTARTABLE)
        if not {"proxies", "control_planes"} & set(result):
            return
        reading = Reading.from_result(event.ended, result)
        if result.get("source_revision"):
            self.source = self.source or revision_of(result, "source_")
        if self.after:
            reading.complete_from(self.after)
        self.before = self.before or reading
        self.after = reading.copy()

    def _record_proof(self, event: TaskEvent, result: Mapping[str, t.Any]) -> None:
        """Update the last reading with the change that a module made and proved."""
        revision = revision_of(result)
        if event.module == "istio_revision" and revision["version"]:
            self.target = revision
        if not self.after or not event.changed_mesh(result):
            return
        if event.module == "istio_revision":
            self.after.replace_revision(revision)
        elif event.module == "istio_tag":
            self.after.replace_tag(as_text(result.get("tag")), revision["revision"])

    def _record_findings(self, result: Mapping[str, t.Any], codes: dict[str, Json]) -> None:
        stage = _precheck_stage(result)
        findings = [finding for finding in as_list(result["findings"]) if isinstance(finding, Mapping)]
        for finding in findings:
            texts = {key: as_text(finding.get(key)) for key in ("title", "why", "docs")}
            codes.setdefault(as_text(finding.get("code")), texts)
        self.findings[stage] = as_rows(findings, FINDING)
        self.summary[stage] = {
            as_text(severity): as_number(number) for severity, number in as_mapping(result.get("summary")).items()
        }
        self.omitted.pop(f"findings {stage}", None)
        if findings[MAX_ROWS:]:
            self.omitted[f"findings {stage}"] = len(findings[MAX_ROWS:])

    def _record_wave(self, event: TaskEvent, result: Mapping[str, t.Any]) -> None:
        if event.module in ("namespace_revision", "istio_tag"):
            namespaces = as_texts(result.get("moved")) or as_texts(result.get("namespaces"))
            self.moved = namespaces if event.changed_mesh(result) else []
        elif event.module == "rollout_restart":
            wave = wave_row(event, result, self.moved)
            self.moved = []
            self.remaining = 0 if event.failed else len(as_list(result.get("remaining")))
            self.window_end = as_text(result.get("not_after"))
            self._record_left_broken(result)
            if wave:
                self._extend("waves", [wave])

    def _record_left_broken(self, result: Mapping[str, t.Any]) -> None:
        for row in as_rows(result.get("unrestartable"), UNRESTARTABLE):
            name = str(ObjectRef(row["namespace"], row["kind"], row["name"]))
            if row["code"] == BROKEN_BEFORE.code and name not in self.left_broken:
                self._extend("left_broken", [name])

    @property
    def incomplete(self) -> bool:
        """Whether proxies, namespaces or broken workloads are not on the target version."""
        return bool(self.left_proxies or self.left_namespaces or self.left_broken)


def _precheck_stage(result: Mapping[str, t.Any]) -> str:
    """Return the stage of a precheck: before or after. The report reads no other argument of a task."""
    arguments = as_mapping(as_mapping(result.get("invocation")).get("module_args"))
    return "after" if arguments.get("stage") == "after" else "before"
