# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the labels that an upgrade changes, with the client that declares them, such as a GitOps controller."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from collections.abc import Iterable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    plan_move,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import describe_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECT_LABEL,
    REVISION_LABEL,
    SELECTING_LABELS,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import State, describe_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.data_plane_plan import plan_data_plane
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.limited_selection import TAG
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT

NAMESPACE = "namespace"
#: The labels of namespaces are changed by the run, or by their owner in Git, while the run waits.
BY_RUN, BY_GIT = "run", "git"


class GitChangeRow(t.TypedDict):
    """A change of labels at their source, as results carry it."""

    kind: str
    namespace: str
    name: str
    owner: str
    labels_before: dict[str, str]
    labels_after: dict[str, str]
    patch: Json | None


@dataclasses.dataclass(frozen=True)
class LabelChange:
    """A namespace, a tag or a workload, the owner of its labels, and these labels before and after the upgrade.

    The owner is empty if no client is known that declares the labels. The labels of a workload are those of its pods.
    """

    ref: ObjectRef
    owner: str
    before: State
    after: State

    @property
    def patch(self) -> Json | None:
        """The patch of the manifest of the object; None for a tag, which is rendered again instead."""
        if self.ref.kind == TAG:
            return None
        labels: dict[str, str | None] = {key: None for key in self.before if key not in self.after}
        patched = {"metadata": {"labels": {**labels, **self.after}}}
        if self.ref.kind == NAMESPACE:
            metadata = {"name": self.ref.name, **patched["metadata"]}
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        return {
            "apiVersion": "argoproj.io/v1alpha1" if self.ref.kind == ROLLOUT else "apps/v1",
            "kind": self.ref.kind,
            "metadata": {"name": self.ref.name, "namespace": self.ref.namespace},
            "spec": {"template": patched},
        }

    def as_row(self) -> GitChangeRow:
        """Return the JSON-ready form that results carry."""
        return {
            "kind": self.ref.kind,
            "namespace": self.ref.namespace,
            "name": self.ref.name,
            "owner": self.owner,
            "labels_before": dict(self.before),
            "labels_after": dict(self.after),
            "patch": self.patch,
        }

    def __str__(self) -> str:
        return f"{describe_state(self.before)} -> {describe_state(self.after)}"


@dataclasses.dataclass(frozen=True)
class LabelPlan:
    """The moves of namespaces of an upgrade, and all its changes of labels."""

    moves: tuple[NamespaceMove, ...] = ()
    changes: tuple[LabelChange, ...] = ()

    @property
    def owned(self) -> dict[str, list[LabelChange]]:
        """Owner -> the changes of labels that it declares."""
        changes: dict[str, list[LabelChange]] = {}
        for change in self.changes:
            if change.owner:
                changes.setdefault(change.owner, []).append(change)
        return dict(sorted(changes.items()))

    def changes_in_git(self, *, all_namespaces: bool) -> list[LabelChange]:
        """Return the changes that have an owner, or with ``all_namespaces`` also those of all namespaces."""
        return [change for change in self.changes if change.owner or (all_namespaces and change.ref.kind == NAMESPACE)]


def plan_label_changes(
    snapshot: Snapshot,
    target: str,
    source: str | None,
    limits: NamespaceLimits,
    tagged_namespaces: str = TAG,
    *,
    moves_default: bool = False,
) -> LabelPlan:
    """Return the labels that an upgrade from one revision to another changes.

    Args:
        snapshot: the cluster, with pods and workloads.
        target: the target revision.
        source: the source revision; without it, or if it is the target, nothing is changed.
        limits: the namespaces that the run may touch.
        tagged_namespaces: how namespaces move that follow a tag, see `plan_data_plane`.
        moves_default: whether the run moves the tag default too, when it is finalized.
    """
    if not target or source in (None, "", target):
        return LabelPlan()
    names, tags = _moved_names_and_tags(snapshot, target, str(source), limits, tagged_namespaces)
    if moves_default and snapshot.mesh.tags.get(DEFAULT) == source:
        tags.append(DEFAULT)
    moves = [move for name in names if (move := plan_move(snapshot.namespaces[name], target))]
    owners = {name: snapshot.namespaces[name].writers.owner for name in names}
    changes = [
        *(
            LabelChange(cluster_object(NAMESPACE, move.namespace), owners[move.namespace], move.before, move.after)
            for move in moves
        ),
        *_tag_changes(snapshot, tags, target),
        *_workload_changes(snapshot, str(source), target, limits),
    ]
    return LabelPlan(tuple(moves), tuple(changes))


def _moved_names_and_tags(
    snapshot: Snapshot, target: str, source: str, limits: NamespaceLimits, tagged_namespaces: str
) -> tuple[list[str], list[str]]:
    """Return the namespaces and tags that the plan of the data plane moves."""
    mesh = {
        "namespaces": describe_namespaces(snapshot),
        "cluster": {"name": ""},
        "tags": snapshot.mesh.tags,
        "operator_tags": snapshot.mesh.operator_tags,
    }
    # The run itself refuses limits that name other namespaces than those of the mesh.
    with contextlib.suppress(ParameterError):
        plan = plan_data_plane(mesh, target, source, dataclasses.asdict(limits), tagged_namespaces)
        planned = [name for wave in (*plan["waves"], *plan["gateway_waves"]) for name in wave]
        unmoved = {*plan["following"], *(n.name for n in snapshot.namespaces.values() if n.terminating)}
        return [name for name in planned if name not in unmoved], plan["tags"]
    return [], []


def _tag_changes(snapshot: Snapshot, tags: Iterable[str], target: str) -> Iterator[LabelChange]:
    for tag in tags:
        injector = snapshot.mesh.injector_of_tag(tag)
        if injector:
            before, after = {REVISION_LABEL: injector.revision}, {REVISION_LABEL: target}
            yield LabelChange(cluster_object(TAG, tag), injector.writers.owner, before, after)


def _workload_changes(snapshot: Snapshot, source: str, target: str, limits: NamespaceLimits) -> Iterator[LabelChange]:
    """Yield the workloads whose pods select the source by a label of their own, in namespaces without such a label."""
    for workload in sorted(snapshot.workloads.values(), key=lambda workload: workload.ref):
        labels, namespace = workload.template_labels, snapshot.namespaces.get(workload.namespace)
        if labels.get(REVISION_LABEL) != source or labels.get(INJECT_LABEL) == "false" or workload.component:
            continue
        if namespace and set(SELECTING_LABELS).isdisjoint(namespace.labels) and limits.allows(namespace.name):
            yield LabelChange(workload.ref, workload.writers.owner, {REVISION_LABEL: source}, {REVISION_LABEL: target})
