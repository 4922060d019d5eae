# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of one restart: the only object that changes while batches are restarted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import Down
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import QuestionKey
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


@dataclasses.dataclass
class RestartState:
    """Everything that a restart did, saw and lost so far."""

    #: How many batches were started.
    batches_started: int = 0
    #: The patch that undoes the restart of each workload that was restarted or resumed.
    undo_patches: dict[ObjectRef, Json] = dataclasses.field(default_factory=dict)
    #: Workloads whose restart was undone.
    undone: set[ObjectRef] = dataclasses.field(default_factory=set)
    #: Each workload as the API server returned it for the last patch of this task.
    own_patches: dict[ObjectRef, Json] = dataclasses.field(default_factory=dict)
    #: Workloads whose template another client changed after that patch, each with the field manager of the client.
    foreign_changes: dict[ObjectRef, str] = dataclasses.field(default_factory=dict)
    #: Workloads that another client deleted or replaced.
    deleted: dict[ObjectRef, Workload] = dataclasses.field(default_factory=dict)
    #: Pods that were down before the restart, and phrases on those that still are.
    down_before: dict[ObjectRef, list[Down]] = dataclasses.field(default_factory=dict)
    still_down: dict[ObjectRef, list[str]] = dataclasses.field(default_factory=dict)
    #: UIDs of pods that were broken before, and were deleted so that they get the new proxy.
    replaced_pods: set[str] = dataclasses.field(default_factory=set)
    #: Workloads whose restart succeeded, in their order.
    completed: list[Workload] = dataclasses.field(default_factory=list)
    #: Problems of workloads that failed independently of the revision, and the evidence from before their undo.
    problems: list[Problem] = dataclasses.field(default_factory=list)
    evidence: list[Json] = dataclasses.field(default_factory=list)
    #: Of these workloads, those whose new pods failed; the others were not restarted at all.
    failed_rollouts: set[Workload] = dataclasses.field(default_factory=set)
    #: Answers of the API server to dry runs after a rollout.
    answers: dict[QuestionKey, Answer] = dataclasses.field(default_factory=dict)
    #: The restarts of these workloads could not be undone.
    undo_problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def failed_workloads(self) -> list[Workload]:
        """Return the workloads that failed independently of the revision, each once."""
        return workloads_of(self.problems)

    @property
    def foreign_change_phrases(self) -> list[str]:
        """Return the workloads whose template another client changed, and that client, sorted."""
        return [f"{ref}, by {manager}" for ref, manager in sorted(self.foreign_changes.items())]

    def present(self, workloads: list[Workload], without: list[Workload] | None = None) -> list[Workload]:
        """Return those of some workloads that were not deleted, without those that are left out."""
        return [w for w in workloads if w not in (without or ()) and w.ref not in self.deleted]


def workloads_of(problems: Sequence[Problem]) -> list[Workload]:
    """Return the workloads of some problems, each once and in their order."""
    return list(dict.fromkeys(problem.workload for problem in problems if problem.workload))
