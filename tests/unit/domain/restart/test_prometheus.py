# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The problems that the answer of a Prometheus server shows (its documentation, HTTP API)."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.prometheus import (
    COMPARISONS,
    measured_problem,
    samples,
)


def answer(kind: str, result: t.Any, **over: t.Any) -> bytes:
    """The body of an answer."""
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **over}).encode()


def sample(value: str, **labels: str) -> dict[str, t.Any]:
    """A sample of an instant vector."""
    return {"metric": labels, "value": [1700000000.0, value]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(answer("scalar", [1, "0.5"]), [("", 0.5)], id="a scalar"),
        pytest.param(answer("vector", []), [], id="nothing"),
        pytest.param(
            answer("vector", [sample("1", b="2", a="1"), sample("+Inf")]),
            [('{a="1", b="2"}', 1.0), ("", float("inf"))],
            id="a vector",
        ),
    ],
)
def test_samples(body: bytes, expected: list[tuple[str, float]]) -> None:
    assert samples(200, body) == expected


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        pytest.param(200, answer("matrix", []), "the query gives a matrix", id="a range"),
        pytest.param(400, answer("", [], status="error", error="parse error"), "HTTP 400: parse error", id="an error"),
        pytest.param(401, b"{}", "HTTP 401: no explanation given", id="no login"),
        pytest.param(502, b"<html>", "HTTP 502 and something that is not JSON", id="a proxy in between"),
        pytest.param(200, b"[]", "no explanation given", id="something else"),
    ],
)
def test_an_answer_that_is_none(status: int, body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        samples(status, body)


@pytest.mark.parametrize(
    ("found", "compare", "limit", "expected"),
    [
        pytest.param([("", 0.001)], "<", 0.01, None, id="below"),
        pytest.param([("", 0.01)], "<", 0.01, "the value is 0.01, not < 0.01", id="not below"),
        pytest.param([("", 1.0), ('{a="1"}', 3.0)], "<=", 2, 'the value of {a="1"} is 3, not <= 2', id="one of two"),
        pytest.param([], "<", 1, "its result is empty: nothing was measured", id="nothing was measured"),
        pytest.param([("", float("nan"))], "!=", 1, "the value is NaN: nothing was measured", id="0/0"),
        pytest.param([("", float("inf"))], "<", 1, "the value is inf, not < 1", id="1/0"),
    ],
)
def test_measured_problem(found: list[tuple[str, float]], compare: str, limit: float, expected: str | None) -> None:
    assert measured_problem(found, compare, limit) == expected


@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparisons_are_those_of_python(compare: str) -> None:
    for value in (1.0, 2.0, 3.0):
        passes = measured_problem([("", value)], compare, 2.0) is None
        assert passes == {"<": value < 2, "<=": value <= 2, "==": value == 2, "!=": value != 2, ">=": value >= 2}.get(
            compare, value > 2
        )
