# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""R31: a left-over operator that puts istiod back is named before a run, and leaves no cluster that rejects pods."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from field.controllers import put_back
from field.meshes import MERGE, delete_a_pod, proxies, web
from field.playbooks import changed, play
from integration.objects import until
from integration.support import NEW_VERSION, VERSION, Desk
from integration.workloads import ANYTHING, namespace
from lab import ApiError, Cluster

Json = dict[str, Any]
VERTICAL = "autoscaling.k8s.io"
GROUP, SYSTEM = "install.istio.io", "istio-system"
OPERATORS = f"/apis/{GROUP}/v1alpha1/namespaces/{SYSTEM}/istiooperators"
CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/istiooperators.{GROUP}"
FINALIZER = "istio-finalizer.install.istio.io"
ISTIOD = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/istiod"
HUB = "lab.invalid/istio"


def image_of(deployment: Json) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


@contextlib.contextmanager
def istio_operator(cluster: Cluster, *, deployed: bool) -> Iterator[None]:
    """The resource of the in-cluster operator, and its Deployment; both are removed at the end."""
    names = {"kind": "IstioOperator", "plural": "istiooperators", "singular": "istiooperator"}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
    spec = {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    cluster.apply([{**crd, "metadata": {"name": f"istiooperators.{GROUP}"}, "spec": spec}])

    def served() -> bool:
        with contextlib.suppress(ApiError):
            cluster.request("GET", OPERATORS)
            return True
        return False

    until(served, "IstioOperators are not served")
    metadata = {"name": "installed-state", "namespace": SYSTEM, "finalizers": [FINALIZER]}
    body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "IstioOperator", "metadata": metadata}
    cluster.request("POST", OPERATORS, {**body, "spec": {"hub": HUB, "tag": VERSION}})
    if deployed:
        cluster.apply([namespace("istio-operator"), web("istio-operator", "istio-operator", replicas=1)])
        cluster.wait_ready()
    try:
        yield
    finally:
        no_finalizer = {"metadata": {"finalizers": None}}
        cluster.request("PATCH", f"{OPERATORS}/installed-state", no_finalizer, content_type=MERGE)
        cluster.delete(f"{OPERATORS}/installed-state")
        cluster.delete(CRD)


@pytest.fixture
def in_place(desk: Desk, unrevisioned: Cluster) -> Any:
    """Run a playbook in place on a mesh without a revision."""

    def run(name: str, **variables: Any) -> Any:
        return play(desk, unrevisioned, name, istio_strategy="in_place", **variables)

    return run


def test_an_in_cluster_operator_is_refused_before_anything_is_written(
    desk: Desk, unrevisioned: Cluster, in_place: Any
) -> None:
    before = proxies(unrevisioned)
    with istio_operator(unrevisioned, deployed=True):
        for run in (
            in_place("precheck"),
            in_place("in_place"),
            play(desk, unrevisioned, "canary", istio_finalize=True),
        ):
            assert run.returncode, run.output[-3000:]
            assert "MU130" in run.output
            assert "IstioOperator istio-system/installed-state" in run.output
        result = desk.tool(
            unrevisioned, "istio_revision", revision="default", version=NEW_VERSION, strategy="in_place", check=True
        )
        assert result["failed"]
        assert str(result["msg"]).startswith("MU130")
    assert proxies(unrevisioned) == before
    assert image_of(unrevisioned.request("GET", ISTIOD)).endswith(f":{VERSION}")


def test_a_resource_without_its_operator_is_a_warning_only(unrevisioned: Cluster, in_place: Any) -> None:
    with istio_operator(unrevisioned, deployed=False):
        run = in_place("precheck").require_success()
        assert "MU131" in run.output
        assert FINALIZER in run.output


def test_r31_another_client_puts_istiod_back(desk: Desk, unrevisioned: Cluster, in_place: Any) -> None:
    old = image_of(unrevisioned.request("GET", ISTIOD))
    container = {"name": "discovery", "image": old}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    strategic = "application/strategic-merge-patch+json"
    with put_back(
        unrevisioned, ISTIOD, lambda obj: image_of(obj) != old, patch, manager="old-operator", content_type=strategic
    ):
        run = in_place("in_place")
        assert run.returncode
        message = run.failure(unrevisioned)
        assert (
            f"old-operator changed the image of Deployment istio-system/istiod from {HUB}/pilot:{NEW_VERSION}"
            in message
        )
        assert "injector configuration is unchanged" in message
        assert delete_a_pod(unrevisioned).endswith(f":{VERSION}")
        assert in_place("in_place").returncode
    in_place("in_place").require_success()
    assert {image.rpartition(":")[2] for image in proxies(unrevisioned).values()} == {NEW_VERSION}
    assert changed(in_place("in_place").require_success(), unrevisioned) == 0
    # The state that an earlier version left: the injector configuration of the target, and the previous istiod.
    unrevisioned.request("PATCH", ISTIOD, patch, content_type=strategic)

    def rejects() -> bool:
        result = desk.tool(unrevisioned, "istio_precheck", stage="after", fail_on="never")
        return "MU132" in {row["code"] for row in result["findings"]}

    until(rejects, "the previous istiod rejects no pod")
    verify = in_place("verify")
    assert verify.returncode
    assert "MU132" in verify.output
    in_place("in_place").require_success()
    assert "MU132" not in in_place("verify").require_success().output


def test_a_helm_release_in_progress_is_named_before(desk: Desk, based: Cluster) -> None:
    owned = {"metadata": {"annotations": {"meta.helm.sh/release-name": "istiod-1-30-3"}}}
    based.request("PATCH", f"{ISTIOD}-1-30-3", owned, content_type=MERGE)
    labels = {"owner": "helm", "name": "istiod-1-30-3", "version": "9", "status": "pending-upgrade"}
    metadata = {"name": "sh.helm.release.v1.istiod-1-30-3.v9", "namespace": SYSTEM, "labels": labels}
    based.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata}])
    result = desk.tool(based, "istio_precheck", version=NEW_VERSION, revision="1-31-0", fail_on="never")
    based.delete(f"/api/v1/namespaces/{SYSTEM}/secrets/{metadata['name']}")
    assert "MU134" in {row["code"] for row in result["findings"]}


@contextlib.contextmanager
def served_vertical_autoscalers(cluster: Cluster) -> Iterator[None]:
    """The kind VerticalPodAutoscaler, as its project defines it, with an open schema."""
    names = {"kind": "VerticalPodAutoscaler", "plural": "verticalpodautoscalers", "singular": "verticalpodautoscaler"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
    spec = {"group": VERTICAL, "names": names, "scope": "Namespaced", "versions": [version]}
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/63797"}
    metadata = {"name": f"verticalpodautoscalers.{VERTICAL}", "annotations": approved}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
    cluster.apply([{**crd, "spec": spec}])

    def served() -> bool:
        with contextlib.suppress(ApiError):
            cluster.request("GET", f"/apis/{VERTICAL}/v1/verticalpodautoscalers")
            return True
        return False

    until(served, "VerticalPodAutoscalers are not served")
    try:
        yield
    finally:
        cluster.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{metadata['name']}")


def test_autoscalers_that_disturb_an_upgrade_are_named_before(desk: Desk, unrevisioned: Cluster) -> None:
    def found(**options: Any) -> dict[str, list[str]]:
        result = desk.tool(unrevisioned, "istio_precheck", version=NEW_VERSION, fail_on="never", **options)
        codes = {"MU090", "MU138", "MU139"}
        rows = [row for row in result["findings"] if row["code"] in codes]
        return {code: [row["object"] for row in rows if row["code"] == code] for code in {row["code"] for row in rows}}

    in_place = {"strategy": "in_place", "revision": "default"}
    assert found(**in_place) == {}
    with served_vertical_autoscalers(unrevisioned):
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        metadata = {"name": "web", "namespace": "shop"}
        body = {"apiVersion": f"{VERTICAL}/v1", "kind": "VerticalPodAutoscaler", "metadata": metadata}
        path = f"/apis/{VERTICAL}/v1/namespaces/shop/verticalpodautoscalers"
        policy = {"updateMode": "Recreate"}
        unrevisioned.request("POST", path, {**body, "spec": {"targetRef": target, "updatePolicy": policy}})
        istiod = {"scaleTargetRef": {**target, "name": "istiod"}, "minReplicas": 1, "maxReplicas": 5}
        scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": istiod}
        unrevisioned.apply([{**scaler, "metadata": {"name": "own-istiod", "namespace": SYSTEM}}])
        autoscaler, vertical = f"HorizontalPodAutoscaler {SYSTEM}/own-istiod", "VerticalPodAutoscaler shop/web"
        assert found(**in_place) == {"MU138": [vertical], "MU139": [autoscaler]}
        assert found(**in_place, limits={"exclude": ["shop"]}) == {"MU139": [autoscaler]}
        assert found(strategy="canary", revision="1-31-0") == {"MU138": [vertical]}
        unrevisioned.delete(f"/apis/autoscaling/v2/namespaces/{SYSTEM}/horizontalpodautoscalers/own-istiod")


def test_a_tool_that_takes_a_restart_back_is_named(desk: Desk, based: Cluster) -> None:
    path, stamp = "/apis/apps/v1/namespaces/shop/deployments/web", "kubectl.kubernetes.io/restartedAt"

    def restarted(obj: Json) -> bool:
        return stamp in (obj["spec"]["template"]["metadata"].get("annotations") or {})

    taken_back = {"spec": {"template": {"metadata": {"annotations": {stamp: None}}}}}
    with put_back(based, path, restarted, taken_back, delay=0.1):
        run = play(desk, based, "canary")
    assert run.returncode
    # A client that only removes a field leaves no entry: the newest one is of the client that made the workload.
    assert "another client changed its template after the restart" in run.failure(based)
