# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests alone: writes every task result and the recap as lines of JSON to a file."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Write task results as lines of JSON
description: Writes every task result and the recap to the file that E(MESHOPS_TEST_RECORD) names.
options: {}
"""


class CallbackModule(CallbackBase):
    """Appends, so that what was written before a kill is there."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **line: Any) -> None:
        with open(os.environ["MESHOPS_TEST_RECORD"], "a", encoding="utf-8") as handle:
            handle.write(json.dumps(line, default=str) + "\n")

    def _result(self, status: str, result: Any) -> None:
        task = result.task
        self._write(
            status=status, host=result.host.get_name(), task=task.name, action=task.action, result=result.result
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(status="recap", recap={host: stats.summarize(host) for host in stats.processed})
