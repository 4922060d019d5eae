# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps of an object only who wrote its labels last: objects that were read keep no managedFields."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import (
    ANOTHER_CLIENT,
    FieldManager,
    manager_of_field,
    managers_of,
)

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
    writers = {label: manager_of_field(obj, (*path, label)) for label in labels}
    times = [manager.time for manager in managers_of(obj) if manager.name == own and manager.time]
    by_label = {label: writer for label, writer in writers.items() if writer}
    return LabelWriters(by_label, max(times, default=_BEGINNING), own)
