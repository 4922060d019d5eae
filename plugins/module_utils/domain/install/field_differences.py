# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two objects field by field, by the paths of `written_fields`."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import list_keys

#: A path, and the value before and after; None stands for an absent field.
Difference = tuple[str, t.Any, t.Any]


def differences(old: t.Any, new: t.Any, path: str = "") -> Iterator[Difference]:
    """Yield each field that differs; a map or a named entry that exists on one side only is one field."""
    both_named = all(isinstance(side, list) and _is_named(side) for side in (old, new))
    if both_named:
        old, new = (dict(zip(list_keys(side), side, strict=True)) for side in (old, new))
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield path, old, new
        return
    for key in dict.fromkeys([*old, *new]):
        yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))


def _is_named(entries: list[t.Any]) -> bool:
    return bool(entries) and all(isinstance(entry, Mapping) and entry.get("name") for entry in entries)


def value_at(value: t.Any, path: str) -> t.Any:
    """Return the value at a dotted path whose keys have no dots, or None."""
    for key in path.split("."):
        if isinstance(value, list):
            value = dict(zip(list_keys(value), value, strict=True))
        value = as_map(value).get(key)
    return value
