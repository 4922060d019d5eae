# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Others that act on new pods: webhooks and policies by their rules and selectors, Pod Security by its label."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import (
    Admission,
    policy_actors,
    webhook_actors,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import webhook_admission

Json = dict[str, t.Any]
PODS: Json = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
STRICT: Json = {"matchLabels": {"policy": "strict"}}


def webhook(name: str = "mutate.kyverno.svc", **over: t.Any) -> list[Json]:
    """A configuration with one webhook."""
    return [{"metadata": {"name": "kyverno"}, "webhooks": [{"name": name, "rules": [PODS], **over}]}]


def acting(configurations: list[Json], labels: Json | None = None, pod: Json | None = None) -> bool:
    """Whether the webhooks act on a pod."""
    actors = [actor for obj in configurations for actor in webhook_actors(obj, mutates=True)]
    return Admission(tuple(actors)).may_change("shop", labels or {}, pod or {})


@pytest.mark.parametrize(
    ("configurations", "expected"),
    [
        pytest.param(webhook(), True, id="all pods"),
        pytest.param(webhook("rev.namespace.sidecar-injector.istio.io"), False, id="Istio's own"),
        pytest.param(webhook(rules=[{**PODS, "operations": ["UPDATE"]}]), False, id="only updates"),
        pytest.param(webhook(rules=[{**PODS, "resources": ["pods/exec"]}]), False, id="only a subresource"),
        pytest.param(webhook(rules=[{**PODS, "apiGroups": ["apps"]}]), False, id="another group"),
        pytest.param(webhook(rules=[{**PODS, "apiVersions": ["v2"]}]), False, id="another version"),
        pytest.param(webhook(rules=[{**PODS, "scope": "Cluster"}]), False, id="only objects of the cluster"),
        pytest.param(webhook(rules=[{**PODS, "resources": ["*"], "apiGroups": ["*"]}]), True, id="everything"),
        pytest.param(webhook(namespaceSelector=STRICT), False, id="other namespaces"),
        pytest.param(webhook(objectSelector=STRICT), False, id="other pods"),
        pytest.param(
            webhook(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "shop"}}), True, id="by its name"
        ),
        pytest.param([], False, id="nothing"),
    ],
)
def test_webhooks_that_act_on_new_pods(configurations: list[Json], expected: bool) -> None:
    assert acting(configurations) is expected


def policy(**constraints: t.Any) -> list[Json]:
    """A policy on pods."""
    rules = {"matchConstraints": {"resourceRules": [PODS], **constraints}}
    return [{"metadata": {"name": "strict"}, "spec": rules}]


def binding(**spec: t.Any) -> list[Json]:
    """A binding of the policy."""
    given = {"policyName": "strict", "validationActions": ["Deny"], **spec}
    return [{"metadata": {"name": "strict"}, "spec": given}]


@pytest.mark.parametrize(
    ("policies", "bindings", "expected"),
    [
        pytest.param(policy(), binding(), True, id="bound"),
        pytest.param(policy(), [], False, id="not bound"),
        pytest.param([], binding(), False, id="a binding without its policy"),
        pytest.param(policy(), binding(validationActions=["Audit", "Warn"]), False, id="only a warning"),
        pytest.param(policy(), binding(matchResources={"namespaceSelector": STRICT}), False, id="other namespaces"),
        pytest.param(policy(objectSelector=STRICT), binding(), False, id="other pods"),
        pytest.param(
            policy(),
            binding(matchResources={"resourceRules": [{**PODS, "operations": ["DELETE"]}]}),
            False,
            id="narrowed",
        ),
    ],
)
def test_policies_that_may_refuse_new_pods(policies: list[Json], bindings: list[Json], expected: bool) -> None:
    admission = Admission(tuple(policy_actors(policies, bindings, mutates=False)))
    assert admission.may_refuse("shop", {}, {}) is expected
    assert not admission.may_change("shop", {}, {})


def test_a_mutating_policy_needs_no_action() -> None:
    admission = Admission(tuple(policy_actors(policy(), binding(validationActions=None), mutates=True)))
    assert admission.may_change("shop", {}, {})


@pytest.mark.parametrize(("level", "expected"), [("restricted", True), ("baseline", True), ("privileged", False)])
def test_pod_security_may_refuse(level: str, expected: bool) -> None:
    assert Admission().may_refuse("shop", {"pod-security.kubernetes.io/enforce": level}, {}) is expected
    assert not Admission().may_refuse("shop", {}, {})


SPACES: Json = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["namespaces"]}
OLD, NEW = {"istio-injection": "enabled"}, {"istio.io/rev": "1-31-0"}


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        pytest.param({"rules": [SPACES]}, True, id="changes of namespaces"),
        pytest.param({"rules": [PODS]}, False, id="only pods"),
        pytest.param({"rules": [{**SPACES, "operations": ["CREATE", "DELETE"]}]}, False, id="not their changes"),
        pytest.param({"rules": [{**SPACES, "resources": ["namespaces/finalize"]}]}, False, id="only a subresource"),
        pytest.param(
            {"rules": [{**SPACES, "resources": ["*"], "scope": "Cluster"}]}, True, id="objects of the cluster"
        ),
        pytest.param({"rules": [{**SPACES, "scope": "Namespaced"}]}, False, id="only objects in namespaces"),
        pytest.param({"rules": [SPACES], "namespaceSelector": {"matchLabels": NEW}}, True, id="by the new label"),
        pytest.param({"rules": [SPACES], "objectSelector": {"matchLabels": OLD}}, True, id="by the old label"),
        pytest.param({"rules": [SPACES], "objectSelector": STRICT}, False, id="other namespaces"),
        pytest.param(
            {"rules": [SPACES], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}},
            True,
            id="by its name",
        ),
    ],
)
def test_what_may_act_on_a_change_of_labels(hook: Json, expected: bool) -> None:
    configuration = {"metadata": {"name": "guard"}, "webhooks": [{"name": "guard.example.com", **hook}]}
    admission = webhook_admission([], [configuration])
    assert admission.may_act_on_change("shop", OLD, NEW) is expected


def test_policies_that_cannot_be_read_may_act_on_everything() -> None:
    assert not Admission().may_act_on_change("shop", OLD, NEW)
    assert Admission(unread={"policies": "forbidden"}).may_act_on_change("shop", OLD, NEW)
