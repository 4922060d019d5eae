# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch must pass after its rollouts, before the next one starts."""

from __future__ import annotations

import dataclasses
import functools
import time
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import shown
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.patience import patiently
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import external_gates
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import Judge, Waiting
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import (
    Tracker,
    list_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Pods are told by another watch than workloads, which may be a moment behind.
SETTLE_SECONDS = 2.0
ASK_SECONDS = 1.0


@dataclasses.dataclass
class Gates:
    """The gates of one task."""

    task: TaskContext
    snapshot: Snapshot
    tracker: Tracker
    waiting: Waiting
    judge: Judge

    def pass_through(self, label: str, batch: list[Workload]) -> list[Problem]:
        """Return when a batch has passed all gates, with the problems of workloads that fail by themselves.

        Raises:
            RolloutError: with the evidence of the first gate that it does not pass.
            MeshError: the cluster cannot be read or asked, so that nothing is known against the revision.
        """
        problems = self._stale(batch)
        if problems:
            raise self.waiting.error(f"{label}: the rollout completed, but not with the expected proxies", problems)
        gates, lost = self.task.params["gates"], list[Problem]()
        if gates["soak"]:
            lost = self._soak(label, batch, gates["soak"])
        left = {problem.workload for problem in lost}
        batch = [workload for workload in batch if workload not in left]
        for name, ask in self._asking(gates, batch) if batch else ():
            self._until_passed(label, name, ask, gates["timeout"])
        return lost

    def _asking(self, gates: Json, batch: list[Workload]) -> Iterator[tuple[str, Callable[[], list[Problem]]]]:
        if gates["istiod"]:
            yield (
                "istiod",
                lambda: external_gates.istiod(self.task, self.snapshot, {rev for *dummy, rev in self._made(batch)}),
            )
        if gates["connected"]:
            yield "connected", lambda: external_gates.connected(self.task, self._made(batch))
        for one in gates["http"]:
            yield f"http {shown(one['url'])}", functools.partial(external_gates.http, one)
        for one in gates["prometheus"]:
            yield f"prometheus {one['query']}", functools.partial(external_gates.prometheus, one)

    def _made(self, batch: list[Workload]) -> list[tuple[Workload, PodState, str]]:
        """Return the pods with a proxy that a batch consists of now, and the revision that each is to have."""
        down = self.waiting.still_down
        found = [
            (workload, one.state)
            for workload in batch
            for one in self.tracker.pods_of(workload.ref)
            if one.state.pod.ready or workload.ref not in down
        ]
        return [
            (workload, state, revision)
            for workload, state in found
            if state.stays and state.pod.proxy_image
            if (revision := self.snapshot.proxy_status_of(state.pod).injection.revision)
        ]

    def _until_passed(self, label: str, name: str, ask: Callable[[], list[Problem]], timeout: float) -> None:
        """A proxy needs a moment to connect, and a measurement to be taken, so ask until the gate is passed."""
        deadline, said = time.monotonic() + timeout, False
        while True:
            try:
                problems = ask()
            except (ApiError, ClusterError) as exc:
                if time.monotonic() >= deadline:
                    raise
                why = exc.message
            else:
                if not problems:
                    return
                if time.monotonic() >= deadline:
                    raise self.waiting.error(f"{label} did not pass gate {name} within {timeout:.0f} s", problems)
                why = str(problems[0])
            if not said:
                self.task.progress(f"{label}: waiting for gate {name}: {why}")
                said = True
            time.sleep(ASK_SECONDS)

    def _soak(self, label: str, batch: list[Workload], seconds: float) -> list[Problem]:
        """All pods stay ready for some time, and none restarts; one that leaves for good reasons has its successor."""
        self.task.progress(f"{label}: soaking for {seconds:.0f} s")
        deadline = time.monotonic() + seconds
        down = self.waiting.still_down
        # what is down as before has nothing to lose
        first = {
            one.state.pod.uid: one.state
            for workload in batch
            for one in self.tracker.pods_of(workload.ref)
            if one.state.pod.ready or workload.ref not in down
        }
        lost: list[Problem] = []
        while batch:
            left = deadline - time.monotonic()
            states = {one.ref: self._known(one) for one in batch} if left > 0 else self._looked(batch)
            problems = [problem for one in batch for problem in self._unsteady(one, states[one.ref], first)]
            if problems:
                self.judge(f"{label} did not stay ready for {seconds:.0f} s", batch, problems)
                lost += problems
                batch = [workload for workload in batch if workload not in {one.workload for one in lost}]
            if left <= 0:
                break
            self.tracker.wait(min(0.5, left))
        return lost + self.waiting.until_complete(label, batch, self.judge)

    def _looked(self, batch: list[Workload]) -> dict[ObjectRef, list[PodState]]:
        """Return the pods as they are: a watch that broke tells nothing, which proves nothing.

        Where some are missing, the workload is read too, so that its successors are waited for.

        Raises:
            MeshError: they cannot be read.
        """
        states = self._read(batch)
        for workload in batch:
            ready = sum(one.stays and one.pod.ready for one in states[workload.ref])
            if ready < self._desired(workload) and (obj := self._patiently(self._object, workload)):
                self.tracker.renew(workload.ref, obj)
        return states

    def _object(self, workload: Workload) -> Json | None:
        try:
            return self.task.client.get(workload.path, doing=f"Reading {workload}")
        except NotFoundError:
            self.waiting.gone[workload.ref] = workload
            return None

    def _known(self, workload: Workload) -> list[PodState]:
        return [one.state for one in self.tracker.pods_of(workload.ref)]

    def _patiently(self, read: Callable[..., t.Any], *of: t.Any) -> t.Any:
        return patiently(self.task.params["gates"]["timeout"], functools.partial(read, *of))

    def _read(self, workloads: Iterable[Workload]) -> dict[ObjectRef, list[PodState]]:
        """Return the pods of some workloads as they are now, from lists."""
        found: dict[ObjectRef, list[PodState]] = {workload.ref: [] for workload in workloads}
        for namespace in sorted({namespace for namespace, *dummy in found}):
            path = f"{NAMESPACES}/{namespace}/pods"
            for key, state in self._patiently(list_states, self.task.client, path, found)[0]:
                found[key].append(state)
        return found

    def _unsteady(
        self, workload: Workload, states: Iterable[PodState], first: Mapping[str, PodState]
    ) -> Iterator[Problem]:
        for state in states:
            before = first.get(state.pod.uid)
            if before is None or not state.stays:
                continue
            if state.restarts > before.restarts:
                own = state.proxy_restarts == before.proxy_restarts and (state.unready is None or state.unready.own)
                trouble = Trouble("Restarted", f"{state.restarts - before.restarts} times", own=own)
                yield Problem(workload, trouble, state.pod.name)
            elif state.unready:
                yield Problem(workload, state.unready, state.pod.name)

    def _stale(self, batch: list[Workload]) -> list[Problem]:
        """A rollout completes under a dangling label too, so look at what the pods really run.

        What the watch tells makes only suspects, and all that somebody else changed are; a list decides.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while (suspects := [w for w in batch if self._suspect(w)]) and time.monotonic() < deadline:
            self.tracker.wait(0.1)
        suspects += [w for w in batch if w.ref in self.waiting.changed and w not in suspects]
        states = self._read(suspects)
        return [problem for workload in suspects for problem in self._judged(workload, states[workload.ref])]

    def _suspect(self, workload: Workload) -> bool:
        ready = sum(one.new and one.state.stays and one.state.pod.ready for one in self.tracker.pods_of(workload.ref))
        return ready < self._desired(workload) or bool(self._judged(workload, self._known(workload)))

    def _desired(self, workload: Workload) -> int:
        obj = self.tracker.get(workload.ref)
        return read_workload(workload.kind, obj).replicas if obj else int(workload.kind != "DaemonSet")

    def _judged(self, workload: Workload, states: Iterable[PodState]) -> list[Problem]:
        """Return the pods that stay and do not run the proxy that they would get now."""
        found = []
        for state in states:
            proxy_status = self.snapshot.proxy_status_of(state.pod) if state.stays else None
            if proxy_status and proxy_status.stale:
                wanted = proxy_status.expected_image or "a proxy"
                said = (
                    f"it runs {state.pod.proxy_image or 'no proxy'}, not {wanted} of {proxy_status.injection.revision}"
                )
                found.append(Problem(workload, Trouble(proxy_status.condition.value, said), state.pod.name))
        return found
