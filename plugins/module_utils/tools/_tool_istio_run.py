# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module istio_run: the end of a run over a cluster."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.client._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.domain._record import DONE, STOPPED, as_result
from ansible_collections.meshops.istio.plugins.module_utils.tools._lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Outcome, Run, Tool

SPEC = ArgumentSpec({"state": {"type": "str", "choices": [DONE, STOPPED], "default": DONE}})


def run(run: Run) -> Outcome:
    """Complete the record of the run and give its lock back; a run that wrote nothing has neither."""
    lock = Lock(run.client, run.istio_namespace, run.params.get("run"), run.controller)
    closed = not run.check_mode and lock.close(run.params["state"])
    return Outcome(values={"closed": closed, "record": as_result(lock.record())})


TOOL = Tool("istio_run", SPEC, run, writes=False)
