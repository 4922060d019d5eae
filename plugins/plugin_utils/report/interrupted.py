# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run that was killed, by the workers that outlive it.

A worker is a copy of ansible-playbook from when its task began. The files know more, but for what is at work.
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
    all_proxies,
    counts_of,
    headline,
    left_at,
    moment,
    rings_of,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.files import FORMATS, write
from ansible_collections.meshops.istio.plugins.plugin_utils.report.run import INTERRUPTED, RUNNING, Run

SIGNAL = "SIGKILL"


def tell(folder: Path, formats: Collection[str], run: Run, now: float) -> None:
    """Tell in the files of a run that it was killed; one worker after another, each with what it knows."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            report = json.loads((folder / FORMATS["json"][0]).read_text(encoding="utf-8"))
            found = killed(report, run.at_work, now)
            told = report["run"]
            news = told["state"] == RUNNING or (told["signal"] == SIGNAL and found["clusters"] != report["clusters"])
            if told["began"] == moment(run.began) and news:
                write(folder, formats, found)
        finally:
            os.close(handle)


def killed(report: Json, at_work: Collection[str], now: float) -> Json:
    """Return the report of a run whose ansible-playbook was killed, from what it wrote last."""
    run = Run(report["title"], state=INTERRUPTED, signal=SIGNAL, during=report["run"]["during"])
    clusters = [_left(one, at_work) for one in report["clusters"]]
    counts = counts_of(clusters)
    told = {
        "verdict": run.verdict(),
        "headline": headline(run, counts),
        "state": run.state,
        "ended": moment(now),
        "written": moment(now),
        "signal": run.signal,
    }
    return {
        **report,
        "run": {**report["run"], **told},
        "counts": counts,
        "proxies": all_proxies(clusters),
        "rings": rings_of(clusters),
        "clusters": clusters,
    }


def _left(one: Json, at_work: Collection[str]) -> Json:
    """Return a cluster of a run that was killed; one on which a module was at work may be changed since."""
    working = one["host"] in at_work
    if one["state"] not in ("running", "waiting") and not (working and one["state"] == "untouched"):
        return one
    changed = one["changed"] or working
    state = "stopped" if changed else "untouched"
    stages = one["stages"]
    detail = left_at(state, stages[-1]["stage"] if stages else "", begun=bool(stages))
    after = {**one["after"], "current": False} if one["after"] and working else one["after"]
    return {**one, "state": state, "changed": changed, "detail": detail, "after": after}
