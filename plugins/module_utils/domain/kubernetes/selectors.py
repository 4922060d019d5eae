# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Label selectors with the semantics of the API server.

Source of the rules: Kubernetes API reference, LabelSelector (apimachinery pkg/apis/meta/v1/helpers.go), and the
documentation of labels and selectors for their form as text.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

Labels = Mapping[str, str]
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
TOKEN = re.compile(r"!=|==|[=!,()]|[^\s=!,()]+")


def is_label(key: str, value: str) -> bool:
    """Whether a label is valid for the API server."""
    return KEY.fullmatch(key) is not None and VALUE.fullmatch(value) is not None


def requirement_matches(requirement: Mapping[str, t.Any], labels: Labels) -> bool:
    """Return whether one matchExpressions entry (key, operator, values) holds for the labels."""
    key, operator = requirement["key"], requirement["operator"]
    values = requirement.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"unknown label selector operator {operator!r}")


def matches(selector: Mapping[str, t.Any] | None, labels: Labels) -> bool:
    """Return whether a LabelSelector matches; a missing or empty one matches everything."""
    if not selector:
        return True
    match_labels = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in match_labels.items()):
        return False
    return all(requirement_matches(requirement, labels) for requirement in selector.get("matchExpressions") or [])


def parse_selector(text: str) -> dict[str, t.Any]:
    """Return the LabelSelector of a text such as ``app=web,tier in (a, b),!legacy``.

    Raises:
        ValueError: the text is not a valid selector; with the position.
    """
    return {"matchExpressions": _Parser(text).requirements()} if text.strip() else {}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [(match.start() + 1, match[0]) for match in TOKEN.finditer(text)]

    def _syntax_error(self, expected: str) -> ValueError:
        at, token = self._tokens[0] if self._tokens else (len(self._text) + 1, "")
        actual = repr(token) if token else "its end"
        return ValueError(f"{self._text!r} has {actual} at position {at}, where {expected} should be")

    def _next(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _take(self, pattern: re.Pattern[str], expected: str) -> str:
        if not pattern.fullmatch(self._next()):
            raise self._syntax_error(expected)
        return self._tokens.pop(0)[1]

    def _skip(self, *signs: str) -> bool:
        return bool(self._next() in signs and self._tokens.pop(0))

    def requirements(self) -> list[dict[str, t.Any]]:
        requirements = [self._requirement()]
        while self._skip(","):
            requirements.append(self._requirement())
        if self._tokens:
            raise self._syntax_error("',' or the end")
        return requirements

    def _requirement(self) -> dict[str, t.Any]:
        absent = self._skip("!")
        key = self._take(KEY, "the key of a label")
        if absent:
            return {"key": key, "operator": "DoesNotExist"}
        if self._skip("=", "=="):
            return {"key": key, "operator": "In", "values": [self._value()]}
        if self._skip("!="):
            return {"key": key, "operator": "NotIn", "values": [self._value()]}
        if self._skip("in"):
            return {"key": key, "operator": "In", "values": self._values()}
        if self._skip("notin"):
            return {"key": key, "operator": "NotIn", "values": self._values()}
        return {"key": key, "operator": "Exists"}

    def _value(self) -> str:
        # An empty value is followed by the next requirement or the end.
        return "" if self._next() in ("", ",", ")") else self._take(VALUE, "the value of a label")

    def _values(self) -> list[str]:
        if not self._skip("("):
            raise self._syntax_error("'('")
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        if not self._skip(")"):
            raise self._syntax_error("',' or ')'")
        return values
