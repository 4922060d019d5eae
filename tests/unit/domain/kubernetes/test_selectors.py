# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors hold exactly when the API server says so (Kubernetes API reference, LabelSelector)."""

from __future__ import annotations

import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import (
    matches,
    parse_selector,
    requirement_matches,
)
from unit.support.builders import need

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]))
VALUES = st.lists(st.sampled_from(["", "1", "2"]), min_size=1)


@pytest.mark.parametrize(
    ("requirement", "labels", "expected"),
    [
        pytest.param(need("a", "In", "1", "2"), {"a": "2"}, True, id="In: the value is in the list"),
        pytest.param(need("a", "In", "1"), {"a": "2"}, False, id="In: another value"),
        pytest.param(need("a", "In", "1"), {}, False, id="In: an absent key is in no list"),
        pytest.param(need("a", "In", ""), {"a": ""}, True, id="In: the empty value is a value"),
        pytest.param(need("a", "In", ""), {}, False, id="In: absent is not empty"),
        pytest.param(need("a", "NotIn", "1"), {"a": "2"}, True, id="NotIn: another value"),
        pytest.param(need("a", "NotIn", "1"), {"a": "1"}, False, id="NotIn: the value is in the list"),
        pytest.param(need("a", "NotIn", "1"), {}, True, id="NotIn: an absent key is in no list"),
        pytest.param(need("a", "Exists"), {"a": ""}, True, id="Exists: any value, the empty one too"),
        pytest.param(need("a", "Exists"), {"b": "1"}, False, id="Exists: absent"),
        pytest.param(need("a", "DoesNotExist"), {"b": "1"}, True, id="DoesNotExist: absent"),
        pytest.param(need("a", "DoesNotExist"), {"a": ""}, False, id="DoesNotExist: even an empty value exists"),
    ],
)
def test_requirement(requirement: dict[str, t.Any], labels: dict[str, str], expected: bool) -> None:
    assert requirement_matches(requirement, labels) is expected


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(ValueError, match="operator 'Gt'"):
        requirement_matches(need("a", "Gt", "1"), {"a": "2"})


@pytest.mark.parametrize("selector", [None, {}, {"matchLabels": None}, {"matchLabels": {}, "matchExpressions": []}])
def test_a_missing_or_empty_selector_matches_everything(selector: dict[str, t.Any] | None) -> None:
    assert matches(selector, {})
    assert matches(selector, {"a": "1"})


def test_match_labels_and_expressions_are_anded() -> None:
    selector = {"matchLabels": {"a": "1"}, "matchExpressions": [need("b", "Exists")]}
    assert matches(selector, {"a": "1", "b": ""})
    assert not matches(selector, {"a": "1"})
    assert not matches(selector, {"b": ""})


@given(labels=LABELS, values=VALUES)
def test_opposite_operators_disagree(labels: dict[str, str], values: list[str]) -> None:
    for one, other in (
        (need("a", "In", *values), need("a", "NotIn", *values)),
        (need("a", "Exists"), need("a", "DoesNotExist")),
    ):
        assert requirement_matches(one, labels) is not requirement_matches(other, labels)


@given(labels=LABELS, wanted=LABELS)
def test_match_labels_equal_the_operator_in_with_one_value(labels: dict[str, str], wanted: dict[str, str]) -> None:
    spelled = {"matchExpressions": [need(key, "In", value) for key, value in wanted.items()]}
    assert matches({"matchLabels": wanted}, labels) is matches(spelled, labels)


@given(labels=LABELS, more=LABELS, values=VALUES)
def test_adding_a_requirement_never_selects_more(
    labels: dict[str, str], more: dict[str, str], values: list[str]
) -> None:
    wide = {"matchLabels": more}
    narrow = {**wide, "matchExpressions": [need("c", "NotIn", *values)]}
    assert matches(wide, labels) or not matches(narrow, labels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("  ", None, id="only spaces"),
        pytest.param("a", [need("a", "Exists")], id="exists"),
        pytest.param("!a", [need("a", "DoesNotExist")], id="does not exist"),
        pytest.param("a=1", [need("a", "In", "1")], id="equals"),
        pytest.param("a == 1", [need("a", "In", "1")], id="equals, the long form"),
        pytest.param("a=", [need("a", "In", "")], id="equals nothing"),
        pytest.param("a=,b", [need("a", "In", ""), need("b", "Exists")], id="equals nothing, and more"),
        pytest.param("a!=1", [need("a", "NotIn", "1")], id="differs"),
        pytest.param("a in (1,2)", [need("a", "In", "1", "2")], id="in"),
        pytest.param("a in(1, )", [need("a", "In", "1", "")], id="in, with the empty value"),
        pytest.param("a notin ( 1 )", [need("a", "NotIn", "1")], id="notin"),
        pytest.param("in in (in)", [need("in", "In", "in")], id="words that are signs too"),
        pytest.param(
            "app.kubernetes.io/name=web,tier notin (x),!a",
            [need("app.kubernetes.io/name", "In", "web"), need("tier", "NotIn", "x"), need("a", "DoesNotExist")],
            id="several, with a prefix",
        ),
    ],
)
def test_a_selector_as_text(text: str, expected: list[dict[str, t.Any]] | None) -> None:
    assert parse_selector(text).get("matchExpressions") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=1", "has '=' at position 1, where the key of a label should be"),
        ("a=1,", "has its end at position 5, where the key of a label should be"),
        ("a b", "has 'b' at position 3, where ',' or the end should be"),
        ("a=1=2", "has '=' at position 4, where ',' or the end should be"),
        ("a=-1", "has '-1' at position 3, where the value of a label should be"),
        ("a in 1", "has '1' at position 6, where '(' should be"),
        ("a in (1", "has its end at position 8, where ',' or ')' should be"),
        ("a in (1 2)", "has '2' at position 9, where ',' or ')' should be"),
        ("a/b/c", "has 'a/b/c' at position 1, where the key of a label should be"),
        ("a>1", "has 'a>1' at position 1, where the key of a label should be"),
        ("a=1,!", "has its end at position 6, where the key of a label should be"),
    ],
)
def test_an_invalid_selector_is_refused_with_the_position(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_selector(text)
