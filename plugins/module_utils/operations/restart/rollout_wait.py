# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the rollouts of a batch, and sees early that one will not complete."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import FIELD_MANAGER
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    NotFoundError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_map
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import Down, excused, still_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.blame import about_pod, by_pods
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
    late,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_status import (
    complete,
    failure,
    updated,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import DEADLINE, ROLLOUT, Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.evidence import rollout_error
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.stall import Stall
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import Tracked, Tracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: A webhook or a quota may refuse a pod for a moment; what lasts longer does not pass by itself.
PATIENCE_SECONDS = 3.0
#: A container may crash before its database is there, and a registry may be busy: the kubelet tries again after 10 s.
LASTS_SECONDS = 15.0
#: A container that was started so often again does not come up by itself.
TRIES = 3
#: Events come in crowds; looking at each by itself costs more than it tells.
LOOK_SECONDS = 0.2
#: Pods cost more to look at than workloads; and what nothing is heard of can be late without an event.
EVERYTHING_SECONDS = 1.0

#: What is counted for pods of a workload, beside what it says itself.
POD = "pod "
DOWN, UNREAD = f"{POD}down", f"{POD}unread"

#: Decides what problems of some workloads of a batch mean; raises where the batch has failed by them.
Judge = Callable[[str, Sequence[Workload], list[Problem]], None]


@dataclasses.dataclass
class Waiting:
    """The waiting of one task: what it stamped, and what somebody else changed or deleted meanwhile."""

    task: TaskContext
    tracker: Tracker
    progress: Progress
    #: Whether a pod has not the proxy that it should have.
    stale: Callable[[Pod], bool] = lambda dummy: False
    #: Seconds in which one pod after the other of a workload got ready before, as far as that is known.
    steps: Mapping[ObjectRef, float] = dataclasses.field(default_factory=dict)
    #: The template as our own patch left it.
    stamped: dict[ObjectRef, Json] = dataclasses.field(default_factory=dict)
    #: Workloads whose template was changed since, and by whom.
    changed: dict[ObjectRef, str] = dataclasses.field(default_factory=dict)
    #: What was down before the restart, and of that what still is.
    before: dict[ObjectRef, list[Down]] = dataclasses.field(default_factory=dict)
    still_down: dict[ObjectRef, list[str]] = dataclasses.field(default_factory=dict)
    #: Workloads that somebody else deleted or replaced.
    gone: dict[ObjectRef, Workload] = dataclasses.field(default_factory=dict)
    _since: dict[tuple[ObjectRef, str], float] = dataclasses.field(default_factory=dict)
    _stall: Stall = dataclasses.field(default_factory=Stall)

    def until_complete(self, label: str, batch: list[Workload], judge: Judge | None = None) -> list[Problem]:
        """Return when all rollouts are complete, with the problems of those that will not be.

        A template that somebody else changed meanwhile makes a rollout of its own, which replaces ours: it is waited
        for too, and named. What was deleted meanwhile is waited for no more, and named.

        Raises:
            RolloutError: ``judge`` says that the batch has failed, not only some workloads of it.
            MeshError: a workload does not get on as far as is known, and cannot be read.
        """
        if not batch:
            return []
        self._since.clear()
        self._stall = Stall()
        self.progress.begin()
        lost: list[Problem] = []
        finished: set[ObjectRef] = set()
        given_up: set[ObjectRef] = set()
        everything, looked = True, 0.0
        touched: set[ObjectRef] = set()
        pace = min([EVERYTHING_SECONDS, *map(self._patience, batch)])
        while True:
            look = [w for w in batch if (everything or w.ref in touched) and w.ref not in given_up]
            for workload in look:
                self.notice(workload)
            finished.difference_update(workload.ref for workload in look)
            finished.update(workload.ref for workload in look if self._complete(workload))
            for sentence, problems in self._problems(label, [w for w in look if w.ref not in finished], everything):
                if judge:
                    judge(sentence, batch, problems)
                lost += problems
                given_up.update(one.workload.ref for one in problems if one.workload)
            waiting = [w for w in batch if w.ref not in finished and w.ref not in given_up]
            if everything:
                looked = time.monotonic()
                names = [f"{workload.namespace}/{workload.name}" for workload in waiting]
                ready = self._ready(waiting) + sum(w.replicas for w in batch if w.ref in finished)
                self.progress.step(label, len(finished), len(batch), ready, names)
                if not waiting:
                    self.progress.rest()
                    return lost
            if waiting:
                # in this order, so that the last event is looked at as soon as it comes
                time.sleep(min(LOOK_SECONDS, pace))
                touched = self.tracker.touched(min(0.5, pace))
            everything = not waiting or time.monotonic() - looked >= pace

    def _problems(self, label: str, look: list[Workload], everything: bool) -> Iterable[tuple[str, list[Problem]]]:
        """Yield what keeps workloads from completing, with the sentence that says it."""
        failed = {w.ref: self._failed(w) or (self._broken_pods(w) if everything else []) for w in look}
        if any(failed.values()):
            yield f"{label} failed", [problem for found in failed.values() for problem in found]
        stalled: dict[float, list[Problem]] = {}
        for workload in look if everything else ():
            if not failed[workload.ref] and self._stalled(workload):
                stalled.setdefault(self._patience(workload), []).extend(self._unfinished(workload))
        for seconds, problems in stalled.items():
            yield f"{label} did not get on for {seconds:.0f} s", problems

    def error(self, sentence: str, problems: Iterable[Problem]) -> RolloutError:
        """Return the failure of a batch with its evidence."""
        return rollout_error(self.task.client, sentence, problems, self.task.params["log_lines"])

    def _complete(self, workload: Workload) -> bool:
        obj = self.tracker.get(workload.ref)
        if obj is None or obj["metadata"].get("uid", "") != workload.uid:
            self.gone[workload.ref] = workload
            return True
        self.still_down.pop(workload.ref, None)
        if complete(workload.kind, obj):
            return True
        before = self.before.get(workload.ref)
        pods = [(one.state, one.new) for one in self.tracker.pods_of(workload.ref)] if before else []
        down = still_down(workload.kind, obj, pods, before or ())
        if not down:
            self._since.pop((workload.ref, DOWN), None)
        elif self._lasts(workload.ref, DOWN, LASTS_SECONDS):
            self.still_down[workload.ref] = down
            return True
        return False

    def _ready(self, batch: list[Workload]) -> int:
        return sum(one.new and one.state.pod.ready for w in batch for one in self.tracker.pods_of(w.ref))

    def notice(self, workload: Workload) -> None:
        """Notice that a template is no longer what our patch made it."""
        ours, obj = self.stamped.get(workload.ref), self.tracker.get(workload.ref)
        if ours is None or obj is None or workload.ref in self.changed or obj["metadata"].get("uid") != workload.uid:
            return
        if obj["metadata"].get("generation") != ours["metadata"].get("generation") and (
            as_map(obj.get("spec")).get("template") != as_map(ours.get("spec")).get("template")
        ):
            self.changed[workload.ref] = who = last_editor(obj)
            self._stall.forget(workload.ref)
            self.task.progress(f"{workload} was changed by {who} meanwhile; waiting for that rollout")

    def _failed(self, workload: Workload) -> list[Problem]:
        """Return what the workload itself shows."""
        obj = self.tracker.get(workload.ref)
        if obj is None:
            return []
        if as_map(obj.get("spec")).get("paused"):
            return [Problem(workload, Trouble("Paused", "its rollout was paused meanwhile", own=True))]
        own = failure(workload.kind, obj)
        refusal = self.tracker.refusal(workload.ref)
        if own is None and refusal:
            own = Trouble("FailedCreate", refusal)
        # what is told by a condition can be the last word of the rollout before
        if own and (own.reason == DEADLINE or self._lasts(workload.ref, own.reason, PATIENCE_SECONDS)):
            if own.reason == DEADLINE or workload.kind == ROLLOUT:
                made = (one.state for one in self.tracker.pods_of(workload.ref) if one.new)
                own = by_pods(own, made, self.stale)
            return [Problem(workload, own)]
        if own is None:
            self._since = {
                at: since for at, since in self._since.items() if at[0] != workload.ref or at[1].startswith(POD)
            }
        return []

    def _lasts(self, key: ObjectRef, what: str, seconds: float) -> bool:
        return time.monotonic() - self._since.setdefault((key, what), time.monotonic()) >= seconds

    def _broken_pods(self, workload: Workload) -> list[Problem]:
        found, now, before = [], time.monotonic(), self.before.get(workload.ref, ())
        for one in self.tracker.pods_of(workload.ref):
            state = one.state
            trouble = late(state, now - one.leaving_since) if one.leaving_since else None
            if trouble and workload.kind == "DaemonSet" and excused(workload.kind, state, before):
                trouble = None
            if trouble is None and one.new and not state.pod.deleting:
                trouble = self._broken(workload, state, before)
            if trouble:
                found.append(Problem(workload, about_pod(trouble, state.pod, self._wrong(one)), state.pod.name))
        return found

    def _wrong(self, one: Tracked) -> Callable[[Pod], bool]:
        """Old pods have another proxy for good reasons."""
        return self.stale if one.new and one.state.stays else lambda dummy: False

    def _broken(self, workload: Workload, state: PodState, before: Sequence[Down]) -> Trouble | None:
        """Return what keeps a new pod from starting, once it lasts, and was not so before."""
        what = f"{POD}{state.pod.uid}"
        if state.broken is None or excused(workload.kind, state, before):
            self._since.pop((workload.ref, what), None)
            return None
        lasts = self._lasts(workload.ref, what, LASTS_SECONDS)
        return state.broken if lasts or state.tries >= TRIES else None

    def _patience(self, workload: Workload) -> float:
        """Return for how long a workload may not get on: a pod may take as long as before, and as long again."""
        return max(float(self.task.params["batch_timeout"]), 2 * self.steps.get(workload.ref, 0.0))

    def _stalled(self, workload: Workload) -> bool:
        obj = self.tracker.get(workload.ref)
        pods = self.tracker.pods_of(workload.ref)
        old = [one for one in pods if not one.new]
        ready = sum(one.new and one.state.pod.ready for one in pods)
        marks = (updated(workload.kind, obj or {}), ready, -len(old), -sum(one.state.stays for one in old))
        seconds = self._stall.seconds(workload.ref, marks)
        now = time.monotonic()
        if any(one.leaving_since and not late(one.state, now - one.leaving_since) for one in old):
            self._stall.renew(workload.ref)
            return False
        return seconds >= self._patience(workload) and not self._seen_well(workload)

    def _seen_well(self, workload: Workload) -> bool:
        """What the watch does not tell may be so all the same; who cannot look can say nothing against it.

        Raises:
            MeshError: it cannot be read for as long as it may stand still.
        """
        try:
            obj = self.task.client.get(workload.path, doing=f"Reading {workload}")
        except NotFoundError:
            self.gone[workload.ref] = workload
            return True
        except (ApiError, ClusterError):
            if self._lasts(workload.ref, UNREAD, self.task.params["batch_timeout"]):
                raise
            return True
        self._since.pop((workload.ref, UNREAD), None)
        self.tracker.renew(workload.ref, obj)
        return self._complete(workload)

    def _unfinished(self, workload: Workload) -> list[Problem]:
        """Return what is known of a workload that does not get on: new pods that are not ready, old ones that stay."""
        pods = self.tracker.pods_of(workload.ref)
        unready = [
            Problem(workload, about_pod(trouble, one.state.pod, self.stale), one.state.pod.name)
            for one in pods
            if one.new and one.state.stays and (trouble := one.state.broken or one.state.unready)
        ]
        if unready:
            return unready
        hangs = Trouble("Terminating", "it was on its way out before the restart", own=True)
        hanging = [Problem(workload, hangs, one.state.pod.name) for one in pods if one.left_before]
        down = [
            Problem(workload, dataclasses.replace(one.trouble, own=True), one.pod)
            for one in self.before.get(workload.ref, ())
        ]
        return hanging or down or [Problem(workload, Trouble("Incomplete", "its rollout did not complete"))]


def last_editor(obj: Json) -> str:
    """Return who wrote the spec of an object last, as the API server recorded it."""
    written = [
        (str(entry.get("time") or ""), str(entry.get("manager") or ""))
        for entry in obj["metadata"].get("managedFields") or ()
        if "f:spec" in (entry.get("fieldsV1") or {}) and entry.get("manager") != FIELD_MANAGER
    ]
    return max(written, default=("", ""))[1] or "somebody else"
