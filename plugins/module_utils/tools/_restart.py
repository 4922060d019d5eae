# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Carries out restarts: budget room, a batch, its gate, the way back (safety rule S5)."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import time
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._client import Client, Json
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    ConflictError,
    MeshError,
    NotFoundError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._choices import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain._mesh import REV, annotations_of, labels_of
from ansible_collections.meshops.istio.plugins.module_utils.domain._proxies import RESTARTED_AT, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain._workloads import (
    ROLLOUT,
    Workload,
    restart_patch,
)
from ansible_collections.meshops.istio.plugins.module_utils.tools._gates import Gates
from ansible_collections.meshops.istio.plugins.module_utils.tools._progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.tools._reading import NAMESPACES, fetch_budgets
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Run
from ansible_collections.meshops.istio.plugins.module_utils.tools._tracker import Key, Tracker, list_states
from ansible_collections.meshops.istio.plugins.module_utils.tools._waiting import Waiting

PATCHES_AT_ONCE = 8
#: A workload is also written by its controllers, at any time.
MOVE_TRIES = 10


@dataclasses.dataclass
class Restarter:
    """The restarts of one task: what was restarted so far, and what it looked like before."""

    run: Run
    snapshot: Snapshot
    tracker: Tracker
    #: Pods that the whole task replaces.
    pods: int = 0
    #: Workloads whose restart was begun by an earlier task, with the patch that takes it back, if there is one.
    resumed: Mapping[Key, Json | None] = dataclasses.field(default_factory=dict)
    #: Workloads whose pods are to ask for another revision.
    choices: Mapping[Key, Choice] = dataclasses.field(default_factory=dict)
    #: The patch that takes back what was done.
    previous: dict[Key, Json] = dataclasses.field(default_factory=dict)

    @property
    def client(self) -> Client:
        """The cluster."""
        return self.run.client

    @functools.cached_property
    def waiting(self) -> Waiting:
        """What waits for rollouts."""
        return Waiting(self.run, self.tracker, Progress(self.run.progress, self.pods, self.run.watched))

    @functools.cached_property
    def gates(self) -> Gates:
        """What a batch must pass after its rollouts."""
        return Gates(self.run, self.snapshot, self.tracker, self.waiting)

    @functools.cached_property
    def _pods_before(self) -> Mapping[Key, list[Pod]]:
        found: dict[Key, list[Pod]] = collections.defaultdict(list)
        for pod in self.snapshot.pods:
            if owner := self.snapshot.workload_of(pod):
                found[owner.key].append(pod)
        return found

    @property
    def changed_meanwhile(self) -> list[str]:
        """The workloads whose template somebody else changed after our restart, and who."""
        return [f"{kind} {namespace}/{name}, by {who}" for (namespace, kind, name), who in self._changed()]

    def _changed(self) -> list[tuple[Key, str]]:
        return sorted(self.waiting.changed.items())

    def batch(self, label: str, batch: list[Workload]) -> None:
        """Restart one batch and return when its gates are passed.

        Raises:
            RolloutError: with the evidence of every workload that did not make it.
        """
        fresh = [workload for workload in batch if workload.key not in self.resumed]
        # what was begun has taken its room already
        self._wait_for_room(label, fresh)
        keys = {workload.key for workload in batch}
        self.tracker.follow(keys, ((key, pod) for key in keys for pod in self._pods_before.get(key, ())))
        self.previous.update({key: back for key in keys if (back := self.resumed.get(key))})
        stamp = _stamp(fresh)
        with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
            list(pool.map(lambda workload: self._begin(workload, stamp), fresh))
        self.waiting.until_complete(label, batch, self.run.params["batch_timeout"])
        self.gates.pass_through(label, batch)
        self.waiting.progress.finished(sum(workload.replicas for workload in batch))

    def _begin(self, workload: Workload, stamp: str) -> None:
        """Change the template of a workload, which replaces its pods."""
        choice = self.choices.get(workload.key)
        if choice:
            self.previous[workload.key] = choice.back()
            self._move(choice)
        else:
            self.previous[workload.key] = restart_patch(workload, workload.template_annotations.get(RESTARTED_AT))
            self._write(workload, restart_patch(workload, stamp))

    def _move(self, choice: Choice) -> None:
        """Change what the pods of a workload ask for, unless somebody else did since it was read."""
        workload = choice.workload
        obj = self.tracker.get(workload.key)
        moved, before = choice.patch(self.run.begin_change()), choice.back()
        for dummy in range(MOVE_TRIES):
            if obj and _is(workload, obj, choice.after, moved):
                # our own write, whose answer was lost
                return self._took(workload, obj)
            if obj is None or not _is(workload, obj, choice.before, before):
                # nothing of it is ours then
                del self.previous[workload.key]
                raise RolloutError(f"{workload} was changed or deleted by somebody else meanwhile; run again.")
            moved["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
            try:
                return self._took(workload, self.client.merge(workload.path, moved, doing=str(choice)))
            except ConflictError:
                obj = self._read(workload)
        del self.previous[workload.key]
        raise RolloutError(f"{workload} is written by others all the time, so that it could not be moved; run again.")

    def _read(self, workload: Workload) -> Json | None:
        try:
            return self.client.get(workload.path, doing=f"Reading {workload}")
        except NotFoundError:
            return None

    def _write(self, workload: Workload, patch: Json) -> None:
        try:
            answer = self.client.merge(workload.path, patch, doing=f"Restarting {workload}")
        except (ConflictError, NotFoundError) as exc:
            raise RolloutError(f"{workload} was deleted or replaced by somebody else meanwhile; run again.") from exc
        self._took(workload, answer)

    def _took(self, workload: Workload, answer: Json) -> None:
        self.waiting.stamped[workload.key] = answer
        self.tracker.put(workload.key, answer)

    def _wait_for_room(self, label: str, batch: list[Workload]) -> None:
        """Rollouts ignore PodDisruptionBudgets, so look before (Kubernetes documentation, Disruptions)."""
        deadline = time.monotonic() + self.run.params["budget_timeout"]
        said = ""
        while True:
            # the budgets of the snapshot are from before the batches so far
            budgets = fetch_budgets(self.client) if self.previous or said else self.snapshot.budgets
            tight = tight_budget(dataclasses.replace(self.snapshot, budgets=budgets), batch)
            if not tight:
                return
            if tight != said:
                self.run.progress(f"{label}: waiting for room: {tight}")
                said = tight
            if time.monotonic() > deadline:
                raise RolloutError(f"{label}: no room within {self.run.params['budget_timeout']} s: {tight}.")
            time.sleep(2.0)

    def roll_back(self, workloads: Iterable[Workload]) -> list[str]:
        """Give the restarted workloads their template from before back and wait; return what did not come back.

        What somebody else changed meanwhile is theirs: it is left as it is. An Argo Rollout has no way back, as a
        restart changes no template of it: it is restarted once more, and its pods get the proxy of the labels of then.
        """
        restarted = [w for w in workloads if w.key in self.previous]
        self._look_again(restarted)
        mine = [w for w in restarted if w.key not in self.waiting.changed]
        problems = [
            f"{w} was changed by {self.waiting.changed[w.key]} meanwhile and is left as it is"
            for w in restarted
            if w not in mine
        ]
        self.tracker.follow(workload.key for workload in mine)
        for workload in mine:
            try:
                back = self.previous[workload.key]
                self._write(workload, restart_patch(workload, _now()) if workload.kind == ROLLOUT else back)
            except MeshError as exc:
                problems.append(exc.message)
        problems += self._delete_stuck(mine)
        self.waiting.progress = Progress(self.run.progress, watched=self.run.watched)
        there = [workload for workload in mine if self.tracker.get(workload.key)]
        try:
            if there:
                self.waiting.until_complete("roll back", there, self.run.params["batch_timeout"])
        except RolloutError as exc:
            problems.append(exc.message)
        return problems

    def _look_again(self, workloads: list[Workload]) -> None:
        """What somebody else changed may be known to the API server only yet."""

        def look(workload: Workload) -> None:
            with contextlib.suppress(MeshError):
                self.tracker.put(workload.key, self.client.get(workload.path, doing=f"Reading {workload}"))
            self.waiting.notice(workload)

        with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
            list(pool.map(look, workloads))

    def _delete_stuck(self, workloads: list[Workload]) -> list[str]:
        """A StatefulSet never replaces its own broken pod (Kubernetes documentation, Forced rollback)."""
        before = {pod.uid for pod in self.snapshot.pods}
        keys = {workload.key for workload in workloads if workload.kind == "StatefulSet"}
        problems = []
        for namespace in sorted({namespace for namespace, dummy, dummy_name in keys}):
            path = f"{NAMESPACES}/{namespace}/pods"
            try:
                for dummy, state in list_states(self.client, path, keys)[0]:
                    if state.stays and not state.pod.ready and state.pod.uid not in before:
                        self._delete(path, state.pod)
            except MeshError as exc:
                problems.append(exc.message)
        return problems

    def _delete(self, path: str, pod: Pod) -> None:
        """Delete a pod, unless it went by itself: its successor may have the same name."""
        body = {"preconditions": {"uid": pod.uid}}
        doing = f"Deleting the broken pod {pod.name} of a StatefulSet"
        with contextlib.suppress(ConflictError, NotFoundError):
            self.client.request("DELETE", f"{path}/{pod.name}", doing=doing, body=body)


def _is(workload: Workload, obj: Json, label: str | None, patch: Json) -> bool:
    """Whether a workload is still the one that was read, with this label of its pods and the journal of this patch."""
    journal = {key: annotations_of(obj).get(key) for key in patch["metadata"]["annotations"]}
    own = (obj["metadata"].get("uid"), labels_of(obj["spec"]["template"]).get(REV), journal)
    return own == (workload.uid, label, patch["metadata"]["annotations"])


def _stamp(workloads: Iterable[Workload]) -> str:
    """Return a time that none of them was restarted at: the same second again would change nothing."""
    taken = {workload.template_annotations.get(RESTARTED_AT) for workload in workloads}
    while (stamp := _now()) in taken:
        time.sleep(0.1)
    return stamp


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tight_budget(snapshot: Snapshot, batch: list[Workload]) -> str:
    """Return the first budget that has no room for what a batch takes down together, in words, or an empty string."""
    for budget in snapshot.budgets:
        down = sum(w.takes_down for w in batch if budget in snapshot.budgets_of(w))
        if down > budget.allowed:
            place = f"{budget.namespace}/{budget.name}"
            return f"budget {place} allows {budget.allowed} pods down, the batch takes down {down}"
    return ""
