# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``run`` of all modules: the playbook's description of its run."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

#: Seconds for which a lock outlives its holder where no process can see that the holder died.
LOCK_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The suboptions of ``run``; an empty text means that the playbook did not give it."""

    started_by: str = ""
    job: str = ""
    strategy: str = ""
    version: str = ""
    revision: str = ""
    #: Digest of all options that decide the result of the run (see `completion_fingerprint`).
    request_digest: str = ""
    phase: str = ""
    #: For a rollback, the id of the run to undo; empty means the last run that was no rollback.
    undoes: str = ""
    lock_seconds: int = LOCK_SECONDS
    #: The holder whose lock is taken although it has not expired.
    break_lock: str = ""

    def holder_name(self, default: str) -> str:
        """Return the name of the lock holder, for people."""
        user = self.started_by or default
        return f"{user}, job {self.job}" if self.job else user

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> RunOptions | None:
        """Return the option ``run`` of a module, or None if the task belongs to no run."""
        given = params.get("run")
        if given is None:
            return None
        return cls(**{field.name: given[field.name] for field in dataclasses.fields(cls) if given.get(field.name)})
