# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a restart: its workloads and batches, and the pods that cannot be restarted. Reads and writes nothing."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import RevisionLabelChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import (
    BatchRow,
    batch_row,
    describe_batches,
    oversized_warnings,
    plan_batches,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.estimates import batch_seconds, ready_seconds
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import (
    MovableWorkloads,
    plan_canary,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import ALL, RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.targets import (
    lost_proxies,
    refuse_harm,
    resumable_restarts,
    select_targets,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.managed_gateways import (
    ReplacedGateway,
    replaced_gateways,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartablePods, refused_pods
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


@dataclasses.dataclass(frozen=True)
class RestartPlan:
    """The workloads of a restart, their batches, and the other facts that the result lists."""

    #: The cluster as it will be once the label changes of this plan are made.
    snapshot: Snapshot
    selection: Selection
    #: The workloads to restart, each with the number of its stale pods.
    stale_pods: Mapping[Workload, int]
    batches: Sequence[Sequence[Workload]]
    batch_rows: Sequence[BatchRow]
    #: Workloads whose restart an earlier task began, each with the patch that undoes it, if there is one.
    resumed: Mapping[ObjectRef, Json | None]
    #: Changes of the revision label of pods, which restart their workloads too.
    label_changes: Mapping[ObjectRef, RevisionLabelChange]
    movable_workloads: Sequence[MovableWorkloads]
    unrestartable: Sequence[UnrestartablePods]
    #: A sentence for each workload that alone exceeds a limit, and for each that leaves the mesh.
    oversized: Sequence[str]
    lost_proxies: Sequence[str]
    #: Workloads that are left out because the API server refuses their new pods.
    refused: Mapping[Workload, Refusal]
    #: How many batches may start: all of them, or none where the maintenance window had ended before.
    startable: int
    #: Managed gateways of the namespaces, which istiod replaces because their revision has changed.
    gateways: Sequence[ReplacedGateway] = ()

    @property
    def replaced_pods(self) -> int:
        """Return how many pods the whole restart replaces."""
        return sum(workload.replicas for workload in self.stale_pods)


def plan_restart(
    snapshot: Snapshot,
    options: RestartOptions,
    now: datetime.datetime,
    refused: Mapping[Workload, Refusal] | None = None,
) -> RestartPlan:
    """Return the plan of a restart that starts now.

    Args:
        snapshot: the cluster.
        options: the options of the restart.
        now: when it starts.
        refused: workloads to leave out, because the API server refuses their new pods.

    Raises:
        SafetyError: workloads would be rejected or lose their proxy, or their order or labels forbid the restart.
    """
    selection, restart_all = options.selection, options.scope == ALL
    canary = plan_canary(snapshot, selection, options.canary)
    snapshot = canary.snapshot
    left_out = {workload.ref: refusal for workload, refusal in (refused or {}).items()}
    targets = select_targets(snapshot, selection, options.scope, canary)
    stale_pods = {workload: count for workload, count in targets.items() if workload.ref not in left_out}
    refuse_harm(snapshot, selection, stale_pods if restart_all else ())
    batches = plan_batches(stale_pods, options.limits, snapshot)
    seconds = ready_seconds(snapshot)
    resumable = {**resumable_restarts(snapshot, stale_pods), **canary.begun}
    return RestartPlan(
        snapshot=snapshot,
        selection=selection,
        stale_pods=stale_pods,
        batches=batches,
        batch_rows=[batch_row(batch, snapshot, batch_seconds(batch, seconds, options.gates.soak)) for batch in batches],
        resumed={ref: undo_patch for ref, undo_patch in resumable.items() if ref not in canary.label_changes},
        label_changes=canary.label_changes,
        movable_workloads=canary.movable_workloads,
        unrestartable=[
            *canary.with_unmovable(snapshot.unrestartable(selection.namespaces, everything=restart_all)),
            *snapshot.scaled_to_zero(selection.namespaces),
            *(refused_pods(w, targets[w], left_out[w.ref]) for w in targets if w.ref in left_out),
        ],
        oversized=oversized_warnings(stale_pods, options.limits, snapshot),
        lost_proxies=lost_proxies(snapshot, stale_pods),
        refused={workload: left_out[workload.ref] for workload in targets if workload.ref in left_out},
        startable=0 if options.window_ends_by(now) else len(batches),
        gateways=replaced_gateways(snapshot, selection.namespaces),
    )


def describe_plan(plan: RestartPlan, pause: int) -> Iterator[str]:
    """Yield the lines that check mode shows: each batch, the time of all, and the pods that cannot be restarted."""
    yield from map(str, plan.gateways)
    yield from describe_batches(plan.batch_rows, pause)
    yield from plan.lost_proxies
    yield from map(str, plan.unrestartable)
