# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that istioctl adds, findings of both, and an istioctl that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck import istioctl_analysis
from integration.meshes import ADMISSION, MERGE, OUTSIDE, virtual_service
from integration.objects import INJECTION, REV
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, UNREVISIONED, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
RBAC = "rbac.authorization.k8s.io"
READER = "everything-reader"


def found(desk: Desk, cluster: Cluster, **options: Any) -> list[Json]:
    """The findings before a canary, with istioctl of the target."""
    given = {"version": NEW_VERSION, "revision": NEW_REVISION, "istioctl": desk.lab.istioctl_template, **options}
    with no_write(cluster):
        result = desk.tool(cluster, "istio_precheck", fail_on="never", **given)
    assert "failed" not in result, result
    return list(result["findings"])


def serious(rows: list[Json]) -> set[tuple[str, str]]:
    """Code and object of what is more than a note."""
    return {(row["code"], row["object"]) for row in rows if row["severity"] != "info"}


def label(cluster: Cluster, namespace: str, **own: str | None) -> None:
    """Set the injection labels of a namespace."""
    patch = {"metadata": {"labels": {INJECTION: own.get("injection"), REV: own.get("rev")}}}
    cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", patch, content_type=MERGE)


def test_a_mesh_in_order_has_notes_only(desk: Desk, calm: Cluster) -> None:
    rows = found(desk, calm)
    assert serious(rows) == set()
    assert not [row for row in rows if row["code"].startswith("IST")]


def test_a_route_to_nowhere(desk: Desk, calm: Cluster) -> None:
    http = [{"route": [{"destination": {"host": "nowhere"}}]}]
    route = virtual_service(hosts=["web"], gateways=["missing"], http=http)
    route["metadata"]["namespace"] = "shop"
    calm.apply([route])
    try:
        rows = [row for row in found(desk, calm) if row["severity"] == "error"]
    finally:
        calm.delete(calm.path(route))
    assert {(row["code"], row["object"]) for row in rows} == {("IST0101", "VirtualService shop/web")}
    assert 'Referenced gateway not found: "missing"' in {row["message"] for row in rows}
    assert rows[0]["docs"].startswith("https://istio.io/v1.31/")


def test_two_labels_are_one_finding(desk: Desk, calm: Cluster) -> None:
    label(calm, OUTSIDE, injection="enabled", rev=REVISION)
    try:
        rows = [row for row in found(desk, calm) if row["object"] == f"namespace {OUTSIDE}"]
    finally:
        label(calm, OUTSIDE)
    assert [row["code"] for row in rows] == ["MU017"]
    assert rows[0]["message"].endswith(" (istioctl: IST0123)")


def test_pods_without_a_proxy_are_one_finding_for_each_owner(desk: Desk, calm: Cluster) -> None:
    label(calm, OUTSIDE, injection="enabled")
    try:
        rows = found(desk, calm)
    finally:
        label(calm, OUTSIDE)
    mine = [row for row in rows if row["code"] == "MU027"]
    assert {row["object"] for row in mine} == {f"Deployment {OUTSIDE}/billing", f"StatefulSet {OUTSIDE}/files"}
    assert all(row["message"].endswith(" (istioctl: IST0103)") for row in mine)
    assert "IST0103" not in {row["code"] for row in rows}


def test_webhooks_of_any_revision_are_looked_at(desk: Desk, calm: Cluster) -> None:
    path = f"{ADMISSION}/mutatingwebhookconfigurations"
    copy = calm.request("GET", f"{path}/istio-sidecar-injector-{REVISION}")
    for at, (name, service) in enumerate((("gone", "istiod-gone"), ("twin", f"istiod-{REVISION}"))):
        own = {"name": name, "labels": {REV: "gone" if at == 0 else REVISION}}
        hooks = [
            {**hook, "clientConfig": {"service": {**hook["clientConfig"]["service"], "name": service}}}
            for hook in copy["webhooks"]
        ]
        if at == 0:
            hooks = [{**hook, "namespaceSelector": {"matchLabels": {REV: "gone"}}} for hook in hooks[:1]]
        calm.apply([{**copy, "metadata": own, "webhooks": hooks}])
    try:
        rows = found(desk, calm)
    finally:
        for name in ("gone", "twin"):
            calm.delete(f"{path}/{name}")
    orphan = next(row for row in rows if (row["code"], row["object"]) == ("MU011", "webhook gone"))
    assert orphan["message"].endswith(" (istioctl: IST0139)")
    # Both call the same revision, which is not a finding of ours.
    overlapping = {row["object"] for row in rows if row["code"] == "IST0139"}
    assert overlapping >= {"webhook twin", f"webhook istio-sidecar-injector-{REVISION}"}


@pytest.fixture
def reader(calm: Cluster) -> Iterator[str]:
    """A user who may read everything, and write nothing."""
    api = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": READER}}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": READER}
    user = {"apiGroup": RBAC, "kind": "User", "name": READER}
    calm.apply([{**api, "kind": "ClusterRole", "rules": rules}])
    calm.apply([{**api, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [user]}])
    yield READER
    for kind in ("clusterrolebindings", "clusterroles"):
        calm.delete(f"/apis/{RBAC}/v1/{kind}/{READER}")


def test_who_may_only_read_can_ask_too(desk: Desk, calm: Cluster, reader: str) -> None:
    rows = found(desk, calm, impersonate_user=reader)
    # to ask istiods needs a permission to create
    assert {code for code, dummy in serious(rows)} <= {"MU090"}
    assert {row["severity"] for row in rows if row["code"] == "IST0141"} == {"info"}


def test_who_may_not_read_enough_gets_everything_else(desk: Desk, calm: Cluster, reader: str) -> None:
    """Istioctl itself would wait for ever."""
    resources = ["namespaces", "pods", "services", "configmaps", "secrets"]
    rules = [
        {"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["apps", "batch", "policy", "admissionregistration.k8s.io", "apiextensions.k8s.io"],
            "resources": ["*"],
            "verbs": ["get", "list", "watch"],
        },
    ]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": reader}, "rules": rules}
    calm.apply([role])
    rows = found(desk, calm, impersonate_user=reader)
    problem = next(row for row in rows if row["code"] == "MU080")
    assert problem["object"] == "istioctl analyze"
    assert "This user may not list nodes, watch nodes, list trafficextensions.extensions.istio.io" in problem["message"]
    assert {row["code"] for row in rows} > {"MU021", "MU080", "MU090"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exec sleep 600", "did not end within 2 s and was stopped."),
        ("echo '[{\"code\":'", "cannot be read: "),
    ],
)
def test_an_istioctl_that_hangs_or_breaks(
    desk: Desk, calm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(istioctl_analysis, "SECONDS", 2)
    path = tmp_path / "istioctl"
    version = f'[ "$1" = version ] && echo \'{{"clientVersion": {{"version": "{NEW_VERSION}"}}}}\' && exit 0'
    path.write_text(f"#!/bin/sh\n{version}\n{script}\n")
    path.chmod(0o755)
    rows = found(desk, calm, istioctl=str(path))
    assert serious(rows) == {("MU080", "istioctl analyze"), ("MU080", "istioctl x precheck")}
    assert all(message in row["message"] for row in rows if row["code"] == "MU080")


def test_clean_installs_have_no_errors_and_no_warnings(desk: Desk, gated: Cluster) -> None:
    """The other cluster: 1.31.0 with profile default; then 1.30.3 without a revision, before both hops to 1.31.0."""
    assert serious(found(desk, gated, revision="1-31-0-b")) == set()
    gated.reset()
    desk.state = ""
    gated.install_istio(VERSION, profile="default")
    assert serious(found(desk, gated)) == set()
    in_place = {"strategy": "in_place", "revision": UNREVISIONED}
    assert {code for code, dummy in serious(found(desk, gated, **in_place))} <= {"MU008"}
