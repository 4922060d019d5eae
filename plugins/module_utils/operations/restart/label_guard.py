# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches the labels of the restarted namespaces, so that no restart follows a label that another client set back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION, NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import selecting_labels
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import (
    namespaces_selecting_tag,
    workloads_following_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_injector
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import describe_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.put_back import (
    NAMESPACE,
    TAG,
    MovedBy,
    put_back,
    put_back_namespaces,
    put_back_tags,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import current_run_id
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import read_namespace
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


@dataclasses.dataclass
class LabelGuard:
    """The namespaces of one restart, and those of them that failed alone, each with the reason."""

    task: TaskContext
    snapshot: Snapshot
    namespaces: frozenset[str]
    #: Whether workloads are restarted too although the API server refuses their new pods.
    accepts_refusals: bool = False
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    def check_start(self) -> None:
        """Find the namespaces that this run moved and that lead elsewhere already, by themselves or by their tag."""
        moved = put_back(self.snapshot, MovedBy())
        run = current_run_id(self.task) if moved else None
        for lost in moved:
            if lost.change.run == run:
                self._fail_all(self._concerned(lost.ref), f"{lost.ref}: {lost.reason}")

    def check_again(self) -> set[str]:
        """Read the labels and moved tags again, and return the namespaces that lead elsewhere since the start.

        Raises:
            MeshError: they cannot be read.
        """
        before = set(self.failed)
        doing = "Reading the labels of namespaces"
        namespaces = self.task.client.collect(NAMESPACES, read_namespace, doing=doing, metadata=True)[0]
        for namespace in namespaces:
            reason = self._change_of(namespace) if namespace.name in self.namespaces else ""
            if reason:
                self.fail(namespace.name, reason)
        self._check_tags()
        return set(self.failed) - before

    def fail(self, namespace: str, reason: str) -> None:
        """Record why a namespace failed alone; the first reason counts."""
        self.failed.setdefault(namespace, reason)

    def _fail_all(self, namespaces: Iterable[str], reason: str) -> None:
        for name in self.namespaces.intersection(namespaces):
            self.fail(name, reason)

    def _concerned(self, ref: ObjectRef) -> set[str]:
        """Return the namespaces whose pods follow a namespace, a tag or a workload."""
        if ref.kind == NAMESPACE:
            return {ref.name}
        if ref.kind != TAG:
            return {ref.namespace}
        followers = {owner.namespace for owner in workloads_following_tag(self.snapshot, ref.name)}
        return followers | set(namespaces_selecting_tag(self.snapshot, ref.name))

    def _leads_to(self, namespace: Namespace) -> str | None:
        name = namespace.revision_label
        return (self.snapshot.mesh.resolve(name) or name) if name else None

    def _change_of(self, namespace: Namespace) -> str:
        """Return what happened to the labels of a namespace since the start of the restart, or an empty text."""
        before = self.snapshot.namespaces.get(namespace.name)
        if before is None or self._leads_to(before) == self._leads_to(namespace):
            return ""
        lost = next(put_back_namespaces(self.snapshot.mesh, [namespace], MovedBy()), None)
        if lost:
            return f"{lost.ref}: {lost.reason}"
        was, now = selecting_labels(before.labels), selecting_labels(namespace.labels)
        return (
            f"namespace {namespace.name}: {namespace.writers.of_change(now)} has changed its labels meanwhile: now it "
            f"has {describe_state(now)}, not {describe_state(was)}"
        )

    def _check_tags(self) -> None:
        """Find tags that runs have moved and that point elsewhere since the start, and fail what follows them."""
        watched = {
            injector.name: concerned
            for injector in self.snapshot.mesh.injectors
            if injector.tag and injector.journal.changes
            if (concerned := self.namespaces & self._concerned(cluster_object(TAG, injector.tag)))
        }
        path = f"{ADMISSION}/mutatingwebhookconfigurations"
        injectors = self.task.client.collect(path, read_injector, doing="Reading tags")[0] if watched else []
        mesh = dataclasses.replace(self.snapshot.mesh, injectors=tuple(i for i in injectors if i and i.name in watched))
        for lost in put_back_tags(mesh, MovedBy()):
            injector = mesh.injector_of_tag(lost.ref.name)
            if injector and injector.revision != self.snapshot.mesh.tags.get(injector.tag):
                self._fail_all(watched[injector.name], f"{lost.ref}: {lost.reason}")
