# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the evidence of failed workloads for a person: pods, reasons, last log lines, warning events.

All reads are best effort: a log that cannot be read must not hide the failure.
"""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    MeshError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem

#: How many problems a sentence names, and for how many logs and events are read.
SHOWN = 5
EVENTS = 3
LOG_CHARACTERS = 2000
#: Begins the line that stands for a log or for events that could not be read.
UNREAD = "not read"


def rollout_error(client: Client, sentence: str, problems: Sequence[Problem], log_lines: int) -> RolloutError:
    """Return the failure of a batch: a sentence that names the first problems, and the evidence for all."""
    # A message of the cluster may end with a full stop.
    named = join_limited(problems, SHOWN, "; ").rstrip(".")
    return RolloutError(f"{sentence}: {named}.", {"evidence": collect_evidence(client, problems, log_lines)})


class LogAndEvents(t.TypedDict):
    """The last log lines of a container, and the newest warning events of its pod."""

    log: list[str]
    events: list[str]


class EvidenceRow(LogAndEvents):
    """The evidence for one problem; ``workload``, ``pod`` and ``container`` are empty where it is not about one."""

    workload: str
    pod: str
    container: str
    reason: str
    message: str


def collect_evidence(client: Client, problems: Sequence[Problem], log_lines: int) -> list[Json]:
    """Return one row of evidence for each problem; logs and events only for the first ones."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=SHOWN) as pool:
        reads = [pool.submit(_read_log_and_events, client, problem, log_lines) for problem in problems[:SHOWN]]
        details = [read.result() for read in reads]
    details += [{"log": [], "events": []}] * (len(problems) - len(details))
    return [{**_row(problem, read)} for problem, read in zip(problems, details, strict=True)]


def _row(problem: Problem, details: LogAndEvents) -> EvidenceRow:
    return {
        "workload": str(problem.workload or ""),
        "pod": problem.pod,
        "container": problem.trouble.container,
        "reason": problem.trouble.reason,
        "message": problem.trouble.message,
        "log": details["log"],
        "events": details["events"],
    }


def _read_log_and_events(client: Client, problem: Problem, log_lines: int) -> LogAndEvents:
    if problem.workload is None:
        return {"log": [], "events": []}
    namespace, name = problem.workload.namespace, problem.pod or problem.workload.name
    return {"log": _log(client, namespace, problem, log_lines), "events": _events(client, namespace, name)}


def _log(client: Client, namespace: str, problem: Problem, lines: int) -> list[str]:
    """Return the last lines of a broken container; for a crash loop, those of the execution that ended."""
    if not (lines and problem.pod and problem.trouble.container):
        return []
    path, unread = f"{NAMESPACES}/{namespace}/pods/{problem.pod}/log", ""
    query: dict[str, t.Any] = {"container": problem.trouble.container, "tailLines": lines}
    for more in ({"previous": "true"}, {}):
        try:
            text = client.text(path, doing=f"Reading the log of pod {problem.pod}", **query, **more)
        except ClusterError as exc:
            return [f"{UNREAD}: {exc.message}"]
        except ApiError as exc:
            unread = f"{UNREAD}: {exc.message}"
            continue
        return text[-LOG_CHARACTERS:].splitlines()
    return [unread]


def _events(client: Client, namespace: str, name: str) -> list[str]:
    path = f"{NAMESPACES}/{namespace}/events"
    selector = f"type=Warning,involvedObject.name={name}"
    try:
        events = client.list(path, doing=f"Reading events of {name}", fieldSelector=selector)
    except MeshError as exc:
        return [f"{UNREAD}: {exc.message}"]
    newest = sorted(events, key=_time, reverse=True)[:EVENTS]
    return [f"{event.get('reason')}: {event.get('message')}" for event in newest]


def _time(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
