# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps of an object only who wrote its labels last, and their owner: objects that were read keep no managedFields."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import annotations_of, labels_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import (
    ANOTHER_CLIENT,
    FieldManager,
    managers_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.git_owners import marked_owner

#: Where an object has its labels, and a workload those of its pods.
LABELS = ("metadata", "labels")
TEMPLATE_LABELS = ("spec", "template", "metadata", "labels")
_BEGINNING = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class LabelWriters:
    """The last writer of each label, and the time of the last write of this collection to the object."""

    by_label: Mapping[str, FieldManager] = dataclasses.field(default_factory=dict)
    own_time: datetime.datetime = _BEGINNING
    own_name: str = ""
    #: The client that declares the labels elsewhere, such as in Git, and puts them back; empty if none is known.
    owner: str = ""

    def of_change(self, labels: Collection[str]) -> str:
        """Return the client that wrote these labels after this collection wrote the object last."""
        writers = [writer for label in labels if (writer := self.by_label.get(label))]
        later = [w for w in writers if w.name != self.own_name and (w.time or _BEGINNING) >= self.own_time]
        newest = max(later, key=lambda writer: (writer.time or _BEGINNING, writer.name), default=None)
        return str(newest) if newest else ANOTHER_CLIENT


def read_label_writers(
    obj: Mapping[str, t.Any], labels: Collection[str], own: str, path: Sequence[str] = LABELS
) -> LabelWriters:
    """Return the last writers of some labels of a raw object; ``own`` is the name of this collection as a writer."""
    managers = {label: managers_of(obj, (*path, label)) for label in labels}
    times = [manager.time for manager in managers_of(obj) if manager.name == own and manager.time]
    by_label = {label: writers[0] for label, writers in managers.items() if writers}
    everyone = [writer for writers in managers.values() for writer in writers]
    owner = _owner(marked_owner(labels_of(obj), annotations_of(obj)), everyone, own)
    return LabelWriters(by_label, max(times, default=_BEGINNING), own, owner)


def _owner(marked: str, managers: Collection[FieldManager], own: str) -> str:
    """Return the owner of labels: the one that marks the object, else one of their managers.

    Labels that only a person or a run of this collection has written are not put back: the owner of the object does not
    declare them.
    """
    if managers and all(manager.is_person or manager.name == own for manager in managers):
        return ""
    return marked or next((str(m) for m in managers if m.name != own and m.keeps_fields), "")
