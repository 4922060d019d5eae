# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of dependents of a revision, and a cluster that has one of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi

CONFIGURATIONS = "/apis/security.istio.io/v1/authorizationpolicies"


def syncz(api: FakeApi, *rows: dict[str, str], revision: str = b.OLD) -> None:
    """Let istiod of a revision know these proxies too."""
    others = api.syncz

    def answer(istiod: str) -> bytes:
        own = json.loads(others(istiod))
        return json.dumps([*own, *rows] if istiod.startswith(f"istiod-{revision}-") else own).encode()

    api.syncz = answer  # type: ignore[method-assign]


def proxy(name: str, **more: str) -> dict[str, str]:
    """A row of syncz."""
    return {"proxy": name, "proxy_type": "sidecar", "istio_version": b.OLD_VERSION, **more}


def silent(api: FakeApi) -> None:
    """No istiod answers."""
    api.syncz = lambda dummy: b"{}"  # type: ignore[method-assign]


def forbid(api: FakeApi) -> None:
    """AuthorizationPolicies may never be listed."""
    api.script("GET", CONFIGURATIONS, *[failure(403, "authorizationpolicies is forbidden")] * 20)


def gateway() -> list[b.Json]:
    """A gateway that the installation of the old revision created."""
    found = b.deployed("gateway", b.SYSTEM, revision=b.OLD)
    found[0]["metadata"]["labels"] = {REV: b.OLD, COMPONENT: "IngressGateways"}
    return found


def by_annotation() -> b.Json:
    """The ztunnel of a chart that names another address."""
    found = b.naming_istiod("DaemonSet", "ztunnel", b.SYSTEM, b.OLD, annotation=b.OLD)
    found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "XDS_ADDRESS", "value": "xds.example:15012"}]
    return found


@dataclasses.dataclass(frozen=True)
class Kind:
    """One dependent of the old revision, in a cluster in which the rest has moved."""

    code: str
    object: str
    objects: tuple[b.Json, ...] = ()
    of_api: Callable[[FakeApi], None] = lambda dummy: None
    #: Code of the gate before a move.
    gate: str = ""
    #: Whether a move is refused because of it.
    refused: bool = False


DENY = b.configuration("AuthorizationPolicy", "deny", "orders")
KINDS = {
    "a tag": Kind("tag", "tag prod", tuple(b.revision_tag("prod", b.OLD))),
    "a namespace": Kind("namespace", "namespace reports", (b.namespace("reports", {REV: b.OLD}),)),
    "the default validator": Kind("default_validator", "istiod-default-validator", (b.validator(b.OLD),)),
    "the default Service": Kind(
        "default_service", "istiod-revision-tag-default", (b.istiod_service(b.OLD, "default"),)
    ),
    "a proxy": Kind("live_proxy", "Pod shop/old", (b.pod("old", owner=None),)),
    "F6: a terminating proxy": Kind(
        "terminating_proxy", "Pod shop/old", (b.pod("old", owner=None, gone_at="2999-01-01T00:00:00Z"),)
    ),
    "F5: a machine": Kind("connected_proxy", "proxy vms/vm1", of_api=lambda api: syncz(api, proxy("vm1.vms"))),
    "F5: a pod of another cluster": Kind(
        "connected_proxy",
        "proxy shop/cart-1",
        of_api=lambda api: syncz(api, proxy("cart-1.shop", cluster_id="west")),
    ),
    "F5: a strayed pod": Kind(
        "connected_proxy",
        "Pod shop/strayed",
        (b.pod("strayed", revision=b.NEW, owner=None),),
        lambda api: syncz(api, proxy("strayed.shop")),
    ),
    "G1: ztunnel": Kind(
        "bound_workload",
        "DaemonSet istio-system/ztunnel",
        (b.naming_istiod("DaemonSet", "ztunnel", b.SYSTEM, b.OLD, annotation=b.OLD),),
    ),
    "G1: ztunnel with an annotation only": Kind("bound_workload", "DaemonSet istio-system/ztunnel", (by_annotation(),)),
    "G1: a Deployment that names the address of istiod": Kind(
        "bound_workload", "Deployment shop/agent", (b.naming_istiod("Deployment", "agent", "shop", b.OLD),)
    ),
    "labels of pods": Kind(
        "selects_revision",
        "Deployment plain/web",
        (b.namespace("plain"), *b.deployed("web", "plain", pods=0, pod_labels={REV: b.OLD})),
    ),
    "F4: an AuthorizationPolicy": Kind(
        "configuration", "AuthorizationPolicy orders/deny", (DENY,), gate="MU053", refused=True
    ),
    "F4: a policy in the root namespace": Kind(
        "configuration",
        "AuthorizationPolicy istio-system/deny",
        (b.configuration("AuthorizationPolicy", "deny", b.SYSTEM),),
        gate="MU053",
        refused=True,
    ),
    "F4: a route of another namespace": Kind(
        "configuration",
        "HTTPRoute shop/r",
        (b.configuration("HTTPRoute", "r", "shop"),),
        gate="MU053",
    ),
    "F4: a Gateway": Kind(
        "configuration",
        "Gateway.gateway.networking.k8s.io orders/g",
        (b.configuration("Gateway", "g", "orders"),),
    ),
    "F4: machines of a WorkloadGroup": Kind(
        "configuration",
        "WorkloadGroup orders/legacy",
        (b.configuration("WorkloadGroup", "legacy", "orders"),),
        gate="MU053",
        refused=True,
    ),
    "a shared gateway": Kind("shared_component", "Deployment istio-system/gateway", tuple(gateway())),
    "an istiod that does not answer": Kind("not_checked", "connected proxy", of_api=silent, gate="MU090"),
    "configuration that may not be read": Kind("not_checked", "configuration", of_api=forbid, gate="MU090"),
}
EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def put(api: FakeApi, kind: Kind) -> None:
    """Let it depend on the old revision; an existing object of the same name is replaced."""
    names = {(obj["kind"], obj["metadata"]["name"]) for obj in kind.objects}
    kept = [obj for obj in api.objects if (obj["kind"], obj["metadata"]["name"]) not in names]
    api.objects = json.loads(json.dumps([*kept, *kind.objects]))
    kind.of_api(api)
