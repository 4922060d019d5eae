# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert values of task results into the types that the report expects, and limit their size."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json

#: Limits of a text, a log and a list. They keep the files small, however much a cluster returns.
MAX_CHARACTERS = 2000
MAX_LINES = 50
MAX_ROWS = 200


def as_text(value: object, limit: int = MAX_CHARACTERS) -> str:
    """Return a value as text, truncated to a number of characters. None becomes an empty text."""
    text = "" if value is None else str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def as_number(value: object) -> int:
    """Return an integer as it is, and 0 for any other type."""
    return value if isinstance(value, int) else 0


def as_mapping(value: object) -> Mapping[str, t.Any]:
    """Return a mapping as it is, and an empty one for any other type."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[t.Any]:
    """Return a list or tuple as a list, and an empty one for any other type."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_texts(value: object) -> list[str]:
    """Return a list with each entry as text."""
    return [as_text(entry) for entry in as_list(value)]


def as_rows(rows: object, columns: Mapping[str, t.Any]) -> list[Json]:
    """Return the mappings of a list, each reduced to some columns.

    Args:
        rows: a list of a result, of any type.
        columns: column -> example of its value, which determines the type.
    """
    mappings = [row for row in as_list(rows) if isinstance(row, Mapping)]
    return [
        {name: _as_type_of(example, row.get(name)) for name, example in columns.items()} for row in mappings[:MAX_ROWS]
    ]


def _as_type_of(example: object, value: object) -> t.Any:
    """Return a value in the type of an example: text, number, list of texts, or mapping of texts."""
    if isinstance(example, str):
        return as_text(value)
    if isinstance(example, int):
        return as_number(value)
    if isinstance(example, list):
        return [as_text(entry) for entry in as_list(value)[-MAX_LINES:]]
    return {as_text(key): as_text(entry) for key, entry in value.items()} if isinstance(value, Mapping) else None
