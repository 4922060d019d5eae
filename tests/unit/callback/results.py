# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of the modules, and a simulated run that passes results to the report."""

from __future__ import annotations

import json
import typing as t

import jsonschema

from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import build_document
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import (
    FINISHED,
    ReportedPlay,
    ReportedRun,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import TaskEvent
from unit.paths import ROOT

Json = dict[str, t.Any]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
#: Start of the runs.
START = 1_800_000_000.0
OLD, NEW = {"1-30-3": {"1.30.3": 28}}, {"1-30-3": {"1.30.3": 2}, "1-31-0": {"1.31.0": 26}}
STUCK = {
    "namespace": "batch",
    "kind": "Job",
    "name": "reindex",
    "pods": 1,
    "code": "job",
    "reason": "a Job never replaces a running pod",
    "remedy": "wait until it ends",
}


def finding(code: str = "MU021", severity: str = "info", place: str = "Job batch/reindex", **over: t.Any) -> Json:
    """Return a finding."""
    return {
        "code": code,
        "severity": severity,
        "title": f"title of {code}",
        "object": place,
        "message": f"Message of {code}.",
        "why": f"Why {code} matters.",
        "remedy": "do something about it",
        "docs": f"https://example.com/{code}",
        "waived": None,
        **over,
    }


def base_result(name: str = "paris-1", **more: t.Any) -> Json:
    """Return the keys that each result has."""
    server = {"id": f"id-of-{name}", "name": name, "server": f"https://{name}.example.com:6443"}
    requests = {"reads": 10, "writes": 0, "dry_runs": 0}
    return {"changed": False, "actions": [], "cluster": server, "requests": requests, **more}


def precheck(*findings: Json, stage: str = "before", proxies: Json | None = None, **more: t.Any) -> Json:
    """Return a result of istio_precheck."""
    summary = {"error": 0, "warning": 0, "info": 0, "waived": 0}
    for entry in findings:
        summary["waived" if entry["waived"] else entry["severity"]] += 1
    return base_result(
        findings=[*findings],
        summary=summary,
        source_revision="1-30-3",
        source_version="1.30.3",
        proxies=OLD if proxies is None else proxies,
        identities={"1-30-3": {"mesh_id": "m"}, **({"1-31-0": {}} if stage == "after" else {})},
        unrestartable=[STUCK],
        invocation={"module_args": {"stage": stage, "api_key": "a-secret"}},
        **more,
    )


def install(**more: t.Any) -> Json:
    """Return a result of istio_revision."""
    text = "install revision 1-31-0 (1.31.0): create 17 objects"
    defaults = {"changed": True, "actions": [text], "revision": "1-31-0", "version": "1.31.0"}
    return base_result(**{**defaults, **more})


def info() -> Json:
    """Return a result of istio_info."""
    planes = [{"revision": "1-30-3", "version": "1.30.3"}, {"revision": "1-31-0", "version": "1.31.0"}]
    return base_result(control_planes=planes, tags={"prod": "1-30-3"}, default={"revision": "1-30-3"}, proxies=OLD)


def move(*namespaces: str) -> Json:
    """Return a result of namespace_revision."""
    return base_result(
        changed=True, actions=[f"move namespace {namespace}" for namespace in namespaces], moved=[*namespaces]
    )


def restart(*workloads: str, **more: t.Any) -> Json:
    """Return a result of rollout_restart."""
    defaults: Json = {
        "changed": bool(workloads),
        "actions": [f"restart {workload}" for workload in workloads],
        "restarted": [*workloads],
        "resumed": [],
        "batches": [[workload] for workload in workloads],
        "plan": [{"workloads": [workload]} for workload in workloads],
        "remaining": [],
        "stopped_early": False,
        "not_after": "",
        "unrestartable": [],
    }
    return base_result(**{**defaults, **more})


def broken(message: str = "Deployment shop/web does not get ready.", **over: t.Any) -> Json:
    """Return a failed result of rollout_restart."""
    evidence = {
        "workload": "Deployment shop/web",
        "pod": "web-6d9c7b5f4-x2x8k",
        "container": "web",
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s restarting failed container",
        "log": ["cannot connect to the database"],
        "events": ["BackOff: Back-off restarting failed container web"],
    }
    failure = {"kind": "RolloutError", "evidence": [evidence], "rolled_back": True, "rollback_problems": []}
    done = {"completed_before": ["Deployment shop/cart"], "remaining": []}
    return base_result(failed=True, changed=True, msg=message, failure={**failure, **done, **over})


class SimulatedRun:
    """A run whose task results are recorded directly; each task takes ten seconds."""

    def __init__(self, *hosts: str, rings: dict[str, int] | None = None, check_mode: bool = False) -> None:
        self.run = ReportedRun("Istio fleet", check_mode=check_mode, playbooks=["canary.yml"], started=START)
        self.run.rings.update(rings or {})
        self.run.add_play(ReportedPlay("play", hosts))
        self.now = START

    def task(self, host: str, action: str, result: Json, **event: t.Any) -> SimulatedRun:
        """Record one result. If it has the default cluster, it gets the cluster of the host."""
        self.now += 10
        if result.get("cluster") == base_result()["cluster"]:
            result = {**result, "cluster": base_result(host)["cluster"]}
        outcome = "failed" if result.get("failed") else "ok"
        defaults = {"outcome": outcome, "stage": "data_plane", "started": self.now - 10, "ended": self.now, **event}
        self.run.record(TaskEvent(host, f"Task of {action}", action, result=result, **defaults))
        return self

    def canary(self, host: str) -> SimulatedRun:
        """Record a whole canary upgrade."""
        self.task(host, "istio_precheck", precheck(finding()), stage="precheck")
        self.task(host, "istio_revision", install(), stage="control_plane")
        self.task(host, "istio_info", info())
        self.task(host, "namespace_revision", move("shop"))
        self.task(host, "rollout_restart", restart("Deployment shop/web", "Deployment shop/cart"))
        return self.task(
            host, "istio_precheck", precheck(finding(), stage="after", proxies=NEW), stage="verify"
        ).at_end(host)

    def at_end(self, *hosts: str) -> SimulatedRun:
        """Record that hosts reached the end of the play."""
        self.run.end_batch("play", hosts)
        return self

    def end(self, state: str = FINISHED, **failures: int) -> Json:
        """End the run, and return its report."""
        self.run.finish(state, self.now, failures if state == FINISHED else None)
        return self.report()

    def report(self) -> Json:
        """Return the report, after validation against its schema."""
        document = build_document(self.run, self.now)
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))
        return document

    def cluster(self, host: str = "paris-1") -> Json:
        """Return a cluster of the report."""
        return next(cluster for cluster in self.report()["clusters"] if cluster["host"] == host)
