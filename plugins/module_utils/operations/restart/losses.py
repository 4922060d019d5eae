# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workloads that a restart goes on without, because the trouble is theirs alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.blame import of_revision, too_many
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.evidence import SHOWN, collect
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import Waiting

ROLLBACK, HOLD, STOP = "rollback", "hold", "stop"
#: Whose trouble it is.
WORKLOADS = "workloads"


@dataclasses.dataclass
class Losses:
    """What one task lost so far, and when it has to stop for it."""

    waiting: Waiting
    #: What happens to such a workload.
    choice: str
    problems: list[Problem] = dataclasses.field(default_factory=list)
    #: As it was found: a workload that went back has no evidence left.
    evidence: list[Json] = dataclasses.field(default_factory=list)
    #: What did not come back.
    rollback_problems: list[str] = dataclasses.field(default_factory=list)
    #: Workloads whose restart succeeded, and those whose new pods failed.
    done: list[Workload] = dataclasses.field(default_factory=list)
    _failed: set[Workload] = dataclasses.field(default_factory=set)

    @property
    def workloads(self) -> list[Workload]:
        """Every workload that was lost, once."""
        return list(dict.fromkeys(one.workload for one in self.problems if one.workload))

    def judge(self, sentence: str, batch: Sequence[Workload], problems: list[Problem]) -> None:
        """Take in that workloads of a batch failed.

        Raises:
            RolloutError: the batch has failed, because the revision is in trouble, or may be.
        """
        blamed = of_revision(problems)
        if blamed:
            raise self.waiting.error(sentence, [*blamed, *(one for one in problems if one not in blamed)])
        if self.choice == STOP:
            raise self._stopped(sentence, problems)
        failed = self._failed | {one.workload for one in problems if one.workload}
        here = failed & set(batch)
        if too_many(len(here), len(batch)) or too_many(len(failed), len(self.done) + len(failed - here) + len(batch)):
            said = (
                f"{sentence}, and so many workloads at once are no chance ({len(failed)} failed by themselves so far)"
            )
            raise self.waiting.error(said, [*(one for one in self.problems if one.workload in here), *problems])
        self._failed = failed
        self._take(sentence, problems)

    def leave(self, sentence: str, problems: list[Problem]) -> None:
        """Take in that workloads were not restarted: nothing is to be learned of the revision from them.

        Raises:
            RolloutError: such a workload is a failed batch.
        """
        if problems and self.choice == STOP:
            raise self._stopped(sentence, problems)
        if problems:
            self._take(sentence, problems)

    def _stopped(self, sentence: str, problems: list[Problem]) -> RolloutError:
        """Return that the batch failed although nothing is known against the revision."""
        found = self.waiting.error(sentence, problems)
        named = dict.fromkeys(str(one.workload) for one in problems if one.workload)
        found.details.update(whose=WORKLOADS, failed_workloads=list(named))
        return found

    def _take(self, sentence: str, problems: list[Problem]) -> None:
        run = self.waiting.task
        self.problems += problems
        self.evidence += collect(run.client, problems, run.params["log_lines"])
        run.progress(f"{sentence}, going on without: {some(problems, SHOWN, '; ')}")

    def sentence(self) -> str:
        """Return what the task says at its end."""
        lost = self.workloads
        said = f"{len(lost)} workload{'s'[: len(lost) != 1]} failed by {'itself' if len(lost) == 1 else 'themselves'}"
        named = some(self.problems, SHOWN, "; ").rstrip(".")
        end = "was taken back" if self.choice == ROLLBACK else "is held as it is"
        if self.rollback_problems:
            end = f"did not come back: {'; '.join(self.rollback_problems).rstrip('.')}"
        return f"{said}: {named}. What was restarted of it {end}; what succeeded stays. Mend the cause and run again."
