# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the report for failures and restarts, built from task results."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, parse_ref
from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import (
    MAX_ROWS,
    as_list,
    as_mapping,
    as_rows,
    as_text,
    as_texts,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import TaskEvent

#: Maximum number of restarted workloads that a wave lists by name.
MAX_NAMES = 20
#: Columns of a row, each with an example of its type.
EVIDENCE = {"workload": "", "pod": "", "container": "", "reason": "", "message": "", "log": [], "events": []}
BLOCKER = {"code": "", "object": "", "message": "", "remedy": ""}


def failure_row(event: TaskEvent) -> Json:
    """Return the failure of a task with its evidence."""
    result, failure = event.result, as_mapping(event.result.get("failure"))
    message = as_text(result.get("msg") or "The task failed without a message.")
    return {
        "task": as_text(event.task),
        "stage": event.stage,
        "at": event.ended,
        "kind": "unreachable" if event.outcome == "unreachable" else as_text(failure.get("kind")),
        "message": "Hidden by no_log." if "censored" in result else message,
        "evidence": as_rows(failure.get("evidence"), EVIDENCE),
        "blockers": as_rows(failure.get("blockers"), BLOCKER),
        "rolled_back": bool(failure["rolled_back"]) if "rolled_back" in failure else None,
        "rollback_problems": as_texts(failure.get("rollback_problems"))[:MAX_ROWS],
        "module": event.module,
    }


def wave_row(event: TaskEvent, result: Mapping[str, t.Any], moved: list[str]) -> Json | None:
    """Return one restart, or None if it had nothing to do.

    Args:
        event: the end of a task with rollout_restart.
        result: its result, or one of a loop.
        moved: namespaces that the task before it moved.
    """
    failure = as_mapping(result.get("failure"))
    restarted = as_texts(result.get("restarted")) or as_texts(failure.get("completed_before"))
    resumed = as_texts(result.get("resumed"))
    remaining = as_texts(result.get("remaining")) or as_texts(failure.get("remaining"))
    if not (restarted or resumed or remaining or moved or event.failed):
        return None
    return {
        "task": as_text(event.task),
        "stage": event.stage,
        "started": event.started,
        "ended": event.ended,
        "namespaces": (moved or namespaces_of([*restarted, *resumed, *remaining]))[:MAX_ROWS],
        "moved": moved[:MAX_ROWS],
        "restarted": len(restarted),
        "resumed": len(resumed),
        "remaining": len(remaining),
        "batches": len(as_list(result.get("batches"))),
        "planned_batches": len(as_list(result.get("plan"))),
        "outcome": _outcome(event, result),
        "workloads": restarted[:MAX_NAMES],
    }


def namespaces_of(workloads: list[str]) -> list[str]:
    """Return the namespaces of workloads such as Deployment shop/cart, without duplicates."""
    return list(dict.fromkeys(parse_ref(workload).namespace for workload in workloads))


def _outcome(event: TaskEvent, result: Mapping[str, t.Any]) -> str:
    if event.failed_by_workloads:
        return "failed"
    if event.failed:
        return "rolled_back" if as_mapping(result.get("failure")).get("rolled_back") else "failed"
    if event.dry_run:
        return "dry_run"
    return "stopped" if result.get("stopped_early") else "ok"
