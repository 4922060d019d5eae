# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the moves of namespaces to the API server and reads the result of each."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ConflictError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, annotations_of, labels_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    label_state,
    selecting_labels,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, describe_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import read_namespace
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

MOVES_AT_ONCE = 8
#: A namespace is also annotated by its controllers, at any time.
MOVE_TRIES = 10


@dataclasses.dataclass
class MoveResults:
    """The results of some moves: the moved namespaces as they are now, and why the others were not moved."""

    namespaces: dict[str, Namespace] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)


def apply_moves(task: TaskContext, steps: Sequence[NamespaceMove]) -> MoveResults:
    """Send one patch per namespace concurrently; the refusal of one does not prevent the others.

    Raises:
        ClusterError: the API server cannot be reached.
        LockedError: another run works on the cluster.
    """
    moved = MoveResults()
    if not steps:
        return moved
    run_id = task.begin_change()
    with concurrent.futures.ThreadPoolExecutor(max_workers=MOVES_AT_ONCE) as pool:
        for step, answer in zip(steps, pool.map(lambda step: _send(task, step, run_id), steps), strict=True):
            if isinstance(answer, str):
                moved.refused[step.namespace] = answer
            else:
                moved.namespaces[step.namespace] = read_namespace(answer)
    return moved


def restore_moved(task: TaskContext, steps: Sequence[NamespaceMove], moved: MoveResults) -> MoveResults:
    """Restore the namespaces that were moved although another one of the same task was refused."""
    run_id = task.begin_change()
    restorable = [(step, moved.namespaces[step.namespace]) for step in steps if step.namespace in moved.namespaces]
    return apply_moves(task, [step.back(namespace, run_id) for step, namespace in restorable])


def _send(task: TaskContext, step: NamespaceMove, run_id: str) -> Json | str:
    """Return the namespace once it is moved, or the reason against it."""
    path, doing = f"{NAMESPACES}/{step.namespace}", f"Labelling namespace {step.namespace}"
    for dummy in range(MOVE_TRIES):
        patch = step.patch(run_id)
        try:
            return _labelled(task, task.client.merge(path, patch, doing=doing), step)
        except ConflictError:
            pass
        except NotFoundError:
            return "it was deleted meanwhile"
        except ApiError as exc:
            return exc.message
        try:
            obj = task.client.get(path, doing=f"Reading namespace {step.namespace}")
        except NotFoundError:
            return "it was deleted meanwhile"
        now, journal = selecting_labels(labels_of(obj)), annotations_of(obj).get(JOURNAL)
        if now == step.after and journal == patch["metadata"]["annotations"][JOURNAL]:
            # An earlier try has written this, but its answer was lost.
            return obj
        if now != step.before:
            return f"its labels were changed by another client meanwhile: it has {describe_state(now)} now"
        namespace = read_namespace(obj)
        step = dataclasses.replace(step, resource_version=namespace.resource_version, journal=namespace.journal)
    return "other clients change it continuously"


def _labelled(task: TaskContext, obj: Json, step: NamespaceMove) -> Json | str:
    """Return the namespace if it has the labels of the patch, which an admission policy may change; else the reason."""
    now = selecting_labels(labels_of(obj))
    if now == step.after:
        return obj
    reason = f"an admission policy gave it {describe_state(now)} instead of {describe_state(step.after)}"
    before = {"labels": label_state(step.before), "annotations": dict(step.journal.raw)}
    try:
        restored = task.client.merge(
            f"{NAMESPACES}/{step.namespace}", {"metadata": before}, doing=f"Restoring namespace {step.namespace}"
        )
    except ApiError as exc:
        return f"{reason}; {exc.message}"
    labels = selecting_labels(labels_of(restored))
    return reason if labels == step.before else f"{reason}, and it keeps {describe_state(labels)}"
