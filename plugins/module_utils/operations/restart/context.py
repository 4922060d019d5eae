# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the objects that all steps of a restart share: task, options, plan, tracker and state."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.estimates import ready_seconds
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.label_guard import LabelGuard
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import RestartState
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


@dataclasses.dataclass(frozen=True)
class RestartContext:
    """One restart. The tracker only observes the cluster; the steps keep their findings in ``state``."""

    task: TaskContext
    options: RestartOptions
    plan: RestartPlan
    tracker: WorkloadTracker
    progress: Progress
    guard: LabelGuard
    state: RestartState = dataclasses.field(default_factory=RestartState)

    @property
    def client(self) -> Client:
        """Return the client of the cluster."""
        return self.task.client

    @property
    def snapshot(self) -> Snapshot:
        """Return the cluster as the plan will make it."""
        snapshot, answers = self.plan.snapshot, self.state.answers
        return dataclasses.replace(snapshot, answers={**snapshot.answers, **answers}) if answers else snapshot

    def is_stale(self, pod: Pod) -> bool:
        """Whether a pod does not have the proxy that it should have."""
        return self.snapshot.proxy_status_of(pod).stale

    @functools.cached_property
    def pods_before(self) -> Mapping[ObjectRef, list[Pod]]:
        """Return the pods of each workload from before the restart."""
        pods: dict[ObjectRef, list[Pod]] = collections.defaultdict(list)
        for pod in self.snapshot.pods:
            if owner := self.snapshot.workload_of(pod):
                pods[owner.ref].append(pod)
        return pods

    @functools.cached_property
    def pod_seconds(self) -> Mapping[ObjectRef, float]:
        """Return in how many seconds one pod after the other became available before, where that is known."""
        seconds = ready_seconds(self.snapshot)
        return {w.ref: seconds[w.ref] + w.min_ready for w in self.snapshot.workloads.values() if w.ref in seconds}
