# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API objects as raw JSON: their common fields, and a reference to an object."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

Json = dict[str, t.Any]
#: The field manager of the patches of this collection.
FIELD_MANAGER = "meshops.istio"


class ObjectRef(t.NamedTuple):
    """A reference to one object, cluster-scoped without a namespace. Code compares references; people read texts.

    References sort by namespace, kind and name.
    """

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}".rstrip()


def cluster_object(kind: str, name: str) -> ObjectRef:
    """Return the reference of a cluster-scoped object."""
    return ObjectRef("", kind, name)


def parse_ref(text: str) -> ObjectRef:
    """Return the object that an option or a result names, such as Deployment shop/cart."""
    kind, dummy, place = text.strip().partition(" ")
    namespace, dummy, name = place.strip().rpartition("/")
    return ObjectRef(namespace, kind, name)


def ref_of(obj: Mapping[str, t.Any]) -> ObjectRef:
    """Return the reference of an API object."""
    return ObjectRef(str(obj.get("metadata", {}).get("namespace") or ""), str(obj.get("kind") or ""), name_of(obj))


def labels_of(obj: Mapping[str, t.Any]) -> dict[str, str]:
    """Return the labels of an API object."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Mapping[str, t.Any]) -> dict[str, str]:
    """Return the annotations of an API object."""
    return obj.get("metadata", {}).get("annotations") or {}


def name_of(obj: Mapping[str, t.Any]) -> str:
    """Return the name of an API object."""
    return str(obj.get("metadata", {}).get("name") or "")


def place_of(obj: Mapping[str, t.Any]) -> tuple[str, str]:
    """Return (namespace, name) of an API object."""
    return (str(obj["metadata"]["namespace"]), name_of(obj))
