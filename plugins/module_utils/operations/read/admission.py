# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the policies that act on new pods, and asks the API server for pods by dry runs.

Admission webhooks must not have side effects in a dry run, so a pod that is created with dryRun=All passes through the
real injector and all policies, and the answer is the pod that would exist; nothing is stored.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION, NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.client.retries import is_transient
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import (
    Actor,
    Admission,
    RuleMatch,
    policy_actors,
    webhook_actors,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import (
    Refusal,
    RefusedBy,
    read_refusal,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import (
    match_namespace_update,
    match_pod_creation,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import QuestionKey
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.questions import (
    Question,
    needs_policies,
    open_questions,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: How many dry runs are sent at a time.
ASKED_AT_ONCE = 8
PROPAGATION_TRIES = 20
PROPAGATION_PAUSE = 0.25
#: Kind of policy -> its resource, and whether it changes objects.
_POLICIES = {"validatingadmissionpolicies": False, "mutatingadmissionpolicies": True}
#: Mutating policies are served by v1 since Kubernetes 1.36, by v1beta1 since 1.34.
_OLDER = "/apis/admissionregistration.k8s.io/v1beta1"


def webhook_admission(mutating: Iterable[Json], validating: Iterable[Json]) -> Admission:
    """Return what the raw webhook configurations show; the policies are not read yet."""
    configurations = [*((obj, True) for obj in mutating), *((obj, False) for obj in validating)]

    def actors(match: RuleMatch) -> tuple[Actor, ...]:
        return tuple(
            actor for obj, changes in configurations for actor in webhook_actors(obj, mutates=changes, match=match)
        )

    return Admission(actors(match_pod_creation), actors(match_namespace_update))


def with_policies(client: Client, admission: Admission) -> Admission:
    """Return the admission with the policies of the cluster; what this user may not read is named instead."""
    if admission.policies_read:
        return admission
    actors: list[Actor] = []
    of_namespaces: list[Actor] = []
    unread: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(_POLICIES)) as pool:
        for job in [pool.submit(_fetch_policies, client, *row) for row in _POLICIES.items()]:
            try:
                policies, bindings, mutates = job.result()
            except ForbiddenError as exc:
                unread["policies"] = exc.message
                continue
            actors += policy_actors(policies, bindings, mutates=mutates)
            of_namespaces += policy_actors(policies, bindings, mutates=mutates, match=match_namespace_update)
    return dataclasses.replace(
        admission,
        actors=(*admission.actors, *actors),
        of_namespaces=(*admission.of_namespaces, *of_namespaces),
        policies_read=True,
        unread=unread,
    )


def _fetch_policies(client: Client, resource: str, mutates: bool) -> tuple[list[Json], list[Json], bool]:
    """Return the policies of one kind with their bindings; most clusters have none, which costs one request."""
    for api in (ADMISSION, _OLDER) if mutates else (ADMISSION,):
        with contextlib.suppress(NotFoundError):
            bindings = client.list(f"{api}/{resource.removesuffix('ies')}ybindings", doing=f"Reading {resource}")
            policies = client.list(f"{api}/{resource}", doing=f"Reading {resource}") if bindings else []
            return policies, bindings, mutates
    return [], [], mutates


def dry_run(client: Client, namespace: str, body: Json) -> Pod | Refusal:
    """Return a pod as the API server, its policies and the real injector would create it now, or who refused it.

    Raises:
        ForbiddenError: this user may not create pods.
        ApiError: the API server failed before it had an answer, or does not accept the login.
        ClusterError: it does not answer.
    """
    path, doing = f"{NAMESPACES}/{namespace}/pods", f"Creating a dry-run pod in namespace {namespace}"
    try:
        return read_pod(client.request("POST", path, doing=doing, body=body, params={"dryRun": "All"}))
    except UnauthorizedError:
        raise
    except ApiError as exc:
        if is_transient(exc.status, repeatable=True, body=exc.text.encode()):
            raise
        refusal = read_refusal(exc.status, exc.text)
        if refusal.by is RefusedBy.PERMISSION:
            raise
        return refusal


def ask(client: Client, question: Question) -> Answer:
    """Return the answer to one question; that this user may not ask it is an answer too.

    Raises:
        ApiError: the API server failed before it had an answer.
        ClusterError: it does not answer.
    """
    try:
        made = dry_run(client, question.key[0], question.body)
    except ForbiddenError as exc:
        made = Refusal(RefusedBy.PERMISSION, exc.text)
    if isinstance(made, Refusal):
        return Answer(question.prediction, refusal=made)
    return Answer.of_pod(question.prediction, made)


def ask_until_settled(client: Client, question: Question) -> Answer:
    """Return the answer once it is what the resolver expects, or the last one after a few seconds.

    A changed label takes a moment to reach the selectors of the webhooks.

    Raises:
        ApiError: the API server failed before it had an answer.
        ClusterError: it does not answer.
    """
    for dummy in range(PROPAGATION_TRIES):
        answer = ask(client, question)
        by_injector = answer.refusal is not None and answer.refusal.by is RefusedBy.INJECTOR
        if not by_injector and (answer.refusal or answer.revision == question.prediction.revision):
            break
        time.sleep(PROPAGATION_PAUSE)
    return answer


def with_answers(
    client: Client,
    snapshot: Snapshot,
    namespaces: Collection[str] | None = None,
    *,
    everything: bool = False,
    settle: bool = False,
) -> Snapshot:
    """Return the snapshot with the answers that it needs; where only Istio's webhooks act, nothing is asked.

    Args:
        client: the client of the cluster.
        snapshot: the cluster, with pods and their owners.
        namespaces: only these, None for all.
        everything: see `open_questions`.
        settle: labels may have changed a moment ago, see `ask_until_settled`.

    Raises:
        ApiError: the API server failed before it had an answer.
        ClusterError: it does not answer.
    """
    if everything or needs_policies(snapshot):
        snapshot = dataclasses.replace(snapshot, admission=with_policies(client, snapshot.admission))
    questions = open_questions(snapshot, namespaces, everything=everything)
    if not questions:
        return snapshot
    answers = _answers_to(client, list(questions.values()), ask_until_settled if settle else ask)
    return dataclasses.replace(snapshot, answers={**snapshot.answers, **answers})


def _answers_to(
    client: Client, questions: Sequence[Question], ask_one: Callable[[Client, Question], Answer]
) -> dict[QuestionKey, Answer]:
    """Return the answers to some questions, only the first one if this user may not ask it.

    Raises:
        ApiError: the API server failed before it had an answer.
        ClusterError: it does not answer.
    """
    first, *others = questions
    answers = {first.key: ask_one(client, first)}
    if not _may_not_ask(answers[first.key]):
        with concurrent.futures.ThreadPoolExecutor(max_workers=ASKED_AT_ONCE) as pool:
            made = pool.map(functools.partial(ask_one, client), others)
            answers.update(zip((question.key for question in others), made, strict=True))
    return answers


def _may_not_ask(answer: Answer) -> bool:
    return answer.refusal is not None and answer.refusal.by is RefusedBy.PERMISSION
