# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck from istiods about the proxies that are connected to them, during a canary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.client.port_forward import get_from_pod
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import READ, READ_FOR_CHECKS
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import connected_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import proxies_of
from integration.meshes import MERGE
from integration.objects import INJECTION, REV, pods, until
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SYSTEM = "istio-system"
MOVED = "catalog"
RESTART = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
CODES = ("MU070", "MU071", "MU072")


def deployments(cluster: Cluster, namespace: str) -> list[str]:
    """Paths of the Deployments of a namespace."""
    found = cluster.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")
    return [f"/apis/apps/v1/namespaces/{namespace}/deployments/{one['metadata']['name']}" for one in found]


@pytest.fixture(scope="module")
def canary(desk: Desk) -> Cluster:
    """A mesh of two revisions, one namespace of which has moved."""
    cluster = desk.lab.clusters[0]
    desk.fresh([cluster])
    cluster.install_istio(NEW_VERSION, NEW_REVISION)
    labels = {REV: NEW_REVISION, INJECTION: None}
    cluster.request("PATCH", f"/api/v1/namespaces/{MOVED}", {"metadata": {"labels": labels}}, content_type=MERGE)
    for path in deployments(cluster, MOVED):
        cluster.request("PATCH", path, RESTART, content_type=MERGE)
    cluster.wait_ready()
    until(lambda: not found(desk, cluster), "not all proxies are connected")
    return cluster


def found(desk: Desk, cluster: Cluster, stage: str = "before", **options: Any) -> dict[tuple[str, str], Json]:
    """Code and object to finding, of what istiods are asked about."""
    target: Json = {"version": NEW_VERSION, "revision": NEW_REVISION, "source_revision": REVISION}
    with no_write(cluster):
        result = desk.tool(cluster, "istio_precheck", stage=stage, fail_on="never", **target, **options)
    assert "failed" not in result, result
    rows = [row for row in result["findings"] if row["code"] in CODES or row["object"].removeprefix("check ") in CODES]
    return {(row["code"], row["object"]): row for row in rows}


def client_of(cluster: Cluster) -> Client:
    return Client(connection({"kubeconfig": str(cluster.kubeconfig), "context": cluster.context}))


def one_pod(cluster: Cluster, namespace: str) -> str:
    return min(name for dummy, name in pods(cluster, [namespace]))


@pytest.fixture
def faulty(desk: Desk, canary: Cluster) -> Iterator[Callable[[str, str], str]]:
    """Give the first pod of a namespace a proxy with a fault; return its name."""
    touched: list[tuple[str, str]] = []

    def fault(namespace: str, kind: str) -> str:
        name = one_pod(canary, namespace)
        touched.append((namespace, name))
        canary.proxy_fault(namespace, name, kind)
        return name

    yield fault
    for namespace, name in touched:
        canary.proxy_fault(namespace, name, None)
    until(lambda: not found(desk, canary), "a fault did not go away")


def test_both_revisions_are_asked_and_all_proxies_are_connected(desk: Desk, canary: Cluster) -> None:
    proxies = proxies_of(client_of(canary), SYSTEM)
    running = {key: pod for key, pod in pods(canary).items() if pod.image and not pod.done}
    assert {(one.namespace, one.name): (one.version, one.revision) for one in proxies} == {
        key: (pod.version, pod.annotated) for key, pod in running.items() if "istiod" not in key[1]
    }
    assert {one.revision for one in proxies} == {REVISION, NEW_REVISION}
    assert {one.kind for one in proxies} == {"sidecar", "router"}
    assert found(desk, canary) == found(desk, canary, "after") == {}


@pytest.mark.parametrize(("namespace", "version"), [("shop", VERSION), (MOVED, NEW_VERSION)])
def test_a_proxy_that_rejects_is_named_with_what_it_says(
    desk: Desk, canary: Cluster, faulty: Callable[[str, str], str], namespace: str, version: str
) -> None:
    name = faulty(namespace, "reject")
    until(lambda: any(one.rejected for one in proxies_of(client_of(canary), SYSTEM)), "istiod did not hear of it")
    place = f"Deployment {namespace}/{name.split('-')[0]}"
    [(key, row)] = found(desk, canary).items()
    assert key == ("MU071", place)
    assert row["severity"] == "warning"
    assert row["message"].startswith(
        f"The proxy of pod {name} rejects its Listener configuration: Error adding/updating"
    )
    assert found(desk, canary, "after")[key]["severity"] == "error"


def test_a_proxy_that_is_not_connected_is_named(desk: Desk, canary: Cluster, faulty: Callable[[str, str], str]) -> None:
    name = faulty("shop", "disconnect")
    until(lambda: name not in {one.name for one in proxies_of(client_of(canary), SYSTEM)}, "it is still connected")
    rows = found(desk, canary)
    assert {key: row["message"] for key, row in rows.items()} == {
        ("MU070", f"Deployment shop/{name.split('-')[0]}"): f"The proxy of pod {name} is not connected to any istiod."
    }
    assert {row["severity"] for row in rows.values()} == {"warning"}


def test_a_proxy_that_comes_back_meanwhile_is_not_missed(
    desk: Desk, canary: Cluster, faulty: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = faulty("shop", "disconnect")
    until(lambda: name not in {one.name for one in proxies_of(client_of(canary), SYSTEM)}, "it is still connected")
    monkeypatch.setattr(time, "sleep", lambda dummy: canary.proxy_fault("shop", name, None))
    monkeypatch.setattr(connected_proxies, "QUERIES", 200)
    assert found(desk, canary) == {}


def test_all_proxies_of_a_revision_are_one_finding(desk: Desk, canary: Cluster) -> None:
    names = [name for dummy, name in pods(canary, [MOVED])]
    for name in names:
        canary.proxy_fault(MOVED, name, "disconnect")
    try:
        until(lambda: {one.revision for one in proxies_of(client_of(canary), SYSTEM)} == {REVISION}, "some are there")
        rows = found(desk, canary)
    finally:
        for name in names:
            canary.proxy_fault(MOVED, name, None)
    assert {key: row["message"] for key, row in rows.items()} == {
        ("MU070", f"revision {NEW_REVISION}"): f"None of its {len(names)} proxies is connected to an istiod."
    }


def test_a_proxy_that_is_bound_to_another_revision_is_named(desk: Desk, canary: Cluster) -> None:
    address = f"discoveryAddress: istiod-{REVISION}.{SYSTEM}.svc:15012"
    path = deployments(canary, MOVED)[0]
    name = path.rpartition("/")[2]

    def bind(value: str | None) -> None:
        notes = {"annotations": {"proxy.istio.io/config": value}}
        canary.request("PATCH", path, {"spec": {"template": {"metadata": notes}}}, content_type=MERGE)
        canary.wait_ready([MOVED])
        until(lambda: ("MU072", f"Deployment {MOVED}/{name}") in found(desk, canary) or not value, "it is not bound")

    bind(address)
    try:
        rows = found(desk, canary, "after")
        assert list(rows) == [("MU072", f"Deployment {MOVED}/{name}")]
        (row,) = rows.values()
        assert row["severity"] == "error"
        assert f"belongs to revision {NEW_REVISION}, but is connected to istiod of {REVISION}." in row["message"]
    finally:
        bind(None)
    until(lambda: not found(desk, canary), "it is still bound")


def read_by(cluster: Cluster, revision: str) -> set[str]:
    """The AuthorizationPolicies of namespace shop that istiod of a revision has."""
    pods = cluster.items(f"/api/v1/namespaces/{SYSTEM}/pods", {"labelSelector": f"app=istiod,{REV}={revision}"})
    body = get_from_pod(client_of(cluster), SYSTEM, pods[0]["metadata"]["name"], 15014, "/debug/configz", timeout=5)
    rows = (row for row in json.loads(body) if row.get("kind") == "AuthorizationPolicy")
    return {row["metadata"]["name"] for row in rows if row["metadata"]["namespace"] == "shop"}


def test_f4_a_move_is_refused_by_which_a_policy_would_stop_to_apply(desk: Desk, canary: Cluster) -> None:
    policies = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies"
    names = {"by-revision": REVISION, "by-tag": "prod", "by-target": NEW_REVISION, "by-all": None}
    for name, revision in names.items():
        labels = {} if revision is None else {REV: revision}
        meta = {"name": name, "namespace": "shop", "labels": labels}
        body = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": {}}
        canary.request("POST", policies, body)
    try:
        until(lambda: "by-all" in read_by(canary, REVISION) & read_by(canary, NEW_REVISION), "istiod does not read")
        assert read_by(canary, REVISION) == {"by-revision", "by-all"}
        assert read_by(canary, NEW_REVISION) == {"by-target", "by-all"}
        with no_write(canary):
            gate = desk.tool(
                canary, "istio_precheck", version=NEW_VERSION, revision=NEW_REVISION, source_revision=REVISION
            )
            result = desk.tool(canary, "namespace_revision", namespaces=["shop"], revision=NEW_REVISION)
            allowed = desk.tool(
                canary, "namespace_revision", namespaces=["shop"], revision=NEW_REVISION, allow=["MU053"], check=True
            )
    finally:
        for name in names:
            canary.delete(f"{policies}/{name}")
    found = {
        (row["code"], row["severity"], row["object"]) for row in gate["findings"] if row["code"].startswith("MU05")
    }
    assert found == {
        ("MU053", "error", "AuthorizationPolicy shop/by-revision"),
        ("MU054", "warning", "AuthorizationPolicy shop/by-tag"),
    }
    assert result["failure"] == {"kind": "SafetyError", "configuration": ["AuthorizationPolicy shop/by-revision"]}
    assert (allowed["moved"], len(allowed["warnings"])) == (["shop"], 1)


def test_who_may_not_forward_ports_is_told_so(desk: Desk, canary: Cluster) -> None:
    user = "without-port-forward"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user}
    allowed = [one for one in (*READ, *READ_FOR_CHECKS) if one.resource != "pods/portforward"]
    rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in allowed]
    meta = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user}}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    objects = [
        {**meta, "kind": "ClusterRole", "rules": rules},
        {**meta, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]},
    ]
    canary.apply(objects)
    try:
        rows = found(desk, canary, impersonate_user=user)
    finally:
        for item in objects:
            canary.delete(canary.path(item))
    assert set(rows) == {("MU090", f"check {code}") for code in CODES}
    assert all("cannot get resource" in row["message"] for row in rows.values()), rows
