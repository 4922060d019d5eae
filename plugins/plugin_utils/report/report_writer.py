# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report repeatedly during a run, without slowing the run down."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import build_document
from ansible_collections.meshops.istio.plugins.plugin_utils.report.files import write_report
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import ReportedRun

#: Maximum share of the time that is spent on writing.
MAX_SHARE = 0.05
#: Seconds that may be spent on writing before the share applies.
BURST_SECONDS = 0.5


@dataclasses.dataclass
class ReportWriter:
    """Writes the files of a report, at most for a share of the time."""

    folder: Path
    formats: list[str]
    #: Shows a warning to the user.
    warn: Callable[[str], None]
    failed: bool = False
    #: Seconds spent on writing, reduced by the share that is allowed as time passes.
    _spent: float = 0.0
    _updated: float = 0.0

    def write(self, run: ReportedRun, *, force: bool = False) -> None:
        """Write the report of a run, unless its time is used up. ``force`` writes it in any case."""
        started = time.monotonic()
        self._spent = max(0.0, self._spent - MAX_SHARE * (started - self._updated))
        self._updated = started
        if not run.clusters or (self._spent > BURST_SECONDS and not force):
            return
        try:
            write_report(self.folder, self.formats, build_document(run, time.time()))
        except OSError as exc:
            if not self.failed:
                self.warn(f"fleet_report: the report cannot be written to {self.folder}: {exc}")
            self.failed = True
        self._spent += time.monotonic() - started
