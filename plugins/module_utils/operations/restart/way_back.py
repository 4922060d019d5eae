# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a restart: the template from before, and what Kubernetes leaves broken."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ConflictError, MeshError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    ROLLOUT,
    Workload,
    restart_patch,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import stamp
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.beginning import read, same, took
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import Waiting
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import (
    Tracker,
    list_states,
)

AT_ONCE = 8


@dataclasses.dataclass
class WayBack:
    """The way back of one task."""

    waiting: Waiting
    snapshot: Snapshot
    #: The patch that takes back what was done.
    previous: dict[ObjectRef, Json]
    #: Workloads that were given their earlier template back already.
    _back: set[ObjectRef] = dataclasses.field(default_factory=set)

    @property
    def _client(self) -> Client:
        return self.waiting.task.client

    @property
    def _tracker(self) -> Tracker:
        return self.waiting.tracker

    def roll_back(self, workloads: Iterable[Workload]) -> list[str]:
        """Give workloads their template from before back and wait; return what did not come back.

        What somebody else changed meanwhile is theirs: it is left as it is. An Argo Rollout has no way back, as a
        restart changes no template of it: it is restarted once more, and its pods get the proxy of the labels of then.
        """
        restarted = [w for w in workloads if w.ref in self.previous and w.ref not in self.waiting.gone]
        self._tracker.follow(w.ref for w in restarted)
        problems = self.write([w for w in restarted if w.ref not in self._back])
        return problems + self.wait(restarted, "roll back")

    def write(self, workloads: list[Workload]) -> list[str]:
        """Give workloads their template from before back; return what did not take it."""
        self._look_again(workloads)
        changed = self.waiting.changed
        mine = [w for w in workloads if w.ref not in changed]
        problems = [
            f"{w} was changed by {changed[w.ref]} meanwhile and is left as it is" for w in workloads if w.ref in changed
        ]
        for workload in mine:
            try:
                self._write(workload)
            except MeshError as exc:
                problems.append(exc.message)
        return problems + self._delete_stuck(mine)

    def _write(self, workload: Workload) -> None:
        back = self.previous[workload.ref]
        patch = restart_patch(workload, stamp(self._client)) if workload.kind == ROLLOUT else back
        try:
            answer = self._client.merge(workload.path, patch, doing=f"Taking back {workload}")
        except (ConflictError, NotFoundError):
            if same(workload, read(self._client, workload)):
                raise
            self.waiting.gone[workload.ref] = workload
        else:
            took(self.waiting, workload, answer)
            self._back.add(workload.ref)

    def wait(self, workloads: list[Workload], label: str) -> list[str]:
        """Wait for workloads that were given their template back; return what did not come back."""
        there = [w for w in workloads if w.ref in self._back and self._tracker.get(w.ref)]
        if not there:
            return []
        run, progress = self.waiting.task, self.waiting.progress
        self.waiting.progress = Progress(run.progress, watched=run.watched)
        try:
            return list(map(str, self.waiting.until_complete(label, there)))
        except MeshError as exc:
            return [exc.message]
        finally:
            self.waiting.progress = progress

    def _look_again(self, workloads: list[Workload]) -> None:
        """What somebody else changed may be known to the API server only yet."""

        def look(workload: Workload) -> None:
            with contextlib.suppress(MeshError):
                self._tracker.put(workload.ref, self._client.get(workload.path, doing=f"Reading {workload}"))
            self.waiting.notice(workload)

        with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            list(pool.map(look, workloads))

    def _delete_stuck(self, workloads: list[Workload]) -> list[str]:
        """A StatefulSet never replaces its own broken pod (Kubernetes documentation, Forced rollback)."""
        before = {pod.uid for pod in self.snapshot.pods}
        keys = {workload.ref for workload in workloads if workload.kind == "StatefulSet"}
        problems = []
        for namespace in sorted({namespace for namespace, dummy, dummy_name in keys}):
            path = f"{NAMESPACES}/{namespace}/pods"
            try:
                for dummy, state in list_states(self._client, path, keys)[0]:
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
            self._client.request("DELETE", f"{path}/{pod.name}", doing=doing, body=body)
