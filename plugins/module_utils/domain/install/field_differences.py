# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two objects field by field, and find the fields that one of some clients wrote.

A field has a dotted path; entries of a list are keyed by their names if all have one, else by position. Source of the
writers: Kubernetes documentation, "Server-Side Apply", metadata.managedFields. A client that only removes a field
leaves no entry.
"""

from __future__ import annotations

import typing as t
from collections.abc import Container, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import (
    as_map,
    as_maps,
    as_text,
    read_json,
    read_json_map,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import ANOTHER_CLIENT

ABSENT: t.Final = None
#: A path, and the value before and after; None stands for an absent field.
Difference = tuple[str, t.Any, t.Any]


def list_keys(entries: list[t.Any]) -> list[str]:
    """Return the last part of the path of each entry of a list: its name, or else its position."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    by_name = all(names) and len(set(map(str, names))) == len(names)
    return [f"[{name if by_name else at}]" for at, name in enumerate(names)]


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


def fields_of_others(obj: Mapping[str, t.Any], known: Container[str]) -> dict[str, str]:
    """Return the path of each field that a client wrote whose name is not ``known`` -> that client.

    Writes through subresources do not count, such as those of an autoscaler.
    """
    fields: dict[str, str] = {}
    for entry in as_maps(as_map(obj.get("metadata")).get("managedFields")):
        manager = as_text(entry.get("manager"))
        if manager not in known and not entry.get("subresource"):
            fields.update(dict.fromkeys(_paths(as_map(entry.get("fieldsV1")), obj, ""), manager or ANOTHER_CLIENT))
    return fields


def writer_of(path: str, fields: Mapping[str, str]) -> str:
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
    kind, dummy, name = key.partition(":")
    if kind == "f":
        return (name, value[name]) if isinstance(value, Mapping) and name in value else None
    if not isinstance(value, list):
        return None
    try:
        wanted = read_json_map(name) if kind == "k" else read_json(name)
    except ValueError:
        return None
    for shown, entry in zip(list_keys(value), value, strict=True):
        if kind == "k" and all(as_map(entry).get(part) == inner for part, inner in wanted.items()):
            return shown, entry
        if kind == "v" and entry == wanted:
            return shown, entry
    return None
