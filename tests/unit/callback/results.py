# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results as the modules return them, and a run told to the report result by result."""

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
#: When the runs of the tests begin.
NOON = 1_800_000_000.0
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
    """A finding."""
    return {
        "code": code,
        "severity": severity,
        "title": f"title of {code}",
        "object": place,
        "message": f"What {code} found.",
        "why": f"Why {code} matters.",
        "remedy": "do something about it",
        "docs": f"https://example.com/{code}",
        "waived": None,
        **over,
    }


def about(name: str = "paris-1", **more: t.Any) -> Json:
    """What every result carries."""
    server = {"id": f"id-of-{name}", "name": name, "server": f"https://{name}.example.com:6443"}
    requests = {"reads": 10, "writes": 0, "dry_runs": 0}
    return {"changed": False, "actions": [], "cluster": server, "requests": requests, **more}


def precheck(*findings: Json, stage: str = "before", proxies: Json | None = None, **more: t.Any) -> Json:
    """A result of istio_precheck."""
    summary = {"error": 0, "warning": 0, "info": 0, "waived": 0}
    for one in findings:
        summary["waived" if one["waived"] else one["severity"]] += 1
    return about(
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
    """A result of istio_revision."""
    text = "install revision 1-31-0 (1.31.0): create 17 objects"
    given = {"changed": True, "actions": [text], "revision": "1-31-0", "version": "1.31.0"}
    return about(**{**given, **more})


def info() -> Json:
    """A result of istio_info."""
    planes = [{"revision": "1-30-3", "version": "1.30.3"}, {"revision": "1-31-0", "version": "1.31.0"}]
    return about(control_planes=planes, tags={"prod": "1-30-3"}, default={"revision": "1-30-3"}, proxies=OLD)


def move(*namespaces: str) -> Json:
    """A result of namespace_revision."""
    return about(changed=True, actions=[f"move namespace {one}" for one in namespaces], moved=[*namespaces])


def restart(*workloads: str, **more: t.Any) -> Json:
    """A result of rollout_restart."""
    given: Json = {
        "changed": bool(workloads),
        "actions": [f"restart {one}" for one in workloads],
        "restarted": [*workloads],
        "resumed": [],
        "batches": [[one] for one in workloads],
        "plan": [{"workloads": [one]} for one in workloads],
        "remaining": [],
        "stopped_early": False,
        "not_after": "",
        "unrestartable": [],
    }
    return about(**{**given, **more})


def broken(message: str = "Deployment shop/web does not get ready.", **over: t.Any) -> Json:
    """A result of rollout_restart that failed."""
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
    return about(failed=True, changed=True, msg=message, failure={**failure, **done, **over})


class Story:
    """A run that is told task by task; each takes ten seconds."""

    def __init__(self, *hosts: str, rings: dict[str, int] | None = None, check_mode: bool = False) -> None:
        self.run = ReportedRun("Istio fleet", check_mode=check_mode, playbooks=["canary.yml"], started=NOON)
        self.run.rings.update(rings or {})
        self.run.add_play(ReportedPlay("play", hosts))
        self.now = NOON

    def task(self, host: str, action: str, result: Json, **event: t.Any) -> Story:
        """One result; unless it says otherwise, it is about the cluster of this name."""
        self.now += 10
        if result.get("cluster") == about()["cluster"]:
            result = {**result, "cluster": about(host)["cluster"]}
        outcome = "failed" if result.get("failed") else "ok"
        given = {"outcome": outcome, "stage": "data_plane", "started": self.now - 10, "ended": self.now, **event}
        self.run.record(TaskEvent(host, f"Task of {action}", action, result=result, **given))
        return self

    def canary(self, host: str) -> Story:
        """All of a canary upgrade."""
        self.task(host, "istio_precheck", precheck(finding()), stage="precheck")
        self.task(host, "istio_revision", install(), stage="control_plane")
        self.task(host, "istio_info", info())
        self.task(host, "namespace_revision", move("shop"))
        self.task(host, "rollout_restart", restart("Deployment shop/web", "Deployment shop/cart"))
        return self.task(
            host, "istio_precheck", precheck(finding(), stage="after", proxies=NEW), stage="verify"
        ).at_end(host)

    def at_end(self, *hosts: str) -> Story:
        """These came to the end of the play."""
        self.run.end_batch("play", hosts, hosts, ())
        return self

    def end(self, state: str = FINISHED, **failures: int) -> Json:
        """End the run, and return its report."""
        self.run.finish(state, self.now, failures if state == FINISHED else None)
        return self.report()

    def report(self) -> Json:
        """The report as it is now, which is what its schema says."""
        found = build_document(self.run, self.now)
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(found)))
        return found

    def cluster(self, host: str = "paris-1") -> Json:
        """One cluster of the report."""
        return next(one for one in self.report()["clusters"] if one["host"] == host)
