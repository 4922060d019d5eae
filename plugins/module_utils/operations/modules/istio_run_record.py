# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_run_record: ends a run on a cluster and releases its lock."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.up_to_date import completion_fingerprint
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    DONE,
    STOPPED,
    Record,
    public_record,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.standing.leftovers import Left, find_left
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

UNLOCKED = "unlocked"
#: A cluster that was not compared with a target.
UNKNOWN: Left = {"left_proxies": None, "left_namespaces": []}
SPEC = ArgumentSpec({"state": {"type": "str", "choices": [DONE, STOPPED, UNLOCKED], "default": DONE}})


class RunRecordResult(Left):
    """The values that the module returns."""

    state: str
    closed: bool
    record: Record | None


class _FinishedCluster:
    """The cluster at the end of a completed run; nothing is known if it cannot be read."""

    def __init__(self, task: TaskContext) -> None:
        self._task = task
        self.left = UNKNOWN

    def fingerprint(self) -> str:
        """Read the cluster and return its fingerprint; an empty text makes the next run check everything."""
        run = self._task.run
        if run is None or not run.revision:
            return ""
        try:
            snapshot = self._task.snapshot(pods=bool(run.version), pods_suffice=lambda dummy: True)
        except MeshError:
            return ""
        if run.version:
            self.left = find_left(snapshot, run.revision, run.version)
        return completion_fingerprint(snapshot, run.revision) if run.request_digest else ""


def run(task: TaskContext) -> TaskResult:
    """Complete the record of the run and release its lock; a run that wrote nothing has neither.

    If the run found nothing to do because it continued an incomplete one, the record is taken over first.
    """
    state = task.params["state"]
    if state == UNLOCKED:
        # A task outside of any run ignores a lock that it may not read. This task must read it.
        lock = Lock(task.client, task.istio_namespace, task.run or RunOptions(), task.controller, task.keeper)
        lock.require_free()
        return _result(UNLOCKED, False, UNKNOWN, lock)
    lock = Lock(task.client, task.istio_namespace, task.run, task.controller, task.keeper)
    if state == DONE and not task.check_mode:
        lock.take_over_record()
    finished = _FinishedCluster(task)
    closed = not task.check_mode and lock.end_run(state, finished.fingerprint if state == DONE else lambda: "")
    return _result(state, closed, finished.left, lock)


def _result(state: str, closed: bool, left: Left, lock: Lock) -> TaskResult:
    values: RunRecordResult = {
        "state": state,
        "closed": closed,
        **left,
        "record": public_record(lock.record()),
    }
    return TaskResult(values={**values})


CORE = ModuleCore("istio_run_record", SPEC, run, writes=False)
