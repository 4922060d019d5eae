# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Waits for the rollouts of a batch, and sees early that one will not complete."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client._client import FIELD_MANAGER, Json
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain._foreign import as_map
from ansible_collections.meshops.istio.plugins.module_utils.domain._pods import Problem, Trouble, late
from ansible_collections.meshops.istio.plugins.module_utils.domain._rollout import complete, failure
from ansible_collections.meshops.istio.plugins.module_utils.domain._workloads import DEADLINE, Workload
from ansible_collections.meshops.istio.plugins.module_utils.tools._evidence import rollout_error
from ansible_collections.meshops.istio.plugins.module_utils.tools._progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Run
from ansible_collections.meshops.istio.plugins.module_utils.tools._tracker import Key, Tracker

#: A webhook or a quota may refuse a pod for a moment; what lasts longer does not pass by itself.
PATIENCE_SECONDS = 3.0
#: Events come in crowds; looking at each by itself costs more than it tells.
LOOK_SECONDS = 0.2
#: Pods cost more to look at than workloads; and what nothing is heard of can be late without an event.
EVERYTHING_SECONDS = 1.0


@dataclasses.dataclass
class Waiting:
    """The waiting of one task: what it stamped, and what somebody else changed meanwhile."""

    run: Run
    tracker: Tracker
    progress: Progress
    #: The template as our own patch left it.
    stamped: dict[Key, Json] = dataclasses.field(default_factory=dict)
    #: Workloads whose template was changed since, and by whom.
    changed: dict[Key, str] = dataclasses.field(default_factory=dict)
    _since: dict[tuple[Key, str], float] = dataclasses.field(default_factory=dict)

    def until_complete(self, label: str, batch: list[Workload], timeout: float) -> None:
        """Return when all rollouts are complete.

        A template that somebody else changed meanwhile makes a rollout of its own, which replaces ours: it is waited
        for too, and named.

        Raises:
            RolloutError: with the evidence of every workload that will not make it, or did not in time.
        """
        deadline = time.monotonic() + timeout
        self._since.clear()
        self.progress.begin()
        finished: set[Key] = set()
        everything, looked = True, 0.0
        touched: set[Key] = set()
        while True:
            look = batch if everything else [workload for workload in batch if workload.key in touched]
            for workload in look:
                self.notice(workload)
            finished.difference_update(workload.key for workload in look)
            finished.update(workload.key for workload in look if self._complete(workload))
            waiting = [workload for workload in batch if workload.key not in finished]
            if everything:
                looked = time.monotonic()
                names = [f"{workload.namespace}/{workload.name}" for workload in waiting]
                ready = self._ready(waiting) + sum(w.replicas for w in batch if w.key in finished)
                self.progress.step(label, len(batch) - len(waiting), len(batch), ready, names)
                if not waiting:
                    return self.progress.rest()
            problems = [
                problem
                for workload in look
                if workload.key not in finished
                for problem in self._failed(workload) or (self._broken_pods(workload) if everything else ())
            ]
            if problems:
                raise self.error(f"{label} failed", problems)
            if time.monotonic() >= deadline:
                problems = [problem for workload in waiting for problem in self._unfinished(workload)]
                raise self.error(f"{label} did not complete within {timeout:.0f} s", problems)
            if waiting:
                # in this order, so that the last event is looked at as soon as it comes
                time.sleep(LOOK_SECONDS)
                touched = self.tracker.touched(min(0.5, max(LOOK_SECONDS, deadline - time.monotonic())))
            everything = not waiting or time.monotonic() - looked >= EVERYTHING_SECONDS

    def error(self, sentence: str, problems: Iterable[Problem]) -> RolloutError:
        """Return the failure of a batch with its evidence."""
        return rollout_error(self.run.client, sentence, problems, self.run.params["log_lines"])

    def _complete(self, workload: Workload) -> bool:
        obj = self.tracker.get(workload.key)
        return obj is not None and complete(workload.kind, obj)

    def _ready(self, batch: list[Workload]) -> int:
        return sum(one.new and one.state.pod.ready for w in batch for one in self.tracker.pods_of(w.key))

    def notice(self, workload: Workload) -> None:
        """Notice that a template is no longer what our patch made it."""
        ours, obj = self.stamped.get(workload.key), self.tracker.get(workload.key)
        if ours is None or obj is None or workload.key in self.changed:
            return
        if obj["metadata"].get("generation") != ours["metadata"].get("generation") and (
            as_map(obj.get("spec")).get("template") != as_map(ours.get("spec")).get("template")
        ):
            self.changed[workload.key] = who = last_editor(obj)
            self.run.progress(f"{workload} was changed by {who} meanwhile; waiting for that rollout")

    def _failed(self, workload: Workload) -> list[Problem]:
        """Return what the workload itself shows."""
        obj = self.tracker.get(workload.key)
        if obj is None:
            return [Problem(workload, Trouble("Deleted", "it was deleted meanwhile"))]
        if as_map(obj.get("spec")).get("paused"):
            return [Problem(workload, Trouble("Paused", "its rollout was paused meanwhile"))]
        own = failure(workload.kind, obj)
        refusal = self.tracker.refusal(workload.key)
        if own is None and refusal:
            own = Trouble("FailedCreate", refusal)
        # what is told by a condition can be the last word of the rollout before
        if own and (own.reason == DEADLINE or self._lasts(workload.key, own.reason)):
            return [Problem(workload, own)]
        if own is None:
            self._since = {key: since for key, since in self._since.items() if key[0] != workload.key}
        return []

    def _lasts(self, key: Key, reason: str) -> bool:
        return time.monotonic() - self._since.setdefault((key, reason), time.monotonic()) >= PATIENCE_SECONDS

    def _broken_pods(self, workload: Workload) -> list[Problem]:
        found, now = [], time.monotonic()
        for one in self.tracker.pods_of(workload.key):
            state = one.state
            trouble = late(state, now - one.leaving_since) if one.leaving_since else None
            if trouble is None and one.new and not state.pod.deleting:
                trouble = state.broken
            if trouble:
                found.append(Problem(workload, trouble, state.pod.name))
        return found

    def _unfinished(self, workload: Workload) -> list[Problem]:
        pods = (one.state for one in self.tracker.pods_of(workload.key) if one.new and one.state.stays)
        unready = [Problem(workload, state.unready, state.pod.name) for state in pods if state.unready]
        return unready or [Problem(workload, Trouble("Incomplete", "its rollout did not complete"))]


def last_editor(obj: Json) -> str:
    """Return who wrote the spec of an object last, as the API server recorded it."""
    written = [
        (str(entry.get("time") or ""), str(entry.get("manager") or ""))
        for entry in obj["metadata"].get("managedFields") or ()
        if "f:spec" in (entry.get("fieldsV1") or {}) and entry.get("manager") != FIELD_MANAGER
    ]
    return max(written, default=("", ""))[1] or "somebody else"
