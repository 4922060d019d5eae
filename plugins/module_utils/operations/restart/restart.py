# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out restarts: budget room, a batch, its gate, the way back (safety rule S5)."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import RESTARTED_AT, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import read_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.budget_room import tight_budget, without_room
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.estimates import starts
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import stamp
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.patience import patiently
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import fetch_budgets
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.beginning import Beginning
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.gates import Gates
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.losses import ROLLBACK, Losses
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import Waiting
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.way_back import WayBack
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import (
    Tracker,
    list_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

PATCHES_AT_ONCE = 8
ROOM_SECONDS = 2.0


@dataclasses.dataclass
class Restarter:
    """The restarts of one task: what was restarted so far, and what it looked like before."""

    task: TaskContext
    snapshot: Snapshot
    tracker: Tracker
    #: Pods that the whole task replaces.
    pods: int = 0
    #: Workloads whose restart was begun by an earlier task, with the patch that takes it back, if there is one.
    resumed: Mapping[ObjectRef, Json | None] = dataclasses.field(default_factory=dict)
    #: Workloads whose pods are to ask for another revision.
    choices: Mapping[ObjectRef, Choice] = dataclasses.field(default_factory=dict)
    #: The patch that takes back what was done.
    previous: dict[ObjectRef, Json] = dataclasses.field(default_factory=dict)

    @property
    def client(self) -> Client:
        """The cluster."""
        return self.task.client

    @functools.cached_property
    def waiting(self) -> Waiting:
        """What waits for rollouts."""
        known = starts(self.snapshot)
        steps = {w.ref: known[w.ref] + w.min_ready for w in self.snapshot.workloads.values() if w.ref in known}
        progress = Progress(self.task.progress, self.pods, self.task.watched)
        return Waiting(self.task, self.tracker, progress, self._stale, steps)

    def _stale(self, pod: Pod) -> bool:
        return self.snapshot.proxy_status_of(pod).stale

    @functools.cached_property
    def losses(self) -> Losses:
        """The workloads that failed by themselves."""
        params = self.task.params
        return Losses(self.waiting, params["on_workload_failure"] or params["on_failure"])

    @functools.cached_property
    def gates(self) -> Gates:
        """What a batch must pass after its rollouts."""
        return Gates(self.task, self.snapshot, self.tracker, self.waiting, self.losses.judge)

    @functools.cached_property
    def _beginning(self) -> Beginning:
        return Beginning(self.client, self.waiting, self.choices, self.previous)

    @functools.cached_property
    def way_back(self) -> WayBack:
        """What takes restarts back."""
        return WayBack(self.waiting, self.snapshot, self.previous)

    @functools.cached_property
    def _pods_before(self) -> Mapping[ObjectRef, list[Pod]]:
        found: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
        for pod in self.snapshot.pods:
            if owner := self.snapshot.workload_of(pod):
                found[owner.ref].append(pod)
        return found

    @property
    def changed_meanwhile(self) -> list[str]:
        """The workloads whose template somebody else changed after our restart, and who."""
        return [f"{kind} {namespace}/{name}, by {who}" for (namespace, kind, name), who in self._changed()]

    def _changed(self) -> list[tuple[ObjectRef, str]]:
        return sorted(self.waiting.changed.items())

    def batch(self, label: str, batch: list[Workload]) -> None:
        """Restart one batch and return when its gates are passed by all that do not fail by themselves.

        Raises:
            RolloutError: with the evidence of every workload that did not make it.
        """
        # what was begun has taken its room already
        fresh = self._with_room(label, [workload for workload in batch if workload.ref not in self.resumed])
        going = [workload for workload in batch if workload in fresh or workload.ref in self.resumed]
        keys = {workload.ref for workload in going}
        self._look_before(going)
        self.tracker.follow(keys, ((key, pod) for key in keys for pod in self._pods_before.get(key, ())))
        self.previous.update({key: back for key in keys if (back := self.resumed.get(key))})
        refused = self._begin(label, fresh)
        lost = _workloads(self.waiting.until_complete(label, self._without(going, refused), self.losses.judge))
        self._give_back(lost)
        going = self._without(going, [*refused, *lost])
        late = _workloads(self.gates.pass_through(label, going)) if going else []
        self._give_back(late)
        self._await_back([*lost, *late])
        going = self._without(going, late)
        self.losses.done += going
        self.waiting.progress.finished(sum(workload.replicas for workload in going))

    def _without(self, batch: list[Workload], left: Iterable[Workload]) -> list[Workload]:
        """Return a batch without some workloads, and without those that are gone."""
        return [w for w in batch if w not in left and w.ref not in self.waiting.gone]

    def _begin(self, label: str, fresh: list[Workload]) -> list[Workload]:
        """Change the templates of a batch; returns the workloads that cannot be changed."""
        at = stamp(self.client, {workload.template_annotations.get(RESTARTED_AT) for workload in fresh})
        with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
            refused = [one for one in pool.map(lambda workload: self._beginning.begin(workload, at), fresh) if one]
        self.losses.leave(f"{label} failed", refused)
        return _workloads(refused)

    def _look_before(self, batch: list[Workload]) -> None:
        """Note what of a batch is down before it begins; the snapshot says of which workloads, but not why."""
        keys = {w.ref for w in batch if any(not p.ready or p.deleting for p in self._pods_before.get(w.ref, ()))}
        for namespace in sorted({namespace for namespace, dummy, dummy_name in keys}):
            read = functools.partial(list_states, self.client, f"{NAMESPACES}/{namespace}/pods", keys)
            for key, state in patiently(self.task.params["budget_timeout"], read)[0]:
                if down := read_down(state):
                    self.waiting.before.setdefault(key, []).append(down)

    def _with_room(self, label: str, batch: list[Workload]) -> list[Workload]:
        """Return what budgets have room for: rollouts ignore them, so look before (documentation, Disruptions).

        What gets no room in time is left out, as other workloads have room.
        """
        seconds = self.task.params["budget_timeout"]
        deadline, said = time.monotonic() + seconds, ""
        while True:
            late = time.monotonic() > deadline
            snapshot = self.snapshot
            # the budgets of the snapshot are from before the batches so far
            if self.previous or said:
                read = functools.partial(fetch_budgets, self.client)
                budgets = patiently(max(0.0, deadline - time.monotonic()), read)
                snapshot = dataclasses.replace(snapshot, budgets=budgets)
            tight = tight_budget(snapshot, batch)
            if not tight:
                return batch
            if tight != said:
                self.task.progress(f"{label}: waiting for room: {tight}")
                said = tight
            if late:
                left = without_room(snapshot, batch)
                self.losses.leave(f"{label}: no room within {seconds} s", left)
                return self._without(batch, _workloads(left))
            time.sleep(ROOM_SECONDS)

    def _give_back(self, lost: list[Workload]) -> None:
        """Begin to take back what failed by itself, before the others go on: its rollout takes down no more pods."""
        if lost and self.losses.choice == ROLLBACK:
            self.losses.rollback_problems += self.way_back.write(lost)

    def _await_back(self, lost: list[Workload]) -> None:
        if lost and self.losses.choice == ROLLBACK:
            self.tracker.follow(workload.ref for workload in lost)
            self.losses.rollback_problems += self.way_back.wait(lost, "taking back what failed by itself")


def _workloads(problems: Iterable[Problem]) -> list[Workload]:
    return list(dict.fromkeys(one.workload for one in problems if one.workload))
