# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a fleet by rings, and its failure budget."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.rings import (
    default_budget,
    describe_batch,
    failure_budget,
    order_clusters,
    ring_of,
)

GROUPS = {
    "all": ["z", "a", "b", "c", "d", "e"],
    "istio_ring_10": ["e"],
    "istio_ring_2": ["a", "b", "c"],
    "istio_ring_0": ["d"],
    "istio_ring_x": ["z"],
}
RING_OF_CLUSTER = {
    "a": "istio_ring_2",
    "b": "istio_ring_2",
    "c": "istio_ring_2",
    "d": "istio_ring_0",
    "e": "istio_ring_10",
}
CLUSTERS = ["d", "a", "b", "c", "e", "z"]


@pytest.mark.parametrize(
    ("limit", "serial", "sizes"),
    [
        (CLUSTERS, "100%", [1, 3, 1, 1]),
        (CLUSTERS, 2, [1, 2, 1, 1, 1]),
        (CLUSTERS, "50%", [1, 1, 1, 1, 1, 1]),
        (["a", "c", "z"], "100%", [2, 1]),
        ([], "100%", ["100%"]),
    ],
    ids=["ring by ring", "two at once", "half a ring", "with a limit", "none"],
)
def test_a_play_goes_ring_by_ring(limit: list[str], serial: Any, sizes: list[int]) -> None:
    order = order_clusters(GROUPS["all"], GROUPS, limit, serial)
    assert order["clusters"] == CLUSTERS
    assert order["batch_sizes"] == sizes


def test_without_rings_the_inventory_keeps_its_order() -> None:
    order = order_clusters(["b", "a"], {"all": ["b", "a"]}, ["a", "b"])
    assert (order["clusters"], order["batch_sizes"]) == (["b", "a"], [2])


@pytest.mark.parametrize(
    ("groups", "serial", "sentence"),
    [
        ({"istio_ring_0": []}, "100%", "istio_ring_0 has no cluster"),
        ({"istio_ring_0": ["a"], "istio_ring_1": ["a"]}, "100%", "is in istio_ring_0 and istio_ring_1"),
        ({}, "half", "istio_serial: 'half' is neither a number"),
    ],
)
def test_an_inventory_or_a_batch_size_that_is_not_valid_is_refused(
    groups: dict[str, list[str]], serial: str, sentence: str
) -> None:
    with pytest.raises(ParameterError, match=sentence):
        order_clusters(["a"], groups, ["a"], serial)


def test_a_cluster_without_a_ring_has_none() -> None:
    assert ring_of("z", GROUPS) == ""


@pytest.mark.parametrize(
    ("value", "expected"), [("0", 0), (0, 0), ("2", 2), ("10%", 2), ("3%", 0), ("100%", 25), ("0%", 0)]
)
def test_the_budget_is_a_number_or_a_percentage_of_the_fleet(value: Any, expected: int) -> None:
    assert failure_budget(value, 25) == expected


def test_a_bad_budget_is_refused() -> None:
    with pytest.raises(ParameterError, match="istio_failure_budget: 'none'"):
        failure_budget("none", 3)


@pytest.mark.parametrize(
    ("batch", "active", "budget", "begins", "spent", "not_started"),
    [
        (["d"], CLUSTERS, 0, False, False, CLUSTERS),
        (["a", "b", "c"], CLUSTERS, 0, True, False, CLUSTERS[1:]),
        (["b", "c"], CLUSTERS, 0, False, False, CLUSTERS[2:]),
        (["a", "b", "c"], CLUSTERS[1:], 0, True, True, CLUSTERS[1:]),
        (["a", "b", "c"], CLUSTERS[1:], 1, True, False, CLUSTERS[1:]),
        (["a", "b", "c"], CLUSTERS[1:], "20%", True, False, CLUSTERS[1:]),
        (["z"], ["d", "e", "z"], "2", True, True, ["z"]),
    ],
)
def test_the_state_of_a_fleet_when_a_batch_begins(
    batch: list[str], active: list[str], budget: Any, begins: bool, spent: bool, not_started: list[str]
) -> None:
    state = describe_batch(batch, all_clusters=CLUSTERS, active=active, budget=budget, ring_of_cluster=RING_OF_CLUSTER)
    assert (state["begins_ring"], state["budget_spent"], state["not_started"]) == (begins, spent, not_started)
    assert bool(state["hold"]) == spent


def test_a_batch_over_two_rings_has_both() -> None:
    state = describe_batch(
        ["d", "a"], all_clusters=CLUSTERS, active=CLUSTERS, budget=0, ring_of_cluster=RING_OF_CLUSTER
    )
    assert state["rings"] == ["istio_ring_0", "istio_ring_2"]


def test_clusters_that_failed_in_the_plan_have_not_begun() -> None:
    """A batch after them only is the first one, and they count against the budget."""
    state = describe_batch(
        ["a", "b"],
        all_clusters=["d", "a", "b"],
        active=["a", "b"],
        budget="0",
        ring_of_cluster=RING_OF_CLUSTER,
        excluded=["d"],
        up_to_date=2,
    )
    assert (state["is_first"], state["begins_ring"], state["failed"], state["clusters"]) == (True, False, ["d"], 5)
    assert state["hold"] == "1 of 5 clusters failed (d), the failure budget is 0."


def test_a_play_without_clusters_has_a_batch_without_clusters() -> None:
    state = describe_batch([], all_clusters=[], active=[], budget="100%", ring_of_cluster={})
    assert (state["rings"], state["is_first"], state["budget_spent"], state["not_started"]) == ([], True, False, [])


def test_without_rings_clusters_do_not_depend_on_each_other() -> None:
    assert default_budget({"a": "", "b": ""}) == "100%"
    assert default_budget({"a": "", "b": "istio_ring_0"}) == "0"
