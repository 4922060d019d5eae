# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck around a mesh, and its result without permission to look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.meshes import MERGE, OUTSIDE
from integration.objects import INJECTION, REV
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
RBAC = "/apis/rbac.authorization.k8s.io/v1"
READER = "precheck-reader"
RULES = (
    ("", ("namespaces", "pods", "services", "configmaps")),
    ("apps", ("deployments", "statefulsets", "daemonsets", "replicasets")),
    ("batch", ("jobs",)),
    ("policy", ("poddisruptionbudgets",)),
    ("admissionregistration.k8s.io", ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")),
    ("apiextensions.k8s.io", ("customresourcedefinitions",)),
)


def found(desk: Desk, cluster: Cluster, **options: Any) -> dict[str, set[str]]:
    """Code to objects of everything that is found before a canary."""
    with no_write(cluster):
        asked = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never", **options}
        result = desk.tool(cluster, "istio_precheck", **asked)
    assert "failed" not in result, result
    codes: dict[str, set[str]] = {}
    for row in result["findings"]:
        codes.setdefault(row["code"], set()).add(row["object"])
    return codes


@pytest.fixture
def reader(calm: Cluster) -> Iterator[str]:
    """A user who may read what a mesh is made of, and no nodes."""
    api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": READER}}
    rules = [{"apiGroups": [group], "resources": list(names), "verbs": ["get", "list"]} for group, names in RULES]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER}
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": READER}
    calm.request("POST", f"{RBAC}/clusterroles", {**api, "kind": "ClusterRole", "rules": rules})
    binding = {**api, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [user]}
    calm.request("POST", f"{RBAC}/clusterrolebindings", binding)
    yield READER
    for kind in ("clusterrolebindings", "clusterroles"):
        calm.delete(f"{RBAC}/{kind}/{READER}")


def test_a_mesh_in_order_has_no_error_and_no_warning(desk: Desk, calm: Cluster) -> None:
    codes = found(desk, calm)
    assert codes["MU021"] == {"Job batch/reindex", "Pod batch/migration-shell"}
    assert set(codes) == {"MU021", "MU033"}


def test_a_second_control_plane_needs_room(desk: Desk, calm: Cluster) -> None:
    def cordon(shut: bool) -> None:
        for name in calm.node_names():
            body = {"spec": {"unschedulable": shut}}
            calm.request("PATCH", f"/api/v1/nodes/{name}", body, content_type=MERGE)

    cordon(shut=True)
    try:
        assert found(desk, calm)["MU040"] == {f"revision {NEW_REVISION}"}
    finally:
        cordon(shut=False)


def test_one_old_node_decides_about_native_sidecars(desk: Desk, calm: Cluster) -> None:
    node = calm.node_names()[0]
    calm.set_kubelet_version("v1.32.9", node)
    try:
        assert found(desk, calm)["MU041"] == {f"node {node}"}
    finally:
        calm.set_kubelet_version(node=node)


FILTER: Json = {
    "apiVersion": "networking.istio.io/v1alpha3",
    "kind": "EnvoyFilter",
    "metadata": {"name": "tweak", "namespace": "shop"},
    "spec": {
        "configPatches": [
            {
                "applyTo": "CLUSTER",
                "match": {"context": "SIDECAR_OUTBOUND", "proxy": {"proxyVersion": r"^1\.30\..*"}},
                "patch": {"operation": "MERGE", "value": {"connect_timeout": "7s"}},
            },
            {
                "applyTo": "HTTP_FILTER",
                "match": {
                    "listener": {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}
                },
                "patch": {"operation": "INSERT_FIRST", "value": {"name": "tweak"}},
            },
        ]
    },
}


def test_patches_that_only_the_old_proxies_get_are_named(desk: Desk, calm: Cluster) -> None:
    calm.apply([FILTER])
    try:
        codes = found(desk, calm)
    finally:
        calm.delete(calm.path(FILTER))
    assert codes["MU043"] == {"namespace shop"}
    assert codes["MU044"] == codes["MU038"] == {"EnvoyFilter shop/tweak"}


def test_a_namespace_with_two_labels_is_named(desk: Desk, calm: Cluster) -> None:
    def label(**own: str | None) -> None:
        patch = {"metadata": {"labels": {INJECTION: own.get("injection"), REV: own.get("rev")}}}
        calm.request("PATCH", f"/api/v1/namespaces/{OUTSIDE}", patch, content_type=MERGE)

    label(injection="enabled", rev=NEW_REVISION)
    try:
        assert found(desk, calm)["MU017"] == {f"namespace {OUTSIDE}"}
    finally:
        label()


def test_what_may_not_be_read_is_said_and_the_rest_is_judged(desk: Desk, calm: Cluster, reader: str) -> None:
    codes = found(desk, calm, impersonate_user=reader, source_revision=REVISION)
    around = ("MU038", "MU040", "MU041", "MU043", "MU044", "MU045", "MU046", "MU047", "MU053", "MU054", "MU060")
    others = ("MU070", "MU071", "MU072", "MU100", "MU103", "MU117", "MU130", "MU131", "MU134", "MU139")
    assert codes["MU090"] == {f"check {code}" for code in (*around, *others)}
    assert codes["MU021"] == {"Job batch/reindex", "Pod batch/migration-shell"}
