# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A batch that the engine restarts on a fake cluster."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import plan_restart
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import fetch_pods
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.engine import restart_batch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.label_guard import LabelGuard
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_undo import undo_restart
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import run_of

SET_POD = b.pod("ledger-0", labels={"app": "ledger"}, owner=("StatefulSet", "ledger"))
CLUSTER = [*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), b.workload("StatefulSet", "ledger"), SET_POD]
CRASH = {"name": "istio-proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


class Batch:
    """A restart of some workloads."""

    def __init__(self, api: FakeApi, *names: str, timeout: float = 0.1, restarted_at: str | None = None) -> None:
        task = run_of(api, CORE, namespaces=["shop"], names=list(names), on_workload_failure="stop")
        now = datetime.datetime.now(datetime.UTC)
        options = dataclasses.replace(
            RestartOptions.from_params(task.params, now), batch_timeout=t.cast("int", timeout)
        )
        plan = plan_restart(b.snapshot_of(CLUSTER), options, now)
        [workloads] = plan.batches
        if restarted_at:
            annotations = {RESTARTED_AT: restarted_at}
            workloads = [dataclasses.replace(w, template_annotations=annotations) for w in workloads]
            plan = dataclasses.replace(plan, batches=[workloads])
        self.workloads = workloads
        self.tracker = WorkloadTracker(task.client, {w.ref for w in workloads}, fetch_pods(task.client)[1])
        progress = Progress(task.progress, plan.replaced_pods)
        guard = LabelGuard(task, plan.snapshot, frozenset(options.selection.namespaces))
        self.context = RestartContext(task, options, plan, self.tracker, progress, guard)
        self.state = self.context.state

    def restart(self) -> None:
        """Restart the batch, which succeeds."""
        with self.tracker:
            restart_batch(self.context, "batch 1 of 1", self.workloads)

    def fails(self) -> RolloutError:
        """The failure of the batch."""
        with self.tracker, pytest.raises(RolloutError) as failed:
            restart_batch(self.context, "batch 1 of 1", self.workloads)
        return failed.value

    def back(self) -> list[str]:
        """Undo the restart; returns problems."""
        with self.tracker:
            return undo_restart(self.context)


def new_pod(name: str, owner: tuple[str, str] | None, **status: t.Any) -> b.Json:
    """A pod that a rollout made."""
    made = b.pod(name, revision=b.NEW, owner=owner, ready=False, phase="Pending")
    made["metadata"]["uid"] = f"new-{name}"
    made["status"].update(status)
    return made


def edit(obj: b.Json) -> None:
    """Another client changes a template."""
    obj["metadata"]["generation"] += 1
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    fields = [("meshops.istio", "3", "f:spec"), ("kubectl-set", "2", "f:spec"), ("controller", "9", "f:metadata")]
    obj["metadata"]["managedFields"] = [
        {"manager": name, "time": at, "fieldsV1": {field: {}}} for name, at, field in fields
    ]
