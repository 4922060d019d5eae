# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what may change or refuse a new pod beside Istio's injectors: webhooks, policies with a binding, Pod Security.

Webhooks and policies that act on changes of namespaces are listed too.

Only selectors are evaluated. Conditions in CEL are not: a policy counts as acting wherever its selectors match.
Source: kubernetes/kubernetes apiserver pkg/admission/plugin/policy/matching and plugin/webhook/predicates.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import Labels, matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import match_pod_creation
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTOR_SUFFIX

#: Decides whether rules of a webhook or policy include a request, such as the creation of a pod.
RuleMatch = Callable[[t.Any], bool]
#: Label of a namespace with the level of Pod Security that its pods must have, and the level that allows every pod.
POD_SECURITY, PRIVILEGED = "pod-security.kubernetes.io/enforce", "privileged"
#: Label that the API server sets on each namespace, with its name.
NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclasses.dataclass(frozen=True)
class Actor:
    """A webhook, or a policy with one of its bindings, that is called for some new pods or changed namespaces.

    ``place`` is its kind and name. ``selectors`` are pairs of a selector of namespaces and one of objects, which all
    have to match.
    """

    place: str
    mutates: bool
    selectors: tuple[tuple[Json, Json], ...]

    def acts_on(self, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Whether the API server calls it for a pod that is created in a namespace, or for the namespace itself."""
        return all(matches(ns, namespace_labels) and matches(pod, pod_labels) for ns, pod in self.selectors)


@dataclasses.dataclass(frozen=True)
class Admission:
    """Everything beside Istio's injectors that acts on new pods, and on changes of namespaces."""

    actors: tuple[Actor, ...] = ()
    of_namespaces: tuple[Actor, ...] = ()
    #: Whether the policies were read too; if some could not be, ``policies`` is mapped to the reason.
    policies_read: bool = False
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def acting_on(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> list[Actor]:
        """Return the actors that are called for a pod with some labels that is created in a namespace."""
        labels = {NAMESPACE_NAME: namespace, **namespace_labels}
        return [actor for actor in self.actors if actor.acts_on(labels, pod_labels)]

    def may_change(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Whether anything beside Istio's injectors may change such a pod."""
        return any(actor.mutates for actor in self.acting_on(namespace, namespace_labels, pod_labels))

    def may_refuse(self, namespace: str, namespace_labels: Labels, pod_labels: Labels) -> bool:
        """Whether anything beside Istio's injectors may refuse such a pod, or change it so that it is refused."""
        enforced = namespace_labels.get(POD_SECURITY, PRIVILEGED) != PRIVILEGED
        return enforced or bool(self.acting_on(namespace, namespace_labels, pod_labels))

    def may_act_on_change(self, namespace: str, before: Labels, after: Labels) -> bool:
        """Whether anything may refuse or alter a change of the labels of a namespace; what is unread may act."""
        name = {NAMESPACE_NAME: namespace}
        states = [{**before, **name}, {**after, **name}]
        # The selectors of namespaces are matched with the labels of the changed object itself.
        acts = any(actor.acts_on(labels, labels) for actor in self.of_namespaces for labels in states)
        return acts or bool(self.unread)


def webhook_actors(configuration: Json, *, mutates: bool, match: RuleMatch = match_pod_creation) -> list[Actor]:
    """Return the webhooks of a configuration that are called for new pods, without Istio's injectors.

    Args:
        configuration: a configuration of webhooks.
        mutates: whether they may change objects.
        match: decides by their rules for which requests they are called, instead of new pods.
    """
    hooks = configuration.get("webhooks") or ()
    return [
        Actor(f"webhook {shown(str(hook.get('name')))}", mutates, (_selectors(hook),))
        for hook in hooks
        if not str(hook.get("name", "")).endswith(INJECTOR_SUFFIX) and match(hook.get("rules"))
    ]


def policy_actors(
    policies: Iterable[Json], bindings: Iterable[Json], *, mutates: bool, match: RuleMatch = match_pod_creation
) -> list[Actor]:
    """Return the policies that are called for new pods, once for each binding; for ``match`` see `webhook_actors`."""
    by_name = {name_of(policy): policy.get("spec") or {} for policy in policies}
    kind = "MutatingAdmissionPolicy" if mutates else "ValidatingAdmissionPolicy"
    actors = []
    for binding in bindings:
        spec = binding.get("spec") or {}
        policy = by_name.get(str(spec.get("policyName")))
        if policy is None or not (mutates or "Deny" in (spec.get("validationActions") or ())):
            continue
        constraints, narrowed = policy.get("matchConstraints") or {}, spec.get("matchResources") or {}
        # A binding without rules of its own selects by those of its policy.
        if all(match(part.get("resourceRules")) for part in (constraints, narrowed) if _has_rules(part)):
            selectors = tuple(_selectors(part) for part in (constraints, narrowed))
            actors.append(Actor(f"{kind} {shown(str(spec.get('policyName')))}", mutates, selectors))
    return actors


def _has_rules(part: Mapping[str, t.Any]) -> bool:
    return bool(part.get("resourceRules"))


def _selectors(part: Mapping[str, t.Any]) -> tuple[Json, Json]:
    return part.get("namespaceSelector") or {}, part.get("objectSelector") or {}
