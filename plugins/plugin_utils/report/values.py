# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of results as the report takes them: small, and in a form that is known."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json

#: The file and its readers stay small, however much a cluster has to say.
TEXT = 2000
LINES = 50
ROWS = 200


def short(value: object, limit: int = TEXT) -> str:
    """Return a value as text that has an end."""
    text = "" if value is None else str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def number_of(value: object) -> int:
    return value if isinstance(value, int) else 0


def mapping(value: object) -> Mapping[str, t.Any]:
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[t.Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _like(example: object, value: object) -> t.Any:
    """Return a value in the form of an example, whatever it is: text, number, list of texts, or texts by name."""
    if isinstance(example, str):
        return short(value)
    if isinstance(example, int):
        return number_of(value)
    if isinstance(example, list):
        return [short(one) for one in listed(value)[-LINES:]]
    return {short(key): short(one) for key, one in value.items()} if isinstance(value, Mapping) else None


def rows_of(rows: object, columns: Mapping[str, t.Any]) -> list[Json]:
    found = [one for one in listed(rows) if isinstance(one, Mapping)]
    return [{name: _like(example, one.get(name)) for name, example in columns.items()} for one in found[:ROWS]]
