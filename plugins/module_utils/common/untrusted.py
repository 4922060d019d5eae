# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads untrusted data of a cluster; the only exception that these functions raise is ValueError.

The API server validates the fields of its own kinds. It validates neither annotations, nor texts in ConfigMaps, nor the
open parts of the schema of a custom resource.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef

#: Limit of an object in etcd (its option max-request-bytes).
MAX_CHARACTERS = 3 * 2**19
#: Real settings are not nested as deeply, and Python cannot copy or write deeper values.
MAX_DEPTH = 64
#: Limit of the numbers in the API server's own kinds.
MAX_INT = 2**31 - 1


def read_json(text: object) -> t.Any:
    """Return the value of a JSON text; it can be copied, compared and written.

    Raises:
        ValueError: it is not JSON, too large or too deep, or has numbers or characters that other parsers refuse.
    """
    if not isinstance(text, str):
        raise ValueError("it is not a text")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has more than {MAX_CHARACTERS} characters")
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    if text.count("[") + text.count("{") > MAX_DEPTH or "\\u" in text:
        _require_copyable(value)
    return value


def read_json_map(text: object) -> Json:
    """Return the JSON object in a text.

    Raises:
        ValueError: the text is not a JSON object.
    """
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def _refuse_number(text: str) -> t.NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("it has a number that is too large")
    return number


def _require_copyable(value: t.Any) -> None:
    """Refuse values that are nested too deeply, without recursion, and lone surrogates, which cannot be encoded."""
    level = [value]
    for dummy in range(MAX_DEPTH + 1):
        inner: list[t.Any] = []
        for item in level:
            if isinstance(item, str):
                item.encode()  # A UnicodeEncodeError is a ValueError.
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, dict):
                inner += item
                inner += item.values()
        if not inner:
            return
        level = inner
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def as_map(value: object) -> Mapping[str, t.Any]:
    """Return a map as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[t.Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_maps(value: object) -> Iterator[Mapping[str, t.Any]]:
    """Yield the maps in what should be a list of maps."""
    return (item for item in as_list(value) if isinstance(item, Mapping))


def as_text(value: object, default: str = "") -> str:
    """Return a text as it is, and a default for anything else."""
    return value if isinstance(value, str) else default


def as_texts(value: object) -> dict[str, str]:
    """Return the texts in what should be a map of texts, such as labels."""
    return {key: text for key, text in as_map(value).items() if isinstance(key, str) and isinstance(text, str)}


def as_int(value: object, default: int = 0) -> int:
    """Return a non-negative integer that the API server could have written, and a default for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return value if 0 <= value <= MAX_INT else default


def as_time(value: object) -> datetime.datetime | None:
    """Return a time that has a zone and can be calculated with, and None for anything else."""
    try:
        time = datetime.datetime.fromisoformat(as_text(value))
    except ValueError:
        return None
    # The margins on both sides allow for time zones and for durations that are added.
    return time if time.tzinfo and 1900 <= time.year <= 9000 else None


def shown(value: object, most: int = 80) -> str:
    """Return a text for a message: one line of printable characters with a limited length."""
    text = "".join(char if char.isprintable() else " " for char in str(value)[: 4 * most])
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


#: Parts of results that are read as one line.
LINES = ("msg", "actions", "warnings", "object", "message", "reason", "remedy", "title", "events")
MOST_IN_LINE = 10_000


def printable(value: t.Any, *, line: bool = False) -> t.Any:
    """Return a result without characters that change what a terminal, a log or a browser shows; lists and maps too."""
    if isinstance(value, str):
        text = value if value.isprintable() else "".join(map(_sign, value))
        return shown(text, MOST_IN_LINE) if line and (not text.isprintable() or len(text) > MOST_IN_LINE) else text
    if isinstance(value, Mapping):
        return {printable(key, line=True): printable(item, line=line or key in LINES) for key, item in value.items()}
    return [printable(item, line=line) for item in value] if isinstance(value, (list, tuple)) else value


def _sign(sign: str) -> str:
    return sign if sign.isprintable() or sign in "\n\t" else " "


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of an object that cannot be read: the object, the part, and the reason."""

    ref: ObjectRef
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field} of {self.ref} cannot be read: {self.reason}"


class Reader:
    """Reads parts of one object; a part that cannot be read counts as missing, and is kept in ``unreadable``."""

    def __init__(self, ref: ObjectRef) -> None:
        self._ref = ref
        self._parts: list[Unreadable] = []

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The parts that could not be read so far."""
        return tuple(self._parts)

    def failed(self, field: str) -> bool:
        """Return whether a part, or a part of it, could not be read."""
        return any(part.field.startswith(field) for part in self._parts)

    def refuse(self, field: str, reason: object) -> None:
        """Record that a part cannot be read."""
        self._parts.append(Unreadable(self._ref, shown(field), shown(reason, 160)))

    def _as(self, field: str, value: object, kind: type | tuple[type, ...], noun: str) -> bool:
        matches = isinstance(value, kind)
        if not matches and value is not None:
            self.refuse(field, f"it is not a {noun}")
        return matches

    def json(self, field: str, text: object) -> Json:
        """Return the JSON object in a text; an empty object for an empty text."""
        try:
            return {} if text in (None, "") else read_json_map(text)
        except ValueError as exc:
            self.refuse(field, exc)
            return {}

    def map(self, field: str, value: object) -> Mapping[str, t.Any]:
        """Return a map."""
        return as_map(value) if self._as(field, value, Mapping, "map") else {}

    def maps(self, field: str, value: object) -> list[Mapping[str, t.Any]]:
        """Return the maps of a list."""
        rows = as_list(value) if self._as(field, value, list, "list") else []
        return [row for index, row in enumerate(rows) if self._as(f"{field}[{index}]", row, Mapping, "map")]

    def text(self, field: str, value: object) -> str:
        """Return a text."""
        return as_text(value) if self._as(field, value, str, "text") else ""

    def texts(self, field: str, value: object) -> dict[str, str]:
        """Return a map of texts, such as labels."""
        return {
            key: text for key, text in self.map(field, value).items() if self._as(f"{field}.{key}", text, str, "text")
        }

    def number(self, field: str, value: object) -> int | None:
        """Return a whole number, or None."""
        if value is not None and as_int(value, -1) < 0:
            self.refuse(field, "it is not a whole number in the range of Kubernetes")
        return None if as_int(value, -1) < 0 else as_int(value)
