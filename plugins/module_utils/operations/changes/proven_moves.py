# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves namespaces to a revision that no dry run could prove before (safety rule S3).

A pod in another namespace cannot show a revision if the labels of every namespace lead elsewhere, or if policies refuse
the pod. Then the namespaces are moved one after another, until a pod template in one of them proves the revision.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import NamespaceMove
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.images import shows_other_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PodShape
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.questions import Question, workload_question
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import (
    MoveResults,
    apply_moves,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import ask_until_settled
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import (
    PLACES,
    Proof,
    stand_in_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.proven import warn_unproven
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: How many templates of one namespace are asked.
TEMPLATES = 3
Moved = Mapping[str, tuple[NamespaceMove, Namespace]]


def move_proven(task: TaskContext, moves: Sequence[NamespaceMove], revision: str, doubt: str) -> MoveResults:
    """Move namespaces to a revision; if there is a doubt, one after another until a namespace proves the revision.

    Args:
        doubt: why no dry run proves the revision, empty if one does.

    Raises:
        ProofError: a moved namespace shows that the revision does not inject; the labels are restored.
        MeshError: the cluster cannot be read or written.
    """
    if not doubt:
        return apply_moves(task, moves)
    snapshot = task.snapshot(pods=True, ask=False)
    used = {workload.namespace for workload in snapshot.workloads.values()}
    ordered = sorted(moves, key=lambda move: (move.namespace not in used, move.namespace))
    first, results = _move_first(task, snapshot, ordered[:PLACES], revision, doubt)
    rest = apply_moves(task, [move for move in ordered if move.namespace not in first])
    return MoveResults({**results.namespaces, **rest.namespaces}, {**results.refused, **rest.refused})


def _move_first(
    task: TaskContext, snapshot: Snapshot, moves: Sequence[NamespaceMove], revision: str, doubt: str
) -> tuple[set[str], MoveResults]:
    """Move namespaces one after another until one proves the revision; return those that were tried."""
    moved: dict[str, tuple[NamespaceMove, Namespace]] = {}
    results = MoveResults()
    for move in moves:
        answer = apply_moves(task, [move])
        results = MoveResults({**results.namespaces, **answer.namespaces}, {**results.refused, **answer.refused})
        if move.namespace in answer.refused:
            continue
        moved[move.namespace] = move, answer.namespaces[move.namespace]
        try:
            proof = _proof_in(task, snapshot, answer.namespaces[move.namespace], revision)
        except MeshError as exc:
            raise ProofError(_message(task, revision, exc.message, _restore(task, moved))) from exc
        if proof.problem:
            problem = f"in namespace {move.namespace}, {proof.problem}"
            raise ProofError(_message(task, revision, problem, _restore(task, moved)))
        if not proof.doubt:
            break
        doubt = f"in namespace {move.namespace}, {proof.doubt}"
    else:
        warn_unproven(task, revision, doubt)
    return {*moved, *results.refused}, results


def _proof_in(task: TaskContext, snapshot: Snapshot, namespace: Namespace, revision: str) -> Proof:
    """Ask in a moved namespace, first with its own templates; a template may also be refused for a reason of its own.

    Raises:
        MeshError: nothing can be asked.
    """
    now = dataclasses.replace(snapshot, namespaces={**snapshot.namespaces, namespace.name: namespace})
    doubt = ""
    for question in _own_questions(now, namespace.name, revision):
        proof = proof_of(ask_until_settled(task.client, question), revision)
        if not proof.doubt:
            return proof
        doubt = doubt or proof.doubt
    shape = PodShape({REVISION_LABEL: revision})
    body = stand_in_of(now.mesh, revision)
    question = Question((namespace.name, "stand-in"), body, now.predict(namespace.name, shape))
    answer = ask_until_settled(task.client, question)
    if answer.refusal and answer.refusal.by is RefusedBy.INJECTOR:
        return Proof(f"a dry-run pod is rejected: {answer.refusal.text}")
    proof = proof_of(answer, revision)
    return Proof(proof.problem, doubt or proof.doubt) if proof.doubt else proof


def _own_questions(snapshot: Snapshot, namespace: str, revision: str) -> Iterator[Question]:
    """Yield questions about workloads of a namespace that its label leads to the revision."""
    workloads = (workload for ref, workload in sorted(snapshot.workloads.items()) if ref.namespace == namespace)
    questions = (workload_question(snapshot, workload) for workload in workloads)
    by_key = {question.key: question for question in questions if question.prediction.revision == revision}
    return itertools.islice(by_key.values(), TEMPLATES)


def proof_of(answer: Answer, revision: str) -> Proof:
    """Return what the answer to a dry run in a namespace shows about the revision that its label leads to."""
    if answer.refusal:
        return Proof(doubt=f"a dry-run pod is refused by {str(answer.refusal).rstrip('.')}")
    if answer.revision != revision:
        shown = f"a dry-run pod is injected by {answer.revision or 'no revision'}"
        return Proof(doubt=shown) if answer.prediction.must_ask else Proof(shown)
    if shows_other_version(answer.image, answer.prediction.image):
        return Proof(f"a dry-run pod gets the image {answer.image}, not {answer.prediction.image}")
    return Proof()


def _restore(task: TaskContext, moved: Moved) -> str:
    """Give moved namespaces their labels back; return how that ended, as the end of a sentence."""
    steps = [
        NamespaceMove(name, move.after, move.before, now.resource_version, now.journal, undone=move.journal)
        for name, (move, now) in moved.items()
    ]
    for step in steps:
        task.progress(str(step))
    try:
        refused = apply_moves(task, steps).refused
    except MeshError as exc:
        refused = dict.fromkeys(moved, exc.message)
    kept = "; ".join(f"namespace {name} keeps its new labels: {reason}" for name, reason in sorted(refused.items()))
    return kept.rstrip(".") or f"the labels of {', '.join(moved)} are as before"


def _message(task: TaskContext, revision: str, problem: str, outcome: str) -> str:
    return (
        f"Revision {revision} on cluster {task.client.connection.label} is not proven to take workloads: "
        f"{problem.rstrip('.')}; {outcome}."
    )
