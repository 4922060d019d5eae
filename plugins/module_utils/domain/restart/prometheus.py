# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the answer of a Prometheus server to a query, and compares its samples."""

from __future__ import annotations

import math
import operator
import typing as t
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


def samples(status: int, body: bytes) -> list[tuple[str, float]]:
    """Return the labels and value of each sample of an instant query.

    Source: Prometheus documentation, HTTP API, Instant queries and Expression query result formats.

    Raises:
        ValueError: the answer is an error or not the answer to a query.
    """
    try:
        answer = parse_json_answer(body)
    except ValueError:
        raise ValueError(f"it answered with HTTP {status} and something that is not JSON") from None
    if not isinstance(answer, dict) or answer.get("status") != "success":
        error = answer.get("error") if isinstance(answer, dict) else ""
        raise ValueError(f"it answered with HTTP {status}: {error or 'no explanation given'}")
    data = as_map(answer.get("data"))
    kind: t.Any = data.get("resultType")
    result: t.Any = data.get("result")
    try:
        if kind == "scalar":
            return [("", float(result[1]))]
        if kind == "vector":
            return [(_labels(sample.get("metric") or {}), float(sample["value"][1])) for sample in result]
    except (AttributeError, LookupError, TypeError):
        raise ValueError(f"it answered with HTTP {status} and a {kind} that is not valid") from None
    raise ValueError(f"the query gives a {kind}; only a scalar or an instant vector can be compared")


def _labels(metric: dict[str, str]) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in sorted(metric.items())) + "}" if metric else ""


def measured_problem(measured: list[tuple[str, float]], compare: str, limit: float) -> str | None:
    """Return why not every sample compares as required, or None; an empty result is a problem too."""
    if not measured:
        return "its result is empty: nothing was measured"
    for labels, value in measured:
        where = f" of {labels}" if labels else ""
        if math.isnan(value):
            return f"the value{where} is NaN: nothing was measured"
        if not COMPARISONS[compare](value, limit):
            return f"the value{where} is {value:g}, not {compare} {limit:g}"
    return None
