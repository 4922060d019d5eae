# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names the client that wrote a field of an object, from what the API server recorded (metadata.managedFields).

Source: Kubernetes documentation, "Server-Side Apply", and apimachinery's type ManagedFieldsEntry. A client that only
removes a field which another client owns leaves no entry, and a time has whole seconds. So an entry proves that a
client wrote a field, but a missing entry does not prove that no other client did.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Collection, Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import (
    as_map,
    as_maps,
    as_text,
    as_time,
    read_json,
    read_json_map,
    shown,
)

#: A writer that left no entry.
ANOTHER_CLIENT = "another client"
#: The products that write under these names, so that a reader knows where the source of a field is.
PRODUCTS = {
    "argocd-application-controller": "Argo CD",
    "argocd-controller": "Argo CD",
    "fleetagent": "Rancher Fleet",
    "helm": "Helm",
    "helm-controller": "Flux",
    "istio-operator": "istioctl or the in-cluster operator of Istio",
    "kustomize-controller": "Flux",
    "rancher": "Rancher",
}
#: Clients with which a person writes one field, and the installers of Istio, which write what a run asks them to.
PERSONS = frozenset({"kubectl-label", "kubectl-edit", "kubectl-patch", "kubectl-annotate"})
ISTIO_CLIENTS = frozenset({"istio-operator", "istio-kube-client", "istio-ci", "istioctl"})
_BEGINNING = datetime.datetime.min.replace(tzinfo=datetime.UTC)
#: A step to a field: a key, or for an item of a list the fields that identify it, such as the name of a container.
Step: t.TypeAlias = "str | Mapping[str, t.Any]"


@dataclasses.dataclass(frozen=True, slots=True)
class ListItem:
    """A step to an item of a list without names, such as a finalizer: the item itself."""

    value: t.Any


@dataclasses.dataclass(frozen=True, slots=True)
class FieldManager:
    """A client that wrote fields of an object: its name, how it wrote, when, and through which subresource."""

    name: str
    operation: str = "Update"
    time: datetime.datetime | None = None
    subresource: str = ""

    @property
    def is_person(self) -> bool:
        """Whether a person wrote the field, so that no other client puts it back."""
        return self.name in PERSONS

    @property
    def keeps_fields(self) -> bool:
        """Whether it probably writes the field again: a known product, or a client that declares objects by apply."""
        if self.name in ISTIO_CLIENTS or self.name.startswith("kubectl"):
            return False
        return self.name in PRODUCTS or self.operation == "Apply"

    def __str__(self) -> str:
        product = PRODUCTS.get(self.name)
        return f"{self.name} ({product})" if product else self.name or ANOTHER_CLIENT


def field_sets(obj: Mapping[str, t.Any]) -> Iterator[tuple[FieldManager, Mapping[str, t.Any]]]:
    """Yield each client that wrote fields of an object, with the set of these fields (FieldsV1)."""
    for entry in as_maps(as_map(obj.get("metadata")).get("managedFields")):
        yield _read(entry), as_map(entry.get("fieldsV1"))


def managers_of(obj: Mapping[str, t.Any], path: Sequence[Step] = ()) -> list[FieldManager]:
    """Return the managers of a field, or of anything below it, the newest first; without a path, of the object."""
    managers = [manager for manager, fields in field_sets(obj) if _has(fields, path)]
    return sorted(managers, key=lambda manager: manager.time or _BEGINNING, reverse=True)


def manager_of_field(obj: Mapping[str, t.Any], path: Sequence[Step], own: Collection[str] = ()) -> FieldManager | None:
    """Return the client, except for some, that wrote a field last, or None where no entry has the field."""
    return next((manager for manager in managers_of(obj, path) if manager.name not in own), None)


def name_writer(
    obj: Mapping[str, t.Any],
    path: Sequence[Step],
    own: Collection[str],
    since: datetime.datetime | None = None,
) -> str:
    """Name the client that changed or removed a field after our own write.

    The controller of the object comes first, because it restores what it owns, whoever wrote last. Else it is the
    manager of the field, or of the object, whose entry is not older than our write.

    Args:
        own: the names under which this collection writes.
        since: when our write was made, if not at the time of our own entry.
    """
    if controller := controller_of(obj):
        return controller
    everyone = [manager for manager in managers_of(obj) if not manager.subresource]
    own_times = [manager.time for manager in everyone if manager.name in own and manager.time]
    begin = (since or max(own_times, default=_BEGINNING)).replace(microsecond=0)
    for candidates in (managers_of(obj, path), everyone):
        for manager in candidates:
            if manager.name not in own and not manager.subresource and (manager.time or _BEGINNING) >= begin:
                return str(manager)
    return ANOTHER_CLIENT


def controller_of(obj: Mapping[str, t.Any]) -> str:
    """Return the kind and name of the controller in the owner references of an object, or an empty text."""
    owners = as_maps(as_map(obj.get("metadata")).get("ownerReferences"))
    controllers = (f"{owner.get('kind')} {owner.get('name')}" for owner in owners if owner.get("controller"))
    return shown(next(controllers, ""))


def _read(entry: Mapping[str, t.Any]) -> FieldManager:
    return FieldManager(
        name=shown(as_text(entry.get("manager"))),
        operation=as_text(entry.get("operation"), "Update"),
        time=as_time(entry.get("time")),
        subresource=as_text(entry.get("subresource")),
    )


def _has(fields: Mapping[str, t.Any], path: Sequence[Step]) -> bool:
    """Return whether a set of fields (FieldsV1) has a field, or one below it."""
    if not path:
        return True
    return any(_has(as_map(below), path[1:]) for key, below in fields.items() if _is_step(read_step(key), path[0]))


def _is_step(step: Step | ListItem | None, wanted: Step) -> bool:
    """Return whether a step leads to a wanted field; an item is identified by some of its fields."""
    if isinstance(step, Mapping) and isinstance(wanted, Mapping):
        return all(name in step and step[name] == value for name, value in wanted.items())
    return step == wanted


def read_step(key: str) -> Step | ListItem | None:
    """Return what a key of a set of fields (FieldsV1) stands for; None for the set itself, or if it is not valid."""
    kind, dummy, text = key.partition(":")
    try:
        if kind == "k":
            return read_json_map(text)
        if kind == "v":
            return ListItem(read_json(text))
    except ValueError:
        return None
    return text if kind == "f" else None
