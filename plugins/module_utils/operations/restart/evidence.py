# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed batch leaves behind for a person: pods, reasons, last log lines, warnings.

All of it is best effort: that a log cannot be read must not hide why it was looked at.
"""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    MeshError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem

#: How many problems a sentence names, and how many are looked into.
SHOWN = 5
EVENTS = 3
LOG_CHARACTERS = 2000


def rollout_error(client: Client, sentence: str, problems: Iterable[Problem], log_lines: int) -> RolloutError:
    """Return the failure of a batch: a sentence that names the first problems, and the evidence for all."""
    found = list(problems)
    # what a cluster says may end like a sentence
    named = some(found, SHOWN, "; ").rstrip(".")
    return RolloutError(f"{sentence}: {named}.", {"evidence": collect(client, found, log_lines)})


def collect(client: Client, problems: list[Problem], log_lines: int) -> list[Json]:
    """Return the evidence for some problems, one entry each."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=SHOWN) as pool:
        looked = [pool.submit(_look, client, one, log_lines) for one in problems[:SHOWN]]
        return [
            {
                "workload": str(one.workload or ""),
                "pod": one.pod,
                "container": one.trouble.container,
                "reason": one.trouble.reason,
                "message": one.trouble.message,
                **(looked[at].result() if at < SHOWN else {"log": [], "events": []}),
            }
            for at, one in enumerate(problems)
        ]


def _look(client: Client, problem: Problem, log_lines: int) -> Json:
    if problem.workload is None:
        return {"log": [], "events": []}
    namespace, name = problem.workload.namespace, problem.pod or problem.workload.name
    return {"log": _log(client, namespace, problem, log_lines), "events": _events(client, namespace, name)}


def _log(client: Client, namespace: str, problem: Problem, lines: int) -> list[str]:
    """Return the last lines of a broken container; of a crash loop those of the run that ended."""
    if not (lines and problem.pod and problem.trouble.container):
        return []
    path = f"{NAMESPACES}/{namespace}/pods/{problem.pod}/log"
    query: dict[str, t.Any] = {"container": problem.trouble.container, "tailLines": lines}
    for more in ({"previous": "true"}, {}):
        try:
            text = client.text(path, doing=f"Reading the log of pod {problem.pod}", **query, **more)
        except ClusterError:
            break
        except ApiError:
            continue
        return text[-LOG_CHARACTERS:].splitlines()
    return []


def _events(client: Client, namespace: str, name: str) -> list[str]:
    path = f"{NAMESPACES}/{namespace}/events"
    about = f"type=Warning,involvedObject.name={name}"
    try:
        found = client.list(path, doing=f"Reading events of {name}", fieldSelector=about)
    except MeshError:
        return []
    newest = sorted(found, key=_time, reverse=True)[:EVENTS]
    return [f"{event.get('reason')}: {event.get('message')}" for event in newest]


def _time(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
