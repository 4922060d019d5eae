# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of one task on one host, as the callback passes it to the report."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import as_mapping

COLLECTION = "meshops.istio."
#: Modules that change a mesh. The others only read it, or maintain the record of the run.
CHANGING_MODULES = ("istio_revision", "istio_tag", "namespace_revision", "rollout_restart")
READING_MODULES = ("istio_info", "istio_precheck")
RECORD_MODULE = "istio_run_record"


@dataclasses.dataclass(frozen=True)
class TaskEvent:
    """The end of one task on one host. ``module`` is empty if the module is not one of this collection."""

    host: str
    task: str
    module: str = ""
    #: The role of the task; empty for a task of the playbook.
    stage: str = ""
    started: float = 0.0
    ended: float = 0.0
    #: One of ok, failed, ignored, skipped, unreachable.
    outcome: str = "ok"
    #: Whether the task ran once for all hosts, so that its result does not describe this host.
    run_once: bool = False
    dry_run: bool = False
    result: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def failed(self) -> bool:
        """Whether the task ends the play for its host, unless a rescue follows."""
        return self.outcome in ("failed", "unreachable")

    @property
    def failed_by_workloads(self) -> bool:
        """Whether the task succeeded although workloads failed to restart: the role continues with the others."""
        return not self.failed and as_mapping(self.result.get("failure")).get("caused_by") == "workloads"

    def changed_mesh(self, result: Mapping[str, t.Any]) -> bool:
        """Return whether a result of this event, which is one of several in a loop, states a change of the mesh."""
        return self.module in CHANGING_MODULES and bool(result.get("changed")) and not self.dry_run
