# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The batches of a restart: limits, order, and gateways last (S5)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.common.amount import Amount, read_amount
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import (
    ORDERS,
    BatchLimits,
    batch_row,
    describe_batches,
    oversized_warnings,
    plan_batches,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTART_ORDER
from unit.support import builders as b

RECREATE = {"type": "Recreate"}
GATEWAY = {"inject.istio.io/templates": "gateway"}


def names(limits: BatchLimits, *found: b.Json) -> list[list[str]]:
    """Names of the workloads, batch by batch."""
    snapshot = b.snapshot_of(found)
    return [[w.name for w in batch] for batch in plan_batches(snapshot.workloads.values(), limits, snapshot)]


def placed(name: str, order: str) -> b.Json:
    """A workload with a place in an order by hand."""
    made = b.workload(name=name)
    made["metadata"]["annotations"] = {RESTART_ORDER: order}
    return made


@pytest.mark.parametrize(
    ("given", "whole", "expected"),
    [
        pytest.param("10", 3, 10, id="a number"),
        pytest.param(" 10 ", 3, 10, id="with spaces"),
        pytest.param("10%", 100, 10, id="a percentage"),
        pytest.param("10%", 99, 9, id="percentages round down"),
        pytest.param("10%", 3, 1, id="but not to nothing"),
        pytest.param("100%", 7, 7, id="all"),
    ],
)
def test_amount(given: str, whole: int, expected: int) -> None:
    assert read_amount("batch_size", given).of(whole) == expected


@pytest.mark.parametrize("given", ["", "0", "-1", "0%", "101%", "ten", "1.5", "10 %", "%"])
def test_an_amount_that_can_never_be_right_is_refused(given: str) -> None:
    with pytest.raises(ParameterError, match=f"Parameter batch_size: {re.escape(repr(given))} is neither a number"):
        read_amount("batch_size", given)


def test_s5_batches_are_bounded_and_in_a_stable_order() -> None:
    found = [b.workload(name=name) for name in ("e", "c", "a", "d", "b")]
    two = BatchLimits(Amount(2))
    assert names(two, *found) == names(two, *reversed(found)) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_batch_may_be_a_percentage_of_all_workloads() -> None:
    found = [b.workload(name=name) for name in "abcde"]
    assert names(BatchLimits(Amount(50, percent=True)), *found) == [["a", "b"], ["c", "d"], ["e"]]


def test_gateways_come_last_and_in_separate_batches() -> None:
    gateway = b.workload(name="a-gateway", annotations=GATEWAY)
    assert names(BatchLimits(), gateway, b.workload(name="b"), b.workload(name="c")) == [["b", "c"], ["a-gateway"]]


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        pytest.param(3, [["a", "b", "c"]], id="room for all"),
        pytest.param(2, [["a", "b"], ["c"]], id="room for two"),
        pytest.param(1, [["a"], ["b"], ["c"]], id="one after the other"),
        pytest.param(0, [["a"], ["b"], ["c"]], id="no room: each has to wait"),
    ],
)
def test_s5_workloads_that_share_a_budget_are_in_one_batch_only_as_far_as_it_has_room(
    allowed: int, expected: list[list[str]]
) -> None:
    found = [b.workload(name=name, strategy=RECREATE) for name in "abc"]
    assert names(BatchLimits(), *found, b.budget("all", {}, allowed)) == expected


def test_a_rollout_that_takes_down_nothing_needs_no_room() -> None:
    found = [b.workload(name=name, strategy={"rollingUpdate": {"maxUnavailable": 0}}) for name in "abc"]
    assert names(BatchLimits(max_unavailable=Amount(1)), *found, b.budget("all", {}, 0)) == [["a", "b", "c"]]


def test_nothing_to_restart_is_no_batch() -> None:
    assert names(BatchLimits()) == []


@pytest.mark.parametrize(
    ("cap", "expected"),
    [
        pytest.param(9, [["a", "b", "c"]], id="all fit"),
        pytest.param(8, [["a", "b"], ["c"]], id="the third does not"),
        pytest.param(3, [["a"], ["b"], ["c"]], id="a workload above the cap is alone"),
    ],
)
def test_max_pods_bounds_the_pods_of_a_batch_over_all_namespaces(cap: int, expected: list[list[str]]) -> None:
    found = [b.workload(name="a", replicas=2), b.workload(name="b", replicas=5), b.workload(name="c", replicas=2)]
    found[1]["metadata"]["namespace"] = "shop2"
    found[2]["metadata"]["namespace"] = "shop3"
    assert names(BatchLimits(max_pods=cap), *found) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(Amount(6), [["a", "b", "c", "d"]], id="all"),
        pytest.param(Amount(4), [["a", "b"], ["c", "d"]], id="two by two"),
        pytest.param(Amount(50, percent=True), [["a"], ["b"], ["c", "d"]], id="half of the seven pods of shop"),
        pytest.param(Amount(1), [["a"], ["b"], ["c", "d"]], id="each workload alone takes down more"),
    ],
)
def test_max_unavailable_bounds_what_is_down_in_a_namespace(limit: Amount, expected: list[list[str]]) -> None:
    found = [b.workload(name=name, replicas=2, strategy=RECREATE) for name in "abcd"]
    found[3]["metadata"]["namespace"] = "shop2"
    # it takes down nothing, but is one of the pods of its namespace
    calm = b.workload(name="calm", strategy={"rollingUpdate": {"maxUnavailable": 0}})
    assert [
        [name for name in batch if name != "calm"] for batch in names(BatchLimits(max_unavailable=limit), *found, calm)
    ] == expected


def test_smallest_first() -> None:
    found = [b.workload(name=name, replicas=count) for name, count in (("a", 3), ("b", 1), ("c", 3), ("d", 2))]
    assert names(BatchLimits(order="smallest"), *found) == [["b", "d", "a", "c"]]


def test_an_order_by_hand_begins_a_batch_for_each_place() -> None:
    found = [placed("a", "10"), placed("b", "-1"), b.workload(name="c"), placed("d", "10"), placed("e", " 0 ")]
    assert names(BatchLimits(order="annotation"), *found) == [["b"], ["c", "e"], ["a", "d"]]
    assert names(BatchLimits(), *found) == [["a", "b", "c", "d", "e"]]


def test_an_order_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(SafetyError, match=f"{RESTART_ORDER} of Deployment shop/web is 'first', which is not a whole"):
        names(BatchLimits(order="annotation"), placed("web", "first"))


def test_a_workload_that_alone_exceeds_a_limit_is_reported() -> None:
    snapshot = b.snapshot_of([b.workload(replicas=4, strategy=RECREATE), b.workload(name="small")])
    found = snapshot.workloads.values()
    assert oversized_warnings(found, BatchLimits(max_pods=3, max_unavailable=Amount(50, percent=True)), snapshot) == [
        "Deployment shop/web is restarted alone: it has 4 pods, max_pods is 3.",
        "The update strategy of Deployment shop/web takes down 4 pods at once, max_unavailable allows 2 in namespace "
        "shop.",
    ]
    assert oversized_warnings(found, BatchLimits(max_pods=4, max_unavailable=Amount(4)), snapshot) == []
    assert oversized_warnings(found, BatchLimits(), snapshot) == []


def test_a_plan_lists_the_sizes_of_a_batch_and_the_room_of_its_budgets() -> None:
    down = b.workload(replicas=3, strategy=RECREATE)
    other = b.budget("other", {"matchLabels": {"app": "other"}}, 0)
    snapshot = b.snapshot_of([down, b.workload(name="small"), b.budget("all", {}, 2), other])
    row = batch_row(list(snapshot.workloads.values()), snapshot, 12.4)
    assert row == {
        "workloads": ["Deployment shop/web", "Deployment shop/small"],
        "gateways": False,
        "pods": 4,
        "takes_down": 3,
        "budgets": [{"name": "shop/all", "allowed": 2, "takes_down": 3}],
        "expected_seconds": 12,
    }
    both = "Deployment shop/web, Deployment shop/small"
    sizes = "4 pods, 3 down at once, budget shop/all allows 2 down and loses 3"
    assert list(describe_batches([row], 0)) == [f"batch 1 of 1: {both} ({sizes}, about 12 s)"]


def test_the_time_of_all_batches_is_shown_if_each_is_known() -> None:
    snapshot = b.snapshot_of([b.workload()])
    known, unknown = (batch_row(list(snapshot.workloads.values()), snapshot, seconds) for seconds in (20.0, None))
    web = "Deployment shop/web (1 pod, 0 down at once"
    assert list(describe_batches([known, known, known], 5)) == [
        *(f"batch {number} of 3: {web}, about 20 s)" for number in (1, 2, 3)),
        "all 3 batches: about 70 s",
    ]
    assert list(describe_batches([known, unknown], 5)) == [f"batch 1 of 2: {web}, about 20 s)", f"batch 2 of 2: {web})"]


WORKLOAD = st.tuples(
    st.integers(0, 6),
    st.integers(-1, 1),
    st.sampled_from(["shop", "pay"]),
    st.booleans(),
    st.booleans(),
)
AMOUNT = st.one_of(
    st.builds(Amount, st.integers(1, 5)), st.builds(Amount, st.integers(1, 100), percent=st.just(value=True))
)
LIMITS = st.builds(BatchLimits, AMOUNT, st.none() | st.integers(1, 9), st.none() | AMOUNT, st.sampled_from(ORDERS))


def cluster(rows: list[tuple[int, int, str, bool, bool]], room: int) -> Snapshot:
    """Some workloads, half of which share a budget."""
    objects = [b.budget("all", {}, room)]
    for at, (replicas, order, place, recreate, gateway) in enumerate(rows):
        made = placed(f"w{at}", str(order))
        made["metadata"]["namespace"] = place
        made["spec"].update(replicas=replicas, strategy=RECREATE if recreate else {})
        made["spec"]["template"]["metadata"]["annotations"] = GATEWAY if gateway else {}
        objects.append(made)
    return b.snapshot_of(objects)


@given(rows=st.lists(WORKLOAD, max_size=12), limits=LIMITS, room=st.integers(0, 4))
def test_every_workload_is_in_one_batch_within_all_limits_and_gateways_come_last(
    rows: list[tuple[int, int, str, bool, bool]], limits: BatchLimits, room: int
) -> None:
    snapshot = cluster(rows, room)
    found = plan_batches(snapshot.workloads.values(), limits, snapshot)
    flat = [workload for batch in found for workload in batch]
    assert sorted(w.ref for w in flat) == sorted(snapshot.workloads)
    assert [w.gateway for w in flat] == sorted(w.gateway for w in flat)
    assert all(found)
    for batch in found:
        assert len({w.gateway for w in batch}) == 1
        assert len(batch) <= limits.batch_size.of(len(rows))
        assert limits.max_pods is None or len(batch) == 1 or sum(w.replicas for w in batch) <= limits.max_pods
        for place in ("shop", "pay"):
            down = [w.takes_down for w in batch if w.namespace == place and w.takes_down]
            pods = sum(w.replicas for w in snapshot.workloads.values() if w.namespace == place)
            assert limits.max_unavailable is None or len(down) < 2 or sum(down) <= limits.max_unavailable.of(pods)
            assert place == "pay" or len(down) < 2 or sum(down) <= room
