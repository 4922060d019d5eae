# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks single rollouts of a batch: whether they are complete, have failed, or make no progress."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import (
    Down,
    down_as_before,
    still_down,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.failure_attribution import (
    attribute_by_pods,
    attribute_pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
    overdue_termination,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_status import (
    rollout_complete,
    rollout_failure,
    updated_pods,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import DEADLINE, Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.broken_before import (
    keeps_broken_pods,
    replace_broken_pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import is_same_object
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.stall_clock import (
    ConditionClock,
    StallClock,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import TrackedPod

#: A webhook or a quota may refuse a pod for a moment; a refusal that lasts longer does not end without a fix.
PATIENCE_SECONDS = 3.0
#: A container may crash before its database is up, and a registry may be busy: the kubelet retries after 10 s.
LASTS_SECONDS = 15.0
#: A container that was restarted so often does not become ready without a fix.
TRIES = 3

#: Conditions of the pods of a workload begin with this prefix; the others are reasons of the workload itself.
POD = "pod "
DOWN, UNREAD = f"{POD}down", f"{POD}unread"


@dataclasses.dataclass
class RolloutChecks:
    """The checks of one batch, and how long each of their conditions has lasted."""

    context: RestartContext
    stall: StallClock = dataclasses.field(default_factory=StallClock)
    conditions: ConditionClock = dataclasses.field(default_factory=ConditionClock)

    def is_complete(self, workload: Workload) -> bool:
        """Return whether a rollout is complete, except for pods that were down before, or its workload is deleted."""
        state, ref = self.context.state, workload.ref
        obj = self.context.tracker.get(ref)
        if obj is None or not is_same_object(workload, obj):
            state.deleted[ref] = workload
            return True
        state.still_down.pop(ref, None)
        if rollout_complete(workload.kind, obj):
            return True
        before = state.down_before.get(ref)
        pods = [(pod.state, pod.new) for pod in self.context.tracker.pods_of(ref)] if before else []
        down = still_down(workload.kind, obj, pods, before or ())
        if not down:
            self.conditions.end(ref, DOWN)
        elif self.conditions.lasts(ref, DOWN, LASTS_SECONDS):
            state.still_down[ref] = down
            return True
        return False

    def failure_of(self, workload: Workload) -> list[Problem]:
        """Return why a rollout will not complete, by the object of its workload."""
        ref = workload.ref
        obj = self.context.tracker.get(ref)
        if obj is None:
            return []
        if as_map(obj.get("spec")).get("paused"):
            return [Problem(workload, Trouble("Paused", "its rollout was paused meanwhile", own=True))]
        trouble = rollout_failure(workload.kind, obj)
        refusal = self.context.tracker.refusal(ref)
        if trouble is None and refusal:
            trouble = Trouble("FailedCreate", refusal)
        if trouble is None:
            self.conditions.end_all(ref, except_prefix=POD)
            return []
        # The condition may still describe the previous rollout, so every reason except the deadline has to last.
        if trouble.reason != DEADLINE and not self.conditions.lasts(ref, trouble.reason, PATIENCE_SECONDS):
            return []
        if trouble.reason == DEADLINE or workload.kind == ROLLOUT:
            created = (pod.state for pod in self.context.tracker.pods_of(ref) if pod.new)
            trouble = attribute_by_pods(trouble, created, self.context.is_stale)
        return [Problem(workload, trouble)]

    def broken_pods(self, workload: Workload) -> list[Problem]:
        """Return the pods of a workload that do not start or do not end, once that lasts."""
        problems, now = [], time.monotonic()
        before = self.context.state.down_before.get(workload.ref, ())
        for pod in self.context.tracker.pods_of(workload.ref):
            state = pod.state
            trouble = overdue_termination(state, now - pod.leaving_since) if pod.leaving_since else None
            if trouble and workload.kind == "DaemonSet" and down_as_before(workload.kind, state, before):
                trouble = None
            if trouble is None and pod.new and not state.pod.deleting:
                trouble = self._lasting_trouble(workload, state, before)
            if trouble:
                trouble = attribute_pod(trouble, state.pod, self._has_wrong_proxy(pod))
                problems.append(Problem(workload, trouble, state.pod.name))
        return problems

    def replace_broken_before(self, workload: Workload) -> None:
        """Replace the old pods that were down before, and that their controller would keep, once that lasts."""
        before = {down.pod: down for down in self.context.state.down_before.get(workload.ref, ())}
        for pod in self.context.tracker.pods_of(workload.ref) if before else ():
            state, condition = pod.state, f"{POD}kept {pod.state.pod.uid}"
            down = None if pod.new or not state.stays else before.get(state.pod.name)
            if down is None or not keeps_broken_pods(workload, state, down):
                self.conditions.end(workload.ref, condition)
            elif self.conditions.lasts(workload.ref, condition, LASTS_SECONDS):
                replace_broken_pod(self.context, workload, state.pod)

    def _has_wrong_proxy(self, pod: TrackedPod) -> Callable[[Pod], bool]:
        """Return the check for the proxy of a pod; an old pod has another proxy for good reasons."""
        return self.context.is_stale if pod.new and pod.state.stays else lambda dummy: False

    def _lasting_trouble(self, workload: Workload, state: PodState, before: Sequence[Down]) -> Trouble | None:
        """Return the trouble that keeps a new pod from starting, once it lasts, unless the pod was down as before."""
        condition = f"{POD}{state.pod.uid}"
        if state.broken is None or down_as_before(workload.kind, state, before):
            self.conditions.end(workload.ref, condition)
            return None
        lasts = self.conditions.lasts(workload.ref, condition, LASTS_SECONDS)
        return state.broken if lasts or state.tries >= TRIES else None

    def patience(self, workload: Workload) -> float:
        """Return for how many seconds a rollout may make no progress: at least twice the time of a pod before."""
        return max(float(self.context.options.batch_timeout), 2 * self.context.pod_seconds.get(workload.ref, 0.0))

    def is_stalled(self, workload: Workload) -> bool:
        """Return whether a rollout makes no progress for too long, also if its workload is read again.

        Raises:
            MeshError: the workload cannot be read for as long as it may make no progress.
        """
        obj = self.context.tracker.get(workload.ref)
        pods = self.context.tracker.pods_of(workload.ref)
        old = [pod for pod in pods if not pod.new]
        ready = sum(pod.new and pod.state.pod.ready for pod in pods)
        marks = (updated_pods(workload.kind, obj or {}), ready, -len(old), -sum(pod.state.stays for pod in old))
        seconds = self.stall.seconds(workload.ref, marks)
        now = time.monotonic()
        if any(pod.leaving_since and not overdue_termination(pod.state, now - pod.leaving_since) for pod in old):
            self.stall.restart(workload.ref)
            return False
        return seconds >= self.patience(workload) and not self._completed_unseen(workload)

    def _completed_unseen(self, workload: Workload) -> bool:
        """Return whether a rollout is complete although the watch did not report it, or cannot be read now.

        Raises:
            MeshError: the workload cannot be read for as long as it may make no progress.
        """
        client, state = self.context.client, self.context.state
        try:
            obj = client.get(workload.path, doing=f"Reading {workload}")
        except NotFoundError:
            state.deleted[workload.ref] = workload
            return True
        except (ApiError, ClusterError):
            if self.conditions.lasts(workload.ref, UNREAD, self.context.options.batch_timeout):
                raise
            return True
        self.conditions.end(workload.ref, UNREAD)
        self.context.tracker.renew(workload.ref, obj)
        return self.is_complete(workload)

    def unfinished(self, workload: Workload) -> list[Problem]:
        """Return the problems of a stalled rollout: new pods that are not ready, else old pods that do not end."""
        pods = self.context.tracker.pods_of(workload.ref)
        unready = [
            Problem(workload, attribute_pod(trouble, pod.state.pod, self.context.is_stale), pod.state.pod.name)
            for pod in pods
            if pod.new and pod.state.stays and (trouble := pod.state.broken or pod.state.unready)
        ]
        if unready:
            return unready
        terminating = Trouble("Terminating", "it was terminating before the restart", own=True)
        leftovers = [Problem(workload, terminating, pod.state.pod.name) for pod in pods if pod.left_before]
        down = [
            Problem(workload, dataclasses.replace(down.trouble, own=True), down.pod)
            for down in self.context.state.down_before.get(workload.ref, ())
        ]
        return leftovers or down or [Problem(workload, Trouble("Incomplete", "its rollout did not complete"))]
