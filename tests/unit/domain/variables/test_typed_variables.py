# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables have the types of an inventory, or are texts of a survey."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import READERS, read_value

ORDERS = ("name", "smallest")


@pytest.mark.parametrize("empty", ["", "  ", "\n", None])
@pytest.mark.parametrize("kind", [*READERS, ORDERS])
def test_an_empty_text_counts_as_not_set(kind: Any, empty: Any) -> None:
    assert read_value(empty, "istio_x", kind, 7) == 7


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("bool", "true", True),
        ("bool", "False", False),
        ("bool", "yes", True),
        ("bool", 0, False),
        ("bool", False, False),
        ("int", "10", 10),
        ("int", " 10\n", 10),
        ("int", 0, 0),
        ("amount", "10%", "10%"),
        ("amount", 10, "10"),
        ("amount", "0", "0"),
        ("list", "catalog", ["catalog"]),
        ("list", "catalog, shop ,", ["catalog", "shop"]),
        ("list", "catalog\r\nshop\n\n", ["catalog", "shop"]),
        ("list", '["catalog", "shop"]', ["catalog", "shop"]),
        ("list", "[catalog, shop]", ["catalog", "shop"]),
        ("list", "- catalog\n- shop", ["catalog", "shop"]),
        ("list", ["catalog", "", None, 7], ["catalog", "7"]),
        ("list", "Service istio-system/gateway", ["Service istio-system/gateway"]),
        ("list", [], []),
        ("lists", "catalog, shop\ncheckout", [["catalog", "shop"], ["checkout"]]),
        ("lists", "catalog shop\r\n\r\ncheckout", [["catalog", "shop"], ["checkout"]]),
        ("lists", '[["catalog"], ["shop"]]', [["catalog"], ["shop"]]),
        ("lists", "- [catalog, shop]\n- [checkout]", [["catalog", "shop"], ["checkout"]]),
        ("lists", [["catalog"], []], [["catalog"]]),
        ("lists", 2026, [["2026"]]),
        ("list", 2026, ["2026"]),
        ("list", datetime.date(2026, 3, 1), ["2026-03-01"]),
        ("list", '["no", "2026"]', ["no", "2026"]),
        ("list", "no, yes", ["no", "yes"]),
        ("text", 131, "131"),
        ("text", datetime.date(2026, 3, 1), "2026-03-01"),
        ("dict", "{soak: 30, connected: true}", {"soak": 30, "connected": True}),
        ("dict", "soak: 30\nconnected: true", {"soak": 30, "connected": True}),
        ("dict", {"soak": 30}, {"soak": 30}),
        ("dicts", "- code: MU021\n  reason: batch", [{"code": "MU021", "reason": "batch"}]),
        ("dicts", [{"code": "MU021"}], [{"code": "MU021"}]),
        (ORDERS, "smallest", "smallest"),
        (ORDERS, " name ", "name"),
    ],
)
def test_a_text_is_converted_to_the_type(kind: Any, value: Any, expected: Any) -> None:
    typed_value = read_value(value, "istio_x", kind)
    assert typed_value == expected
    assert type(typed_value) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("bool", "maybe", "is maybe; give true or false."),
        ("bool", 2, "is 2; give true or false."),
        ("int", "ten", "is ten; give a whole number."),
        ("int", "-1", "is -1; give a whole number."),
        ("int", 1.5, "is the number 1.5; give a whole number."),
        ("int", True, "is true; give a whole number."),
        ("amount", "10 %", "is 10 %; give a number or a percentage, such as 10 or 10%."),
        ("amount", True, "is true; give a number or a percentage"),
        ("list", {"a": 1}, "is a mapping; give a list, or texts"),
        ("list", "[catalog", "is another text; give a list, or texts"),
        ("list", [["catalog"]], "is a list; give a list, or texts"),
        ("lists", ["catalog", "shop"], "is a list; give a list of lists of names"),
        ("lists", "[catalog, shop]", "is another text; give a list of lists of names"),
        ("lists", 5.5, "is the number 5.5; give a list of lists of names"),
        ("list", False, "is false; give a list, or texts with commas or line breaks between them. Write names such"),
        (
            "list",
            ["shop", True],
            "is a list; give a list, or texts with commas or line breaks between them. Write names",
        ),
        ("lists", "[[no]]", "is another text; give a list of lists of names, or a line for each of them with commas"),
        ("text", 1.3, "is the number 1.3; give a text."),
        ("text", True, "is true; give a text."),
        ("text", {"a": "b"}, "is a mapping; give a text."),
        (ORDERS, {"a": "b"}, "is a mapping; give name or smallest."),
        ("dict", "soak", "is another text; give a mapping"),
        ("dict", "{soak: ", "is another text; give a mapping"),
        ("dicts", "{code: MU021}", "is another text; give a list of mappings"),
        ("dicts", ["MU021"], "is a list; give a list of mappings"),
        (ORDERS, "biggest", "is biggest; give name or smallest."),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_name_of_the_variable(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(ParameterError) as refused:
        read_value(value, "istio_x", kind)
    assert str(refused.value).startswith(f"Variable istio_x {message}")


def test_a_secret_in_a_mapping_is_not_repeated() -> None:
    with pytest.raises(ParameterError) as refused:
        read_value("token: [hunter2", "istio_gates", "dict")
    assert "hunter2" not in str(refused.value)
