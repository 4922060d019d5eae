# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what anybody may have written into a cluster; nothing here raises but ValueError.

The API server checks the fields of its own kinds. It checks neither annotations, nor texts in ConfigMaps, nor what the
schema of a custom resource leaves open.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef

#: An object is no larger in etcd (its option max-request-bytes).
MOST_CHARACTERS = 3 * 2**19
#: What is deeper is no setting of anybody, and Python cannot copy or write it.
DEPTH = 64
#: The API server's own numbers are no larger.
MOST = 2**31 - 1


def read_json(text: object) -> t.Any:
    """Return what a text says that should be JSON; it can be copied, compared and written like any other.

    Raises:
        ValueError: it is no JSON, too large or too deep, or it has numbers or characters that nobody else can read.
    """
    if not isinstance(text, str):
        raise ValueError("it is no text")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has more than {MOST_CHARACTERS} characters")
    try:
        found = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEPTH} levels deep") from None
    if text.count("[") + text.count("{") > DEPTH or "\\u" in text:
        _check(found)
    return found


def read_json_map(text: object) -> Json:
    """Return the JSON object in a text.

    Raises:
        ValueError: it is none.
    """
    found = read_json(text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _refuse_number(text: str) -> t.NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("it has a number that is too large")
    return number


def _check(value: t.Any) -> None:
    """Refuse what is too deep, without recursion, and halves of characters, which cannot be written anywhere."""
    level = [value]
    for dummy in range(DEPTH + 1):
        inner: list[t.Any] = []
        for one in level:
            if isinstance(one, str):
                one.encode()  # a UnicodeEncodeError is a ValueError
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, dict):
                inner += one
                inner += one.values()
        if not inner:
            return
        level = inner
    raise ValueError(f"it is nested more than {DEPTH} levels deep")


def as_map(value: object) -> Mapping[str, t.Any]:
    """Return a map as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[t.Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_maps(value: object) -> Iterator[Mapping[str, t.Any]]:
    """Yield the maps in what should be a list of maps."""
    return (one for one in as_list(value) if isinstance(one, Mapping))


def as_text(value: object, default: str = "") -> str:
    """Return a text as it is, and a default for anything else."""
    return value if isinstance(value, str) else default


def as_texts(value: object) -> dict[str, str]:
    """Return the texts in what should be a map of texts, such as labels."""
    return {key: one for key, one in as_map(value).items() if isinstance(key, str) and isinstance(one, str)}


def as_int(value: object, default: int = 0) -> int:
    """Return a whole number from 0 that the API server could have written, and a default for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return value if 0 <= value <= MOST else default


def as_time(value: object) -> datetime.datetime | None:
    """Return a time that has a zone and can be calculated with, and None for anything else."""
    try:
        found = datetime.datetime.fromisoformat(as_text(value))
    except ValueError:
        return None
    # a year of room on both sides, for zones and for what is added
    return found if found.tzinfo and 1900 <= found.year <= 9000 else None


def shown(value: object, most: int = 80) -> str:
    """Return a text for a message: one line of characters that print, no longer than that."""
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
        return {printable(key, line=True): printable(one, line=line or key in LINES) for key, one in value.items()}
    return [printable(one, line=line) for one in value] if isinstance(value, (list, tuple)) else value


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
        self._found: list[Unreadable] = []

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """What could not be read so far."""
        return tuple(self._found)

    def failed(self, field: str) -> bool:
        """Whether a part, or something in it, could not be read."""
        return any(one.field.startswith(field) for one in self._found)

    def refuse(self, field: str, why: object) -> None:
        """Keep that a part cannot be read."""
        self._found.append(Unreadable(self._ref, shown(field), shown(why, 160)))

    def _as(self, field: str, value: object, kind: type | tuple[type, ...], what: str) -> bool:
        right = isinstance(value, kind)
        if not right and value is not None:
            self.refuse(field, f"it is not a {what}")
        return right

    def json(self, field: str, text: object) -> Json:
        """Return the JSON object in a text; an empty one where it says nothing."""
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
        return [one for at, one in enumerate(rows) if self._as(f"{field}[{at}]", one, Mapping, "map")]

    def text(self, field: str, value: object) -> str:
        """Return a text."""
        return as_text(value) if self._as(field, value, str, "text") else ""

    def texts(self, field: str, value: object) -> dict[str, str]:
        """Return a map of texts, such as labels."""
        return {key: one for key, one in self.map(field, value).items() if self._as(f"{field}.{key}", one, str, "text")}

    def number(self, field: str, value: object) -> int | None:
        """Return a whole number, or None."""
        if value is not None and as_int(value, -1) < 0:
            self.refuse(field, "it is not a whole number in the range of Kubernetes")
        return None if as_int(value, -1) < 0 else as_int(value)
