# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which pods the API server has to be asked about by a dry run: one question per namespace and template.

The resolver knows Istio's own webhooks. Where something else may change or refuse a pod, only the API server knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer, Prediction
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import PodShape
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import (
    Basis,
    ProxyCondition,
    ProxyStatus,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import (
    QuestionKey,
    pod_body,
    pod_key,
    workload_body,
    workload_key,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

TEMPLATES = "inject.istio.io/templates"
#: Injection templates that every injector has and that add a proxy (istio/istio manifests/charts, istio-discovery).
KNOWN_TEMPLATES = frozenset({"sidecar", "gateway"})
#: The resolver expects a proxy and there is none, or the other way round.
SURPRISING = (ProxyCondition.MISSING, ProxyCondition.WOULD_LOSE_PROXY)


@dataclasses.dataclass(frozen=True)
class Question:
    """A pod to send as a dry run, and what the resolver expects to come back."""

    key: QuestionKey
    body: Json
    prediction: Prediction


def needs_policies(snapshot: Snapshot) -> bool:
    """Whether the open questions depend on the admission policies of the cluster."""
    return any(status.condition in SURPRISING for dummy, status in snapshot.proxy_statuses)


def open_questions(
    snapshot: Snapshot, namespaces: Collection[str] | None = None, *, everything: bool
) -> dict[QuestionKey, Question]:
    """Return the questions whose answers the snapshot needs and lacks.

    Args:
        snapshot: the cluster.
        namespaces: only these, None for all.
        everything: ask about each workload of the mesh that something beside Istio may change or refuse; if false,
            only about pods for which the resolver is not enough.
    """
    questions: dict[QuestionKey, Question] = {}
    image = trusted_image(snapshot)
    for pod, status in snapshot.proxy_statuses:
        if namespaces is not None and pod.namespace not in namespaces:
            continue
        workload = snapshot.workload_of(pod)
        if not _is_uncertain(snapshot, pod, status, workload) and not (
            everything and workload and (pod.is_meshed or status.stale) and may_differ(snapshot, workload)
        ):
            continue
        key = workload_key(workload) if workload else pod_key(pod)
        if key not in snapshot.answers and key not in questions:
            body = workload_body(workload, image) if workload else pod_body(pod, image)
            shape = PodShape(pod.labels, pod.annotations, pod.host_network)
            questions[key] = Question(key, body, snapshot.predict(pod.namespace, shape))
    return questions


def workload_question(snapshot: Snapshot, workload: Workload) -> Question:
    """Return the question about the new pods of a workload."""
    body = workload_body(workload, trusted_image(snapshot))
    return Question(workload_key(workload), body, snapshot.predict(workload.namespace, _shape(workload)))


def _shape(workload: Workload) -> PodShape:
    return PodShape(workload.template_labels, workload.template_annotations, workload.host_network)


def trusted_image(snapshot: Snapshot) -> str:
    """Return an image of a registry that the cluster trusts: that of an istiod; empty if there is none."""
    return next((plane.image for plane in snapshot.mesh.revisions.values() if plane.image), "")


def unexplained_answer(snapshot: Snapshot, namespaces: Collection[str]) -> tuple[Pod, Answer] | None:
    """Return a pod with a proxy of which the API server shows another revision than its labels lead to, or None.

    Conditions in CEL explain that; a label that the API server does not know yet does not.
    """
    for pod, status in snapshot.proxy_statuses:
        if pod.namespace not in namespaces or not pod.is_meshed or status.basis is not Basis.ASKED:
            continue
        workload = snapshot.workload_of(pod)
        answer = snapshot.answer_for(workload) if workload else None
        if answer and answer.revision != answer.prediction.revision and not answer.prediction.must_ask:
            return pod, answer
    return None


def may_differ(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether something beside the rules of the resolver may change or refuse the new pods of a workload."""
    labels = snapshot.namespaces[workload.namespace].labels
    place = (workload.namespace, labels, workload.template_labels)
    return (
        snapshot.admission.may_refuse(*place)
        or snapshot.predict(workload.namespace, _shape(workload)).must_ask
        or _has_custom_templates(workload.template_annotations)
    )


def _is_uncertain(snapshot: Snapshot, pod: Pod, status: ProxyStatus, workload: Workload | None) -> bool:
    """Whether the resolver is not enough to judge a proxy."""
    if status.basis is Basis.UNASKED:
        return workload is None or not workload.pinned_image
    if status.condition not in SURPRISING or status.basis is not Basis.RESOLVED:
        return False
    place = (pod.namespace, snapshot.namespaces[pod.namespace].labels, pod.labels)
    return snapshot.admission.may_change(*place)


def _has_custom_templates(annotations: Mapping[str, str]) -> bool:
    """Whether a pod names injection templates that an injector may lack, or that add no proxy."""
    templates = {name.strip() for name in annotations.get(TEMPLATES, "").split(",")}
    return bool(templates - KNOWN_TEMPLATES - {""})
