# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safety checks before the first batch: the target revisions work, and configuration keeps applying."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_plan import RestartPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import QuestionKey
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.questions import (
    may_differ,
    unexplained_answer,
    workload_question,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import ask_until_settled
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.proven import (
    require_proven,
    warn_unproven,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: How many namespaces are checked in parallel.
PROOFS_AT_ONCE = 8


@dataclasses.dataclass(frozen=True)
class Asked:
    """The answers about templates and the doubts about revisions of one restart, which remain if its plan changes."""

    answers: dict[QuestionKey, Answer] = dataclasses.field(default_factory=dict)
    doubts: dict[str, str] = dataclasses.field(default_factory=dict)


def require_ready_targets(task: TaskContext, plan: RestartPlan, asked: Asked) -> dict[Workload, Refusal]:
    """Prove that the revisions that the restarted workloads lead to are ready and inject (safety rule S3).

    Each namespace is asked with the template of one of its workloads, and with all of its templates where something
    beside Istio may change or refuse pods. The workloads whose new pods are refused for good are returned.

    Raises:
        ProofError: a revision is not ready, or does not inject its proxy into a namespace, which the details name.
        MeshError: the cluster cannot be read, or this user may not create pods.
    """
    snapshot = plan.snapshot
    targets = sorted(_target_revisions(plan))
    for revision in targets:
        if revision not in asked.doubts:
            asked.doubts[revision] = require_proven(task, snapshot, revision)
    unexplained = unexplained_answer(snapshot, plan.selection.namespaces)
    if unexplained and not task.check_mode:
        raise _not_injected(unexplained[0].namespace, unexplained[1].revision, unexplained[1].prediction.revision)
    by_namespace: dict[str, list[Workload]] = collections.defaultdict(list)
    for workload in sorted(plan.stale_pods, key=lambda workload: workload.ref):
        by_namespace[workload.namespace].append(workload)
    with concurrent.futures.ThreadPoolExecutor(max_workers=PROOFS_AT_ONCE) as pool:
        jobs = pool.map(lambda workloads: _prove_namespace(task, snapshot, workloads, asked), by_namespace.values())
        proofs = list(jobs)
    proven = {revision for proof in proofs for revision in proof.proven}
    for revision in targets:
        if revision not in proven:
            warn_unproven(task, revision, asked.doubts[revision])
    return {workload: refusal for proof in proofs for workload, refusal in proof.refused.items()}


@dataclasses.dataclass(frozen=True)
class NamespaceProof:
    """The workloads of a namespace whose new pods are refused, and the revisions that injected the pods of others."""

    refused: Mapping[Workload, Refusal]
    proven: Collection[str]


def _prove_namespace(
    task: TaskContext, snapshot: Snapshot, workloads: Sequence[Workload], asked: Asked
) -> NamespaceProof:
    """Prove that the workloads of one namespace get their proxies."""
    refused: dict[Workload, Refusal] = {}
    proven: set[str] = set()
    for workload in workloads:
        question = workload_question(snapshot, workload)
        answer = snapshot.answer_for(workload) or asked.answers.get(question.key)
        if answer is None and not task.check_mode and (not proven or may_differ(snapshot, workload)):
            answer = ask_until_settled(task.client, question)
        if answer is None:
            continue
        asked.answers[question.key] = answer
        if answer.refusal and answer.refusal.by is RefusedBy.PERMISSION:
            raise ProofError(
                f"Nothing was restarted in namespace {workload.namespace}: {answer.refusal.text}.",
                {"namespace": workload.namespace},
            )
        if answer.refusal and answer.refusal.lasting:
            refused[workload] = answer.refusal
        elif not answer.refusal:
            proven.add(answer.revision or "")
            expected = question.prediction.revision
            if answer.revision != expected and not question.prediction.must_ask:
                raise _not_injected(workload.namespace, answer.revision, expected)
    return NamespaceProof(refused, proven)


def _not_injected(namespace: str, actual: str | None, expected: str | None) -> ProofError:
    return ProofError(
        f"Nothing was restarted in namespace {namespace}: a dry-run pod is injected by {actual or 'no revision'}, "
        f"but {expected or 'no revision'} is expected from its labels.",
        {"namespace": namespace},
    )


def _target_revisions(plan: RestartPlan) -> Iterable[str]:
    """Return the revisions of the new pods, once each; a workload without pods has only its template to go by."""
    snapshot, workloads = plan.snapshot, plan.stale_pods
    revisions = {
        proxy_status.injection.revision
        for pod, proxy_status in snapshot.proxy_statuses
        if (workload := snapshot.workload_of(pod)) and workload in workloads
    }
    without_pods = (workload for workload in workloads if workload.replicas == 0)
    revisions |= {snapshot.injection_of(w.namespace, w.template_labels).revision for w in without_pods}
    return filter(None, revisions)


def require_configuration_kept(task: TaskContext, plan: RestartPlan, options: RestartOptions) -> list[str]:
    """Refuse configuration that would stop applying to moved workloads; return warnings of it if a move is undone.

    Raises:
        SafetyError: with the configuration.
    """
    mesh, moved = plan.snapshot.mesh, collections.defaultdict[str, set[str]](set)
    for change in plan.label_changes.values():
        source, target = (mesh.resolve(name or DEFAULT) for name in (change.before, change.after))
        if source not in (None, target):
            moved[str(source)].add(change.workload.namespace)
    canary = options.canary
    target = mesh.resolve(canary.revision if canary else "") or "the revision that they selected before"
    undone = not (canary and canary.percent)
    return configuration_loss.require_configuration_kept(task, mesh, moved, target, undo=undone, allow=options.allow)
