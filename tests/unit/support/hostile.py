# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds which parts of objects are read, and which values an API server would accept there from any user.

The objects that a client returns are replaced by ones that note each path that is asked for, there or not.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

from unit.support import builders as b

Path = tuple[str | int, ...]
#: Kind and path; of lists only that it is an entry, so that a path of all pods is one.
Place = tuple[str, Path]

DEEP = 20_000
TEXTS = (
    "",
    "unknown",
    "{",
    "[]",
    "null",
    "7",
    "-1",
    "1.5%",
    "--post-renderer=bash",
    "../../../version?x=",
    "a\nb\x1b[31m\u202e\u2028",
    "[" * DEEP,
    '{"a":' * DEEP,
    "[" * 900 + "]" * 900,
    '{"revision": {"a": ["b"]}, "istio.io/rev": 7, "global": [], "phases": 7, "previous": "x", "record": NaN}',
    '{"revision": "\\ud800", "istio.io/rev": "\\ud800", "started_by": "\\ud800", "global": {"hub": "\\ud800"}}',
    '{"istio.io/rev": "gone\\n--x", "revision": "gone\\n--x"}',
    "9" * 5000,
    "1." + "9" * 5000,
    "x" * 2**15,
    "policy: !!int ''",
    "policy: 2001-99-99",
    "a: &a [*a]",
    "(" * 200,
    "((.*)*)*x{4294967295}",
)
LABELS = ("", "A_b.c", "x" * 63, "9" * 63, "true", "1.99", "gone")
NUMBERS = (0, 1, 2**31 - 1)
TIMES = ("0000-01-02T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00.123456789Z")


def deep(levels: int) -> t.Any:
    """Lists in lists; as many as an API server takes would be a text of their own in a test of the client."""
    found: t.Any = []
    for dummy in range(levels):
        found = [found]
    return found


ANYTHING = (None, True, 7, -1, 1.5, 2**63, "", "many", "1.5%", "9" * 5000, "a\nb\x1b", [], [7], [None], {}, {"a": 7})
ANYTHING += ([[]], [{"a": None}], {"": {"": []}}, "x" * 2**15, "2026-13-45", deep(200))
#: Custom resources, whose schema leaves most fields open or is unknown.
CUSTOM = ("EnvoyFilter", "WasmPlugin", "Rollout")
#: Texts that the API server only asks to be there.
LOOSE = ("image", "reason", "message", "phase", "kubeletVersion", "holderIdentity")
OF_TIME = ("creationTimestamp", "lastTransitionTime", "renewTime", "acquireTime", "deletionTimestamp")


def values_at(place: Place, now: object) -> tuple[t.Any, ...]:
    """Return the other values that an API server would accept at a place; none where it checks the value."""
    kind, path = place
    if path[:2] == ("metadata", "annotations"):
        return TEXTS if len(path) == 3 else ()
    if path[:2] == ("metadata", "labels"):
        return LABELS if len(path) == 3 else ()
    if path[0] == "metadata":
        owner = path[1:2] == ("ownerReferences",) and path[-1] in ("kind", "name", "apiVersion")
        return tuple(filter(None, TEXTS)) if owner else TIMES if path[-1] in OF_TIME else ()
    if kind in CUSTOM:
        return ANYTHING if len(path) > 1 or path[0] in ("spec", "status") else ()
    if kind == "ConfigMap":
        return TEXTS if path[0] == "data" and len(path) == 2 else ()
    if path[-2:] in (("service", "name"), ("service", "namespace")) or path[-1] in LOOSE:
        return tuple(filter(None, TEXTS))
    if path[-1] in OF_TIME:
        return TIMES
    if path[-3:-1] == ("metadata", "annotations"):
        return TEXTS
    return NUMBERS if isinstance(now, int) and not isinstance(now, bool) else ()


class Seen(dict[str, t.Any]):
    """A map that notes what it is asked for."""

    def __init__(self, found: b.Json, kind: str, path: Path, told: dict[Place, object]) -> None:
        super().__init__(found)
        self._about = (kind, path, told)

    def _note(self, key: str) -> t.Any:
        kind, path, told = self._about
        value = super().get(key)
        told.setdefault((kind, (*path, key)), value)
        return watched(value, kind, (*path, key), told)

    def __getitem__(self, key: str) -> t.Any:
        super().__getitem__(key)
        return self._note(key)

    def get(self, key: str, default: t.Any = None) -> t.Any:
        found = self._note(key)
        return found if super().__contains__(key) else default

    def __contains__(self, key: object) -> bool:
        self._note(str(key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        """That there is one of our own makes ``{**found}`` ask for each part."""
        return iter(list(super().keys()))

    def values(self) -> t.Any:
        return [self._note(key) for key in self]

    def items(self) -> t.Any:
        return [(key, self._note(key)) for key in self]


def watched(value: t.Any, kind: str, path: Path, told: dict[Place, object]) -> t.Any:
    """Return a value whose maps note what they are asked for."""
    if isinstance(value, dict):
        return Seen(value, kind, path, told)
    if isinstance(value, list):
        return [watched(one, kind, (*path, 0), told) for one in value]
    return value


def holders(obj: t.Any, path: Path) -> Iterator[t.Any]:
    """Yield the maps of an object in which the last step of a path is."""
    if len(path) == 1:
        yield from [obj] if isinstance(obj, dict) else []
    elif isinstance(obj, list):
        for one in obj:
            yield from holders(one, path[1:])
    elif isinstance(obj, dict):
        yield from holders(obj.get(t.cast("str", path[0])), path[1:])
