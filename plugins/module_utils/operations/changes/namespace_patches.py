# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the moves of namespaces to the API server and reads the result of each."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
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
#: The run in the journal of a patch that is only asked.
NO_RUN = "dry-run"
#: A dry run is refused if a webhook with side effects would be called (apiserver pkg/admission/plugin/webhook).
NOT_ASKABLE = "does not support dry run"
DELETED = "it was deleted meanwhile"


@dataclasses.dataclass
class MoveResults:
    """The results of some moves: the moved namespaces as they are now, and why the others were not moved."""

    namespaces: dict[str, Namespace] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)


def ask_moves(client: Client, steps: Sequence[NamespaceMove]) -> dict[str, str]:
    """Ask the API server by dry runs whether it would carry out the moves; return the refused ones, with the reason.

    Raises:
        ClusterError: the API server cannot be reached.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=MOVES_AT_ONCE) as pool:
        answers = pool.map(lambda step: _Sender(client, NO_RUN, dry_run=True).send(step), steps)
        named = zip(steps, answers, strict=True)
        return {step.namespace: answer for step, answer in named if isinstance(answer, str) and answer}


def apply_moves(task: TaskContext, steps: Sequence[NamespaceMove]) -> MoveResults:
    """Send one patch per namespace concurrently; the refusal of one does not prevent the others.

    Raises:
        ClusterError: the API server cannot be reached.
        LockedError: another run works on the cluster.
    """
    moved = MoveResults()
    if not steps:
        return moved
    sender = _Sender(task.client, task.begin_change())
    with concurrent.futures.ThreadPoolExecutor(max_workers=MOVES_AT_ONCE) as pool:
        for step, answer in zip(steps, pool.map(sender.send, steps), strict=True):
            if isinstance(answer, str):
                moved.refused[step.namespace] = answer
            else:
                moved.namespaces[step.namespace] = read_namespace(answer)
    return moved


@dataclasses.dataclass(frozen=True)
class _Sender:
    """Sends moves of one run, or asks whether they would be carried out."""

    client: Client
    run_id: str
    dry_run: bool = False

    def send(self, step: NamespaceMove) -> Json | str:
        """Return the namespace once it is moved, or the reason against it, which is empty if it cannot be asked."""
        path, doing = f"{NAMESPACES}/{step.namespace}", f"Labelling namespace {step.namespace}"
        for dummy in range(MOVE_TRIES):
            patch = step.patch(self.run_id)
            try:
                answer = self.client.merge(path, patch, doing=doing, dry_run=self.dry_run)
                return self._labelled(answer, step)
            except ConflictError:
                pass
            except NotFoundError:
                return DELETED
            except ApiError as exc:
                return "" if self.dry_run and NOT_ASKABLE in exc.message else exc.message
            try:
                obj = self.client.get(path, doing=f"Reading namespace {step.namespace}")
            except NotFoundError:
                return DELETED
            now, journal = selecting_labels(labels_of(obj)), annotations_of(obj).get(JOURNAL)
            if now == step.after and journal == patch["metadata"]["annotations"][JOURNAL]:
                # An earlier try has written this, but its answer was lost.
                return obj
            if now != step.before:
                return f"its labels were changed by another client meanwhile: it has {describe_state(now)} now"
            namespace = read_namespace(obj)
            step = dataclasses.replace(step, resource_version=namespace.resource_version, journal=namespace.journal)
        return "other clients change it continuously"

    def _labelled(self, obj: Json, step: NamespaceMove) -> Json | str:
        """Return the namespace if it has the labels of the patch, which a policy may change; else the reason."""
        now = selecting_labels(labels_of(obj))
        if now == step.after:
            return obj
        reason = (
            f"the API server answered that it has {describe_state(now)} instead of {describe_state(step.after)}, so an "
            "admission policy sets its labels; change the policy, or exclude the namespace"
        )
        if self.dry_run:
            return reason
        before = {"labels": label_state(step.before), "annotations": dict(step.journal.raw)}
        path, doing = f"{NAMESPACES}/{step.namespace}", f"Restoring namespace {step.namespace}"
        try:
            restored = self.client.merge(path, {"metadata": before}, doing=doing)
        except ApiError as exc:
            return f"{reason}; {exc.message}"
        labels = selecting_labels(labels_of(restored))
        return reason if labels == step.before else f"{reason}; it keeps {describe_state(labels)}"
