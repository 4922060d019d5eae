# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe how an installation changes one object, field by field."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import flatten
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import list_keys

#: A CRD has hundreds of fields that differ; results show the first ones.
FIELDS_SHOWN = 25
#: Metadata that the API server writes.
_SERVER_METADATA = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


class ChangeRow(t.TypedDict):
    """One changed object in the results of a task."""

    kind: str
    namespace: str
    name: str
    change: str
    fields: list[str]
    field_count: int


@dataclasses.dataclass(frozen=True)
class ObjectChange:
    """One object that an installation would create, update or prune; ``fields`` maps a path to (before, after).

    ``live`` and ``after`` are the whole object before and after an update.
    """

    kind: str
    namespace: str
    name: str
    change: t.Literal["create", "update", "prune"]
    fields: Mapping[str, tuple[t.Any, t.Any]] = dataclasses.field(default_factory=dict)
    live: Json = dataclasses.field(default_factory=dict, compare=False, repr=False)
    after: Json = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.change} {self.ref}"

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return ObjectRef(self.namespace, self.kind, self.name)

    @property
    def place(self) -> str:
        """The object as blockers and results name it."""
        return str(self.ref)

    def as_row(self) -> ChangeRow:
        """Return the JSON-ready form that results carry: the first field paths and their total number."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "change": self.change,
            "fields": sorted(self.fields)[:FIELDS_SHOWN],
            "field_count": len(self.fields),
        }


def comparable(obj: Json) -> Json:
    """Return an object without the fields that only the API server writes."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def field_differences(before: Json, after: Json) -> dict[str, tuple[t.Any, t.Any]]:
    """Return dotted path -> (before, after) of every leaf that differs."""
    old, new = leaf_values(before), leaf_values(after)
    return {path: (old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}


def leaf_values(obj: Json) -> Json:
    """Return dotted path -> value of every leaf."""
    return dict(flatten(_with_keys(obj)))


def _with_keys(value: t.Any) -> t.Any:
    """Return a value with lists as mappings, keyed by the names of the entries or else by position, to get paths."""
    if isinstance(value, Mapping):
        return {key: _with_keys(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    return {key: _with_keys(entry) for key, entry in zip(list_keys(value), value, strict=True)}


def shorten_value(value: t.Any, limit: int = 160) -> t.Any:
    """Return a field's value for a diff; a text longer than ``limit`` is cut, and its length is added."""
    text = value if isinstance(value, str) else None
    return f"{text[:limit]}... ({len(text)} characters)" if text and len(text) > limit else value
