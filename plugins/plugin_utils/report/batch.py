# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of one batch of a play, and which of them reach the end of the play."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass
class Batch:
    """Hosts that run a play together.

    Attributes:
        hosts: names of the hosts.
        ended_early: hosts for which the play ended by end_host.
        broken_off: whether a failure ended the batch before its last task.
    """

    hosts: set[str] = dataclasses.field(default_factory=set)
    ended_early: set[str] = dataclasses.field(default_factory=set)
    broken_off: bool = False
    _end_host_tasks: set[str] = dataclasses.field(default_factory=set)

    def start_end_host(self, uuid: str) -> None:
        """Record the start of end_host, which ends the play for all hosts, except those that skip or fail it.

        Args:
            uuid: UUID of the task. awx_display of ansible-runner appends a counter to that of a task that starts again.
        """
        task = uuid.partition("_")[0]
        if task not in self._end_host_tasks:
            self._end_host_tasks.add(task)
            self.ended_early |= self.hosts

    def reached_end(self, active: Iterable[str]) -> set[str]:
        """Return the hosts that reached the end of the play.

        Args:
            active: hosts that are active for ansible-core. In ansible-core 2.16, these include hosts without a failure
                of a batch that was broken off.
        """
        return ((set() if self.broken_off else set(active)) | self.ended_early) & self.hosts
