# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields that an installation changes in one object, and how results show them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import (
    FIELDS_SHOWN,
    ObjectChange,
    comparable,
    field_differences,
    shorten_value,
)
from unit.support import builders as b


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": (1, 2)}, id="changed"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a.c": (2, None)}, id="removed"),
        pytest.param({"a": 1}, {"a": 1, "x": {"y": "z"}}, {"x.y": (None, "z")}, id="added"),
        pytest.param({"a": [1, 2]}, {"a": [1, 2]}, {}, id="equal"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, {"a.[1]": (2, 3)}, id="lists by position"),
        pytest.param(
            {"c": [{"name": "x", "v": 1}, {"name": "y"}]},
            {"c": [{"name": "y"}, {"name": "x", "v": 2}]},
            {"c.[x].v": (1, 2)},
            id="lists of named entries by name, in any order",
        ),
        pytest.param({"a": {}}, {"a": {"b": 1}}, {"a": ({}, None), "a.b": (None, 1)}, id="from empty"),
    ],
)
def test_field_differences(before: b.Json, after: b.Json, expected: b.Json) -> None:
    assert field_differences(before, after) == expected


def test_fields_of_the_server_are_not_a_difference() -> None:
    noise = {"uid": "u", "resourceVersion": "9", "generation": 4, "managedFields": [], "creationTimestamp": "now"}
    assert comparable({"metadata": {"name": "x", **noise}, "status": {"a": 1}, "spec": {}}) == {
        "metadata": {"name": "x"},
        "spec": {},
    }


def test_results_carry_the_first_paths_and_their_number() -> None:
    many = {f"spec.field{at:03}": (1, 2) for at in range(FIELDS_SHOWN + 5)}
    row = ObjectChange("CustomResourceDefinition", "", "x", "update", many).as_row()
    assert (len(row["fields"]), row["field_count"]) == (FIELDS_SHOWN, FIELDS_SHOWN + 5)


@pytest.mark.parametrize(
    ("value", "expected"), [("short", "short"), (5, 5), (None, None), ("x" * 500, "x" * 160 + "... (500 characters)")]
)
def test_long_values_are_shortened(value: t.Any, expected: t.Any) -> None:
    assert shorten_value(value) == expected
