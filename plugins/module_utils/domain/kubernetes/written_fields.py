# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the fields of an object that some clients wrote, by dotted paths.

Entries of a list are keyed by their names if all have one, else by position. A client that only removes a field leaves
no entry (`field_managers`).
"""

from __future__ import annotations

import typing as t
from collections.abc import Container, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import (
    ANOTHER_CLIENT,
    ListItem,
    field_sets,
    read_step,
)


def list_keys(entries: list[t.Any]) -> list[str]:
    """Return the last part of the path of each entry of a list: its name, or else its position."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    by_name = all(names) and len(set(map(str, names))) == len(names)
    return [f"[{name if by_name else at}]" for at, name in enumerate(names)]


def fields_of_others(obj: Mapping[str, t.Any], known: Container[str]) -> dict[str, str]:
    """Return the path of each field that a client wrote whose name is not ``known`` -> that client.

    Writes through subresources do not count, such as those of an autoscaler.
    """
    fields: dict[str, str] = {}
    for manager, written in field_sets(obj):
        if manager.name not in known and not manager.subresource:
            fields.update(dict.fromkeys(_paths(written, obj, ""), manager.name or ANOTHER_CLIENT))
    return fields


def writer_of_path(path: str, fields: Mapping[str, str]) -> str:
    """Return which client of `fields_of_others` wrote a field, a part of it, or the whole that contains it, or ""."""
    for written, manager in fields.items():
        if path == written or path.startswith(f"{written}.") or written.startswith(f"{path}."):
            return manager
    return ""


def _paths(fields: Mapping[str, t.Any], value: t.Any, path: str) -> Iterator[str]:
    """Yield the paths of the fields of a FieldsV1 set that exist in a value."""
    below = {key: inner for key, inner in fields.items() if key != "."}
    if not below:
        # Alone, "." stands for the map or the entry itself, not for what is in it.
        if path and not (fields and isinstance(value, (Mapping, list)) and value):
            yield path
        return
    for key, inner in below.items():
        step = _child(key, value)
        if step:
            yield from _paths(as_map(inner), step[1], f"{path}.{step[0]}" if path else step[0])


def _child(key: str, value: t.Any) -> tuple[str, t.Any] | None:
    """Return the path and the value of what a key of FieldsV1 stands for, or None if it does not exist."""
    step = read_step(key)
    if isinstance(step, str):
        return (step, value[step]) if isinstance(value, Mapping) and step in value else None
    if step is None or not isinstance(value, list):
        return None
    for shown, entry in zip(list_keys(value), value, strict=True):
        if entry == step.value if isinstance(step, ListItem) else _has_all(as_map(entry), step):
            return shown, entry
    return None


def _has_all(entry: Mapping[str, t.Any], key: Mapping[str, t.Any]) -> bool:
    return all(entry.get(part) == inner for part, inner in key.items())
