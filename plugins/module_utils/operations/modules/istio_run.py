# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_run: the lock of a cluster, and the end of a run over it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.completion_fingerprint import fingerprint
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import DONE, STOPPED, as_result
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import Outcome, Run, Tool

FREE = "free"
SPEC = ArgumentSpec({"state": {"type": "str", "choices": [DONE, STOPPED, FREE], "default": DONE}})


def _left(run: Run) -> str:
    """Return what the run left; nothing where that cannot be told, and then the next run looks at everything."""
    told = run.params.get("run") or {}
    if run.params["state"] != DONE or not told.get("wanted") or not told.get("revision"):
        return ""
    try:
        return fingerprint(run.snapshot(), told["revision"])
    except MeshError:
        return ""


def run(run: Run) -> Outcome:
    """Complete the record of the run and give its lock back; a run that wrote nothing has neither.

    But where it came to the end of what a run before it left, the record says so.
    """
    state, told = run.params["state"], run.params.get("run")
    if state == FREE:
        # a task outside of any run goes on where it may not look; this one is there to look
        told = told or {}
    lock = Lock(run.client, run.istio_namespace, told, run.controller, run.between)
    if state == FREE:
        lock.require_free()
        return Outcome(values={"state": FREE, "closed": False, "record": as_result(lock.record())})
    if state == DONE and not run.check_mode:
        lock.take_over()
    closed = not run.check_mode and lock.close(state, lambda: _left(run))
    return Outcome(values={"state": state, "closed": closed, "record": as_result(lock.record())})


TOOL = Tool("istio_run", SPEC, run, writes=False)
