# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck about workloads and their proxies, each on a cluster that has the fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from integration.meshes import MERGE
from integration.objects import REV, injected, labels, until
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
PLACE = "annex"
NOT_YET = "annex-late"
INJECTOR = f"/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector-{REVISION}"
APP = {"name": "app", "image": "registry.example/app:1"}
PROXY = {"name": "istio-proxy"}
NO_PROXY = {"sidecar.istio.io/inject": "false"}
ZTUNNEL = "registry.example/istio/ztunnel:1.29.4-distroless"
CNI = {"name": "install-cni", "image": "registry.example/istio/install-cni:1.30.3"}
OWN_PROXY = "registry.example/istio/proxyv2:1.30.1"
PIN = "sidecar.istio.io/proxyImage"
LASTING = {"lab.meshops.dev/duration": "24h"}
LEFT = "it serves all revisions, and this run does not upgrade it"
ARGO = "argoproj.io"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
ROLLOUTS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"rollouts.{ARGO}"},
    "spec": {
        "group": ARGO,
        "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": ANYTHING},
            }
        ],
    },
}


def rows(desk: Desk, cluster: Cluster, *namespaces: str, **options: Any) -> dict[str, dict[str, str]]:
    """Code to object to message of what is found before a canary in some namespaces, or everywhere."""
    given = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never", **options}
    with no_write(cluster):
        result = desk.tool(cluster, "istio_precheck", **given)
    assert "failed" not in result, result
    codes: dict[str, dict[str, str]] = {}
    for row in result["findings"]:
        if not namespaces or any(f" {name}/" in row["object"] for name in namespaces):
            codes.setdefault(row["code"], {})[row["object"]] = row["message"]
    return codes


def pod_template(
    name: str, *containers: Json, labels: Json | None = None, notes: Json | None = None, **spec: Any
) -> Json:
    """A pod template with an app, or with containers of its own."""
    metadata = {"labels": {"app": name, **(labels or {})}, "annotations": notes or {}}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [APP], **spec}}


def workload(kind: str, name: str, template: Json | None = None, *, namespace: str = PLACE, **spec: Any) -> Json:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet."""
    body = {"selector": {"matchLabels": {"app": name}}, "template": template or pod_template(name), **spec}
    if kind == "StatefulSet":
        body["serviceName"] = name
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def job(name: str, kind: str = "Job", **spec: Any) -> Json:
    """A Job that lasts, or a CronJob of such Jobs that does not start any by itself."""
    own = {"template": pod_template(name, notes=LASTING, restartPolicy="Never")}
    body = own if kind == "Job" else {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": own}}
    return {
        "apiVersion": "batch/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {**body, **spec},
    }


def budget(name: str, **spec: Any) -> Json:
    """A PodDisruptionBudget over the pods of one workload."""
    metadata = {"name": f"of-{name}", "namespace": PLACE}
    body = {"selector": {"matchLabels": {"app": name}}, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": body}


def namespace(name: str, **labels: str) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


NO_SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
STATES: list[Json] = [
    workload("Deployment", "paused"),
    workload("DaemonSet", "by-hand", updateStrategy={"type": "OnDelete"}),
    workload(
        "StatefulSet",
        "half",
        replicas=2,
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
    ),
    workload("ReplicaSet", "lonely"),
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare", "namespace": PLACE},
        "spec": pod_template("bare")["spec"],
    },
    job("once"),
    job("nightly", "CronJob"),
    workload("Deployment", "single", strategy={"type": "Recreate"}),
    workload("Deployment", "tight", replicas=2, strategy=NO_SURGE),
    budget("tight", minAvailable=2),
    workload("Deployment", "locked", replicas=2, strategy=NO_SURGE),
    budget("locked", maxUnavailable=0),
    workload("Deployment", "surging", replicas=2),
    budget("surging", maxUnavailable=0),
    workload("Deployment", "noted", pod_template("noted", notes={PIN: OWN_PROXY})),
    workload("Deployment", "fixed", pod_template("fixed", APP, {**PROXY, "image": OWN_PROXY})),
    workload("Deployment", "current", replicas=2),
    workload("Deployment", "gateway", pod_template("gateway", {**PROXY, "image": "auto"}, labels=NO_PROXY)),
    workload("DaemonSet", "ztunnel", pod_template("ztunnel", {**PROXY, "image": ZTUNNEL}, labels=NO_PROXY)),
    workload("DaemonSet", "istio-cni-node", pod_template("istio-cni-node", CNI, labels=NO_PROXY)),
    workload("Deployment", "outside", namespace=NOT_YET, replicas=2),
]


def owned(item: Json, owner: Json) -> Json:
    """An object as the controller of another one would make it."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    item["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    return item


def put_rollout(cluster: Cluster) -> None:
    """An Argo Rollout with the ReplicaSet that its controller would make."""
    cluster.apply([ROLLOUTS])
    path = f"/apis/{ARGO}/v1alpha1/namespaces/{PLACE}/rollouts"
    until(
        lambda: ARGO in {one["name"] for one in cluster.request("GET", "/apis")["groups"]}, "Argo's CRD is not served"
    )
    body = {"apiVersion": f"{ARGO}/v1alpha1", "kind": "Rollout", "metadata": {"name": "progressive"}}
    rollout = cluster.request("POST", path, body)
    cluster.apply([owned(workload("ReplicaSet", "progressive-7f"), rollout)])


def ready(replica_set: Json) -> bool:
    """It has all pods that it wants."""
    return bool(replica_set["status"].get("readyReplicas", 0) == replica_set["spec"]["replicas"])


@pytest.fixture
def crowd(calm: Cluster) -> Iterator[Cluster]:
    """The mesh, with a namespace of workloads that need attention, and one that was labelled later."""
    calm.apply([namespace(PLACE, **{REV: REVISION}), namespace(NOT_YET), *STATES])
    nightly = calm.request("GET", f"/apis/batch/v1/namespaces/{PLACE}/cronjobs/nightly")
    calm.apply([owned(job("nightly-1"), nightly)])
    put_rollout(calm)
    calm.wait_ready([PLACE, NOT_YET])
    until(
        lambda: all(map(ready, calm.items(f"/apis/apps/v1/namespaces/{PLACE}/replicasets"))), "a ReplicaSet has no pod"
    )
    pause = {"spec": {"paused": True}}
    calm.request("PATCH", f"/apis/apps/v1/namespaces/{PLACE}/deployments/paused", pause, content_type=MERGE)
    label = {"metadata": {"labels": {REV: REVISION}}}
    calm.request("PATCH", f"/api/v1/namespaces/{NOT_YET}", label, content_type=MERGE)
    yield calm
    for name in (PLACE, NOT_YET):
        calm.delete(f"/api/v1/namespaces/{name}")
    calm.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.{ARGO}")
    until(lambda: not {PLACE, NOT_YET} & set(labels(calm)), "the namespaces did not go")


def test_what_needs_attention_is_found_once_and_what_is_in_order_is_not(desk: Desk, crowd: Cluster) -> None:
    assert rows(desk, crowd, PLACE, NOT_YET) == {
        "MU021": {
            f"CronJob {PLACE}/nightly": "a run of a CronJob is in progress; nothing: its next run gets the new proxy.",
            f"DaemonSet {PLACE}/by-hand": (
                "its update strategy is OnDelete; restart it, then delete its pods one by one at a convenient time."
            ),
            f"Deployment {PLACE}/paused": "the Deployment is paused; resume it: kubectl rollout resume.",
            **{
                f"Deployment {PLACE}/{name}": (
                    f"budget {PLACE}/of-{name} allows at most 0 pods to be down even while all are healthy, but a "
                    "rollout takes down 1; raise the replicas, relax the budget, or restart it manually when it may "
                    "be down."
                )
                for name in ("locked", "tight")
            },
            f"Job {PLACE}/once": (
                "a Job never replaces a running pod; wait until it ends, or delete and create the Job."
            ),
            f"Pod {PLACE}/bare": "no controller owns the pod; create it again manually.",
            f"ReplicaSet {PLACE}/lonely": (
                "a ReplicaSet without a Deployment has no rollout; delete its pods one by one at a convenient time."
            ),
            f"Rollout {PLACE}/progressive": (
                "an Argo Rollout replaces its pods itself; "
                "set its spec.restartAt: kubectl argo rollouts restart progressive."
            ),
            f"StatefulSet {PLACE}/half": (
                "its rolling update stops at partition 1; lower the partition, or delete the pods below it one by one."
            ),
        },
        "MU042": {
            f"DaemonSet {PLACE}/istio-cni-node": f"This is the CNI plugin 1.30.3; {LEFT}.",
            f"DaemonSet {PLACE}/ztunnel": f"This is ztunnel 1.29.4-distroless; {LEFT}.",
        },
        "MU051": {
            f"Deployment {PLACE}/gateway": (
                "Its proxy image auto is a placeholder that no injector replaces: "
                "the pod opts out by sidecar.istio.io/inject=false."
            )
        },
        "MU052": {
            f"DaemonSet {PLACE}/ztunnel": (
                "It runs ztunnel 1.29.4-distroless, 2 minor versions behind control plane 1.31.0."
            )
        },
        "MU023": {
            f"Deployment {PLACE}/{name}": (
                f"PodDisruptionBudget of-{name} allows 0 pods to be down, but a rollout takes down 1."
            )
            for name in ("locked", "tight")
        },
        "MU026": {f"Deployment {PLACE}/single": "Its rollout takes down its only pod before a new one is ready."},
        "MU027": {
            f"Deployment {NOT_YET}/outside": (
                f"2 pods lack a proxy that revision {REVISION} would inject now: "
                f"the namespace has label {REV}={REVISION}, which revision {REVISION} owns."
            )
        },
        "MU028": {
            f"Deployment {PLACE}/noted": f"1 pod keeps proxy image {OWN_PROXY}, pinned by annotation {PIN}.",
            f"Deployment {PLACE}/fixed": f"1 pod keeps proxy image {OWN_PROXY}, pinned by the pod template.",
        },
    }


def test_what_a_stale_proxy_runs_and_would_get_is_said(desk: Desk, calm: Cluster) -> None:
    """The injector's configuration is what an install in place changes first."""
    values = calm.request("GET", INJECTOR)["data"]["values"]

    def inject(text: str) -> None:
        calm.request("PATCH", INJECTOR, {"data": {"values": text}}, content_type=MERGE)

    def pause(paused: bool) -> None:
        patch = {"spec": {"paused": paused}}
        calm.request("PATCH", "/apis/apps/v1/namespaces/shop/deployments/cart", patch, content_type=MERGE)

    changed = json.loads(values)
    changed["global"]["tag"] = "1.30.2"
    inject(json.dumps(changed))
    pause(paused=True)
    try:
        found = rows(desk, calm)["MU020"]
        after = rows(desk, calm, stage="after", revision=REVISION)
    finally:
        pause(paused=False)
        inject(values)
        until(lambda: injected(calm, "shop").version == VERSION, "istiod did not read its configuration again")
    assert found["Deployment shop/web"] == f"3 pods run {VERSION} of revision {REVISION}, and would get 1.30.2."
    assert found["StatefulSet search/index"] == f"3 pods run {VERSION} of revision {REVISION}, and would get 1.30.2."
    assert "Deployment legacy/billing" not in found
    assert "Deployment shop/cart" in found
    assert set(found) - set(after["MU020"]) == {"Deployment shop/cart"}, "no run can restart what is paused"
    assert "Deployment shop/cart" in after["MU021"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"revision": "1-31-1"},
            f"It belongs to revision {NEW_REVISION}. Until another revision adopts it, it keeps proxy {NEW_VERSION}, "
            f"and revision {NEW_REVISION} cannot be removed.",
            id="canary",
        ),
        pytest.param(
            {"revision": NEW_REVISION, "strategy": "in_place"},
            f"The installation of revision {NEW_REVISION} replaces its pods together with those of istiod.",
            id="in place",
        ),
    ],
)
def test_what_a_run_does_to_the_gateway_of_an_install_is_said(
    desk: Desk, gated: Cluster, options: Json, message: str
) -> None:
    found = rows(desk, gated, version="1.31.1", **options)
    assert found["MU050"] == {"Deployment istio-system/istio-ingressgateway": message}
