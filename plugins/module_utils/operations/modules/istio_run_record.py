# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_run_record: the lock of a cluster, and the end of a run over it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.completion_fingerprint import fingerprint
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import DONE, STOPPED, as_result
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

UNLOCKED = "unlocked"
SPEC = ArgumentSpec({"state": {"type": "str", "choices": [DONE, STOPPED, UNLOCKED], "default": DONE}})


def _left(task: TaskContext) -> str:
    """Return what the run left; nothing where that cannot be told, and then the next run looks at everything."""
    told = task.params.get("run") or {}
    if task.params["state"] != DONE or not told.get("request_digest") or not told.get("revision"):
        return ""
    try:
        return fingerprint(task.snapshot(), told["revision"])
    except MeshError:
        return ""


def run(task: TaskContext) -> TaskResult:
    """Complete the record of the run and give its lock back; a run that wrote nothing has neither.

    But where it came to the end of what a run before it left, the record says so.
    """
    state, told = task.params["state"], task.params.get("run")
    if state == UNLOCKED:
        # a task outside of any run goes on where it may not look; this one is there to look
        told = told or {}
    lock = Lock(task.client, task.istio_namespace, told, task.controller, task.keeper)
    if state == UNLOCKED:
        lock.require_free()
        return TaskResult(values={"state": UNLOCKED, "closed": False, "record": as_result(lock.record())})
    if state == DONE and not task.check_mode:
        lock.take_over()
    closed = not task.check_mode and lock.close(state, lambda: _left(task))
    return TaskResult(values={"state": state, "closed": closed, "record": as_result(lock.record())})


CORE = ModuleCore("istio_run_record", SPEC, run, writes=False)
