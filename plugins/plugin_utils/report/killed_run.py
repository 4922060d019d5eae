# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the report of a run whose ansible-playbook was killed, in the workers that outlive it.

A worker is a copy of ansible-playbook from the start of its task. The files are newer than its copy of the run, except
for the module that the worker itself was running.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Collection
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import (
    count_proxies,
    count_states,
    headline,
    incomplete_detail,
    ring_rows,
    timestamp,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.files import FORMATS, write_report
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import INTERRUPTED, RUNNING, ReportedRun

SIGNAL = "SIGKILL"


def record_kill(folder: Path, formats: Collection[str], run: ReportedRun, now: float) -> None:
    """Write into the files of a run that it was killed. Each worker does this in turn, and adds its own cluster."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            report = json.loads((folder / FORMATS["json"][0]).read_text(encoding="utf-8"))
            completed = complete_killed_run(report, run.changing, now)
            summary = report["run"]
            by_other_worker = summary["signal"] == SIGNAL
            changed = summary["state"] == RUNNING or (by_other_worker and completed["clusters"] != report["clusters"])
            if summary["started"] == timestamp(run.started) and changed:
                write_report(folder, formats, completed)
        finally:
            os.close(handle)


def complete_killed_run(report: Json, changing: Collection[str], now: float) -> Json:
    """Return the report of a run whose ansible-playbook was killed.

    Args:
        report: the report as the run wrote it last.
        changing: clusters on which a module that changes the mesh was running.
        now: the time in seconds since the epoch.
    """
    run = ReportedRun(report["title"], state=INTERRUPTED, signal=SIGNAL, last_task=report["run"]["last_task"])
    clusters = [_complete_cluster(cluster, changing) for cluster in report["clusters"]]
    counts = count_states(clusters)
    summary = {
        "verdict": run.verdict(),
        "headline": headline(run, counts),
        "state": run.state,
        "ended": timestamp(now),
        "written": timestamp(now),
        "signal": run.signal,
    }
    return {
        **report,
        "run": {**report["run"], **summary},
        "counts": counts,
        "proxies": count_proxies(clusters),
        "rings": ring_rows(clusters),
        "clusters": clusters,
    }


def _complete_cluster(cluster: Json, changing: Collection[str]) -> Json:
    """Return a cluster of a killed run. One on which a module was running counts as changed."""
    was_changing = cluster["host"] in changing
    if cluster["state"] not in ("running", "waiting") and not (was_changing and cluster["state"] == "untouched"):
        return cluster
    changed = cluster["changed"] or was_changing
    state = "stopped" if changed else "untouched"
    stages = cluster["stages"]
    detail = incomplete_detail(state, stages[-1]["stage"] if stages else "", started=bool(stages))
    after = {**cluster["after"], "current": False} if cluster["after"] and was_changing else cluster["after"]
    return {**cluster, "state": state, "changed": changed, "detail": detail, "after": after}
