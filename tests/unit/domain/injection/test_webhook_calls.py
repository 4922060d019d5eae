# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which webhooks are called for a pod, which injection remains, and when only the API server knows."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    overlapping_injectors,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyCondition
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b
from unit.support.checking import HEALTHY, of

POD_RULE: b.Json = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
CONDITION = [{"name": "own", "expression": "object.metadata.labels['mesh'] == 'yes'"}]
SHOP = {REV: b.OLD}


def changed(raw: b.Json, **fields: t.Any) -> b.Json:
    """A webhook configuration with these fields in each webhook."""
    return {**raw, "webhooks": [{**hook, **fields} for hook in raw["webhooks"]]}


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        pytest.param({}, True, id="the rule of Istio's charts"),
        pytest.param({"scope": "*"}, True, id="any scope, as the API server fills it in"),
        pytest.param({"scope": "Namespaced"}, True, id="objects in namespaces"),
        pytest.param({"scope": "Cluster"}, False, id="objects outside of namespaces"),
        pytest.param({"apiGroups": ["*"], "apiVersions": ["*"]}, True, id="any group and version"),
        pytest.param({"apiGroups": ["apps"], "resources": ["*"]}, False, id="another group"),
        pytest.param({"apiVersions": ["v2", "v1"]}, True, id="one of the versions"),
        pytest.param({"apiVersions": ["v1beta1"]}, False, id="another version"),
        pytest.param({"operations": ["UPDATE"]}, False, id="another operation"),
        pytest.param({"operations": ["*"]}, True, id="any operation"),
        pytest.param({"resources": ["*"]}, True, id="any resource"),
        pytest.param({"resources": ["pods/*"]}, True, id="pods and their subresources"),
        pytest.param({"resources": ["*/*"]}, True, id="any resource and subresource"),
        pytest.param({"resources": ["pods/eviction"]}, False, id="a subresource only"),
        pytest.param({"resources": ["*/scale"]}, False, id="a subresource of any resource"),
        pytest.param({"resources": ["services", "pods"]}, True, id="one of the resources"),
        pytest.param({"resources": []}, False, id="no resource"),
    ],
)
def test_a_rule_matches_pods_as_in_the_api_server(fields: b.Json, called: bool) -> None:
    raw = changed(b.injector(), rules=[{**POD_RULE, **fields}])
    mesh = b.mesh_of([b.istiod(), b.istiod_service(), raw])
    assert (resolve(mesh, "shop", SHOP, b.shape()).revision == b.OLD) is called


def test_one_matching_rule_is_enough() -> None:
    raw = changed(b.injector(), rules=[{**POD_RULE, "operations": ["DELETE"]}, POD_RULE])
    assert resolve(b.mesh_of([b.istiod(), b.istiod_service(), raw]), "shop", SHOP, b.shape()).revision == b.OLD


REPEATED: b.Json = {"reinvocationPolicy": "IfNeeded"}
#: Two revisions inject all pods of a namespace: the first by the name of its webhook is 1-30-3.
BOTH: b.Json = {"namespaceSelector": {}, "objectSelector": {}}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({}, {}, b.NEW, id="the last call remains"),
        pytest.param(REPEATED, {}, b.OLD, id="the first is called again after the second"),
        pytest.param({}, REPEATED, b.NEW, id="the second is called again"),
        pytest.param(REPEATED, REPEATED, b.NEW, id="both are called again, in the same order"),
        pytest.param({"reinvocationPolicy": "Never"}, {}, b.NEW, id="the default of the policy"),
    ],
)
def test_which_of_two_injections_remains(first: b.Json, second: b.Json, expected: str) -> None:
    webhooks = [changed(b.injector(b.OLD), **BOTH, **first), changed(b.injector(b.NEW), **BOTH, **second)]
    others = [obj for obj in b.two_planes() if obj["kind"] != "MutatingWebhookConfiguration"]
    mesh = b.mesh_of([*others, *webhooks])
    assert resolve(mesh, "shop", {}, b.shape()).revision == expected
    assert overlapping_injectors(mesh, {})[-1].revision == expected


def test_an_injection_that_istiod_refuses_does_not_remain() -> None:
    never = b.injector_map(b.OLD, config="policy: enabled\nneverInjectSelector: [{matchLabels: {app: web}}]\n")
    webhooks = [changed(b.injector(b.OLD), **BOTH, **REPEATED), changed(b.injector(b.NEW), **BOTH)]
    planes = [b.istiod(name) for name in (b.OLD, b.NEW)] + [b.istiod_service(name) for name in (b.OLD, b.NEW)]
    mesh = b.mesh_of([*planes, never, *webhooks])
    assert resolve(mesh, "shop", {}, b.shape({"app": "web"})).revision == b.NEW
    assert resolve(mesh, "shop", {}, b.shape()).revision == b.OLD


def test_the_service_of_a_webhook_decides_which_istiod_answers() -> None:
    """A default tag whose webhook ``auto.`` still leads to the control plane without a revision (istioctl tag set)."""
    moved = b.injector(b.NEW, tag="default", auto=True)
    moved["webhooks"][-1]["clientConfig"] = {"service": {"namespace": b.SYSTEM, "name": "istiod"}, "caBundle": "Q0E="}
    planes = [*b.plane("default", parked=True), *b.plane(b.NEW), b.istiod_service(b.NEW, "default"), moved]
    mesh = b.mesh_of(planes)
    assert resolve(mesh, "shop", {}, b.shape()).revision == "default"
    assert resolve(mesh, "shop", {INJECTION: "enabled"}, b.shape()).revision == b.NEW


def conditional(*, policy: str = "Fail", ready: int = 1, **labels: str) -> tuple[list[b.Json], dict[str, str]]:
    """A mesh whose only webhook has matchConditions, and labels of a namespace."""
    raw = changed(b.injector(policy=policy), matchConditions=CONDITION)
    return [b.istiod(ready=ready), b.istiod_service(), b.injector_map(), raw], labels or SHOP


@pytest.mark.parametrize(
    ("objects", "pod", "must_ask"),
    [
        pytest.param(conditional(), b.shape(), True, id="the conditions decide"),
        pytest.param(conditional(ready=0), b.shape(), True, id="or whether it is rejected"),
        pytest.param(conditional(ready=0, policy="Ignore"), b.shape(), False, id="no answer, with or without them"),
        pytest.param(conditional(team="a"), b.shape(), False, id="not selected anyway"),
        pytest.param(conditional(), b.shape(host_network=True), False, id="istiod refuses anyway"),
        pytest.param(conditional(), b.shape({"sidecar.istio.io/inject": "false"}), False, id="the pod opts out"),
    ],
)
def test_match_conditions_are_not_guessed(
    objects: tuple[list[b.Json], dict[str, str]], pod: t.Any, must_ask: bool
) -> None:
    injection = resolve(b.mesh_of(objects[0]), "shop", objects[1], pod)
    assert injection.must_ask is must_ask
    assert ("matchConditions of istio-sidecar-injector-1-30-3" in injection.reason) is must_ask


@pytest.mark.parametrize(
    ("first", "second", "must_ask"),
    [
        pytest.param({"matchConditions": CONDITION}, {}, False, id="a later injection replaces it"),
        pytest.param({}, {"matchConditions": CONDITION}, True, id="it may replace an earlier one"),
        pytest.param({"matchConditions": CONDITION, **REPEATED}, {}, True, id="it may be called again"),
        pytest.param({"matchConditions": CONDITION}, {"matchConditions": CONDITION}, True, id="both"),
    ],
)
def test_conditions_matter_only_if_they_change_the_result(first: b.Json, second: b.Json, must_ask: bool) -> None:
    webhooks = [changed(b.injector(b.OLD), **BOTH, **first), changed(b.injector(b.NEW), **BOTH, **second)]
    others = [obj for obj in b.two_planes() if obj["kind"] != "MutatingWebhookConfiguration"]
    assert resolve(b.mesh_of([*others, *webhooks]), "shop", {}, b.shape()).must_ask is must_ask


def test_many_conditions_are_not_combined() -> None:
    objects, labels = conditional()
    hook = {**objects[-1]["webhooks"][0], "objectSelector": {}}
    mesh = b.mesh_of([*objects[:-1], {**objects[-1], "webhooks": [hook] * 20}])
    injection = resolve(mesh, "shop", labels, b.shape(host_network=True))
    assert (injection.must_ask, injection.code) == (True, InjectionReason.HOST_NETWORK)


@pytest.mark.parametrize(
    ("revision", "condition"),
    [
        pytest.param(None, ProxyCondition.NOT_IN_MESH, id="without a proxy: the conditions exclude it"),
        pytest.param(b.OLD, ProxyCondition.CURRENT, id="with a proxy: they do not"),
        pytest.param(b.NEW, ProxyCondition.STALE_REVISION, id="with a proxy of another revision"),
    ],
)
def test_an_existing_pod_shows_what_its_conditions_say(revision: str | None, condition: ProxyCondition) -> None:
    objects = [*conditional()[0], *b.namespaces(shop=b.OLD), b.pod(revision=revision, owner=None)]
    snapshot = b.snapshot_of(objects)
    status = snapshot.proxy_status_of(snapshot.pods[0])
    assert (status.condition, status.injection.must_ask) == (condition, True)


def test_no_proxy_is_reported_as_missing_because_of_conditions() -> None:
    """A false MU027 of webhooks with matchConditions."""
    bare = [*HEALTHY, *b.deployed("bare", revision=None)]
    assert of("MU027", bare)
    with_conditions = [
        changed(obj, matchConditions=CONDITION) if obj["kind"] == "MutatingWebhookConfiguration" else obj
        for obj in bare
    ]
    assert of("MU027", with_conditions) == []
