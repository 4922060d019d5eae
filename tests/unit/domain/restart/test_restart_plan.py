# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a restart, which needs no cluster: workloads, batches, and what cannot be restarted (S5, S6)."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import (
    RestartPlan,
    describe_plan,
    plan_restart,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.broken_workloads import (
    LEAVE,
    broken_workloads,
    leave_broken,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.running import params

NOW = datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.UTC)
PLANES = [*b.two_planes(), *b.namespaces(shop=b.NEW)]
FREE = [*b.two_planes(), b.namespace("shop", {})]


def plan_of(*objects: b.Json, **given: t.Any) -> RestartPlan:
    """The plan of a restart of namespace shop."""
    options = RestartOptions.from_params(params(CORE, host="https://a.invalid", namespaces=["shop"], **given), NOW)
    return plan_restart(b.snapshot_of(objects), options, NOW)


def names(plan: RestartPlan) -> list[list[str]]:
    """The names of the workloads, batch by batch."""
    return [[workload.name for workload in batch] for batch in plan.batches]


def test_stale_workloads_are_planned_in_batches() -> None:
    plan = plan_of(
        *PLANES, *b.deployed(pods=2), *b.deployed("cart"), *b.deployed("new", revision=b.NEW), batch_size="1"
    )
    assert names(plan) == [["cart"], ["web"]]
    assert {workload.name: pods for workload, pods in plan.stale_pods.items()} == {"cart": 1, "web": 2}
    assert (plan.startable, plan.replaced_pods) == (2, 3)
    assert [row["workloads"] for row in plan.batch_rows] == [["Deployment shop/cart"], ["Deployment shop/web"]]


def unready(objects: list[b.Json], *numbers: int) -> list[b.Json]:
    """The same objects, of whose pods some are not ready; without numbers none is."""
    pods = b.of_kind(objects, "Pod")
    for at in numbers or range(len(pods)):
        pods[at]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return objects


@pytest.mark.parametrize(
    ("choice", "batches", "left"),
    [
        pytest.param("last", [["part", "web"], ["bad"]], [], id="last"),
        pytest.param("leave", [["part", "web"]], [("bad", "broken_before")], id="leave"),
    ],
)
def test_what_was_broken_before_is_restarted_last_or_left(
    choice: str, batches: list[list[str]], left: list[tuple[str, str]]
) -> None:
    broken = [*unready(b.deployed("bad", pods=2)), *unready(b.deployed("part", pods=2), 0)]
    options = RestartOptions.from_params(
        params(CORE, host="https://a.invalid", namespaces=["shop"], broken_workloads=choice), NOW
    )
    snapshot = leave_broken(b.snapshot_of([*PLANES, *broken, *b.deployed()]), options.broken_workloads)
    plan = plan_restart(snapshot, options, NOW)
    assert names(plan) == batches
    assert [(pods.name, pods.cause.code) for pods in plan.unrestartable] == left
    gateways = [b.deployed("gate", annotations={"inject.istio.io/templates": "gateway"}), unready(b.deployed("bad"))]
    with_gateway = b.snapshot_of([*PLANES, *gateways[0], *gateways[1]])
    assert names(plan_restart(with_gateway, options, NOW)) == [["bad"], ["gate"]], "gateways stay the last"


def test_a_restart_that_was_begun_is_not_left() -> None:
    objects = unready(b.deployed())
    objects[0]["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: "before"}
    snapshot = b.snapshot_of([*PLANES, *objects])
    assert broken_workloads(snapshot)
    assert leave_broken(snapshot, LEAVE).left_broken == frozenset()


def test_a_workload_without_pods_is_not_broken() -> None:
    assert broken_workloads(b.snapshot_of([*PLANES, b.workload(name="asleep", replicas=0)])) == frozenset()


def test_scope_all_plans_every_workload() -> None:
    assert names(plan_of(*PLANES, *b.deployed(revision=b.NEW), scope="all")) == [["web"]]


def test_after_the_maintenance_window_no_batch_may_start() -> None:
    plan = plan_of(*PLANES, *b.deployed(), not_after="2026-03-01T01:00:00Z")
    assert (names(plan), plan.startable) == ([["web"]], 0)


def test_a_restart_that_was_begun_is_resumed_and_can_be_undone() -> None:
    objects = b.deployed()
    objects[0]["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: "before"}
    [(ref, undo_patch)] = plan_of(*PLANES, *objects).resumed.items()
    assert ref.name == "web"
    assert undo_patch
    assert undo_patch["spec"]["template"]["metadata"]["annotations"] == {RESTARTED_AT: None}


def test_a_label_change_is_planned_and_not_resumed() -> None:
    plan = plan_of(*FREE, *b.deployed(pod_labels={REVISION_LABEL: b.OLD}), revision=b.NEW, percent=100)
    assert [change.after for change in plan.label_changes.values()] == [b.NEW]
    assert (plan.resumed, names(plan)) == ({}, [["web"]])
    assert plan.movable_workloads == [{"namespace": "shop", "workloads": 1, "selected": ["Deployment shop/web"]}]


def test_s6_pods_that_cannot_be_restarted_are_listed_and_described() -> None:
    plan = plan_of(*PLANES, *b.deployed(), b.pod("bare", owner=None), b.workload(name="asleep", replicas=0))
    assert [(pods.name, pods.cause.code) for pods in plan.unrestartable] == [
        ("bare", "bare_pod"),
        ("asleep", "scaled_to_zero"),
    ]
    batch, *others = describe_plan(plan, 0)
    assert batch == "batch 1 of 1: Deployment shop/web (1 pod, 0 down at once)"
    assert [line.split(":")[1] for line in others] == [" Pod shop/bare", " Deployment shop/asleep"]


def test_a_workload_that_alone_exceeds_a_limit_is_a_warning() -> None:
    assert plan_of(*PLANES, *b.deployed(pods=2), max_pods=1).oversized == [
        "Deployment shop/web is restarted alone: it has 2 pods, max_pods is 1."
    ]


def test_a_harmful_restart_has_no_plan() -> None:
    with pytest.raises(SafetyError, match="would come back without a proxy"):
        plan_of(*b.two_planes(), *b.namespaces(shop="gone"), *b.deployed())
