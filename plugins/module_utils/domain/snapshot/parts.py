# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a snapshot without a file of their own: namespaces, owners, and pods that no restart replaces."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Reader, Unreadable
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import LabelWriters
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
    SELECTING_LABELS,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Journal, read_label_journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.budgets import Budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import REFUSED, Unrestartable
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


def selected_name(labels: Mapping[str, str]) -> str | None:
    """Return the revision or tag that the labels of a namespace select, or None if they select none."""
    if INJECTION_LABEL in labels:
        return DEFAULT if labels[INJECTION_LABEL] == "enabled" else None
    return labels.get(REVISION_LABEL)


@dataclasses.dataclass(frozen=True)
class Namespace:
    """Name, labels and annotations of a namespace, and the version of the object that was read."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    resource_version: str = ""
    #: The last writers and the owner of its injection labels.
    writers: LabelWriters = dataclasses.field(default_factory=LabelWriters)
    #: Whether it is being deleted.
    terminating: bool = False

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The parts of it that cannot be read: any user may have written its journal."""
        read = Reader(cluster_object("namespace", self.name))
        self.journal.report_unreadable(read)
        return read.unreadable

    @property
    def revision_label(self) -> str | None:
        """The revision or tag that its labels select, ``default`` for istio-injection=enabled, else None."""
        return selected_name(self.labels)

    @property
    def journal(self) -> Journal:
        """The changes of its labels by runs."""
        return read_label_journal(self.annotations, SELECTING_LABELS)


@dataclasses.dataclass(frozen=True)
class Owners:
    """Owners of pods: workloads, the owners of their other direct owners (parents), and budgets of workloads."""

    workloads: Mapping[ObjectRef, Workload] = dataclasses.field(default_factory=dict)
    parents: Mapping[ObjectRef, Owner] = dataclasses.field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()


class UnrestartableRow(t.TypedDict):
    """Pods of one owner that no rollout replaces, for one reason."""

    namespace: str
    kind: str
    name: str
    pods: int
    code: str
    reason: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class UnrestartablePods:
    """Pods with a stale proxy that no rollout replaces, with the cause and the remedy (safety rule S6)."""

    namespace: str
    kind: str
    name: str
    pods: int
    cause: Unrestartable

    def as_dict(self) -> UnrestartableRow:
        """Return the row of results."""
        return {
            "namespace": self.namespace,
            "kind": self.kind,
            "name": self.name,
            "pods": self.pods,
            "code": self.cause.code,
            "reason": self.cause.reason,
            "remedy": self.cause.remedy,
        }

    def __str__(self) -> str:
        place = str(ObjectRef(self.namespace, self.kind, self.name))
        return f"cannot be restarted: {place}: {self.cause.reason}; {self.cause.remedy}"


def refused_pods(workload: Workload, pods: int, refusal: Refusal) -> UnrestartablePods:
    """Return the pods of a workload whose new pods the API server refuses."""
    remedy = "change the pod template, or the policy that refuses it, then run again"
    cause = Unrestartable(REFUSED, f"its new pods are refused by {refusal}", remedy)
    return UnrestartablePods(*workload.ref, pods, cause)
