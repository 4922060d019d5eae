# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rings of a fleet and its failure budget."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.rings import (
    budget,
    ring_of,
    rings,
    standing_of,
)

GROUPS = {
    "all": ["z", "a", "b", "c", "d", "e"],
    "istio_ring_10": ["e"],
    "istio_ring_2": ["a", "b", "c"],
    "istio_ring_0": ["d"],
    "istio_ring_x": ["z"],
}
OF = {"a": "istio_ring_2", "b": "istio_ring_2", "c": "istio_ring_2", "d": "istio_ring_0", "e": "istio_ring_10"}
EVERYBODY = ["d", "a", "b", "c", "e", "z"]


@pytest.mark.parametrize(
    ("limit", "width", "sizes"),
    [
        (EVERYBODY, "100%", [1, 3, 1, 1]),
        (EVERYBODY, 2, [1, 2, 1, 1, 1]),
        (EVERYBODY, "50%", [1, 1, 1, 1, 1, 1]),
        (["a", "c", "z"], "100%", [2, 1]),
        ([], "100%", []),
    ],
    ids=["ring by ring", "two at once", "half a ring", "with a limit", "none"],
)
def test_a_play_goes_ring_by_ring(limit: list[str], width: Any, sizes: list[int]) -> None:
    found = rings(GROUPS["all"], GROUPS, limit, width)
    assert found["hosts"] == EVERYBODY
    assert found["sizes"] == sizes


def test_without_rings_the_inventory_keeps_its_order() -> None:
    found = rings(["b", "a"], {"all": ["b", "a"]}, ["a", "b"])
    assert (found["hosts"], found["sizes"]) == (["b", "a"], [2])


@pytest.mark.parametrize(
    ("groups", "width", "sentence"),
    [
        ({"istio_ring_0": []}, "100%", "istio_ring_0 has no cluster"),
        ({"istio_ring_0": ["a"], "istio_ring_1": ["a"]}, "100%", "is in istio_ring_0 and istio_ring_1"),
        ({}, "half", "istio_serial: 'half' is neither a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(groups: dict[str, list[str]], width: str, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        rings(["a"], groups, ["a"], width)


def test_a_cluster_without_a_ring_has_none() -> None:
    assert ring_of("z", GROUPS) == ""


@pytest.mark.parametrize(
    ("given", "expected"), [("0", 0), (0, 0), ("2", 2), ("10%", 2), ("3%", 0), ("100%", 25), ("0%", 0)]
)
def test_the_budget_is_a_number_or_a_share_of_the_fleet(given: Any, expected: int) -> None:
    assert budget(given, 25) == expected


def test_a_bad_budget_is_refused() -> None:
    with pytest.raises(ParameterError, match="istio_failure_budget: 'none'"):
        budget("none", 3)


@pytest.mark.parametrize(
    ("batch", "left", "given", "begins", "spent", "untouched"),
    [
        (["d"], EVERYBODY, 0, False, False, EVERYBODY),
        (["a", "b", "c"], EVERYBODY, 0, True, False, EVERYBODY[1:]),
        (["b", "c"], EVERYBODY, 0, False, False, EVERYBODY[2:]),
        (["a", "b", "c"], EVERYBODY[1:], 0, True, True, EVERYBODY[1:]),
        (["a", "b", "c"], EVERYBODY[1:], 1, True, False, EVERYBODY[1:]),
        (["a", "b", "c"], EVERYBODY[1:], "20%", True, False, EVERYBODY[1:]),
        (["z"], ["d", "e", "z"], "2", True, True, ["z"]),
    ],
)
def test_what_a_batch_begins_with(
    batch: list[str], left: list[str], given: Any, begins: bool, spent: bool, untouched: list[str]
) -> None:
    found = standing_of(batch, EVERYBODY, left, given, OF)
    assert (found["begins_ring"], found["spent"], found["untouched"]) == (begins, spent, untouched)


def test_a_batch_over_two_rings_shows() -> None:
    assert standing_of(["d", "a"], EVERYBODY, EVERYBODY, 0, OF)["rings"] == ["istio_ring_0", "istio_ring_2"]
