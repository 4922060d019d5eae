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
from integration.workloads import ARGO, NOT_YET, OWN_PROXY, PIN, PLACE, STATES, job, namespace, owned, put_rollout
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
INJECTOR = f"/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector-{REVISION}"
LEFT = "it serves all revisions, and this run does not upgrade it"
NEVER_ALLOWS = "never allows a pod to be down, because its maxUnavailable is 0"
LOOSEN = "raise its maxUnavailable, or delete it for the restart"
TAKES_DOWN = ", but a rollout takes down 1"


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
            f"Deployment {PLACE}/locked": f"budget {PLACE}/of-locked {NEVER_ALLOWS}; {LOOSEN}.",
            f"Deployment {PLACE}/tight": (
                f"budget {PLACE}/of-tight allows at most 0 pods to be down even while all are healthy, but a "
                "rollout takes down 1; raise the replicas, relax the budget, or restart it manually when it may be "
                "down."
            ),
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
        "MU141": {
            f"DaemonSet {PLACE}/ztunnel": (
                "It runs ztunnel 1.29.4-distroless, 2 minor versions behind control plane 1.31.0."
            )
        },
        "MU023": {
            f"Deployment {PLACE}/locked": f"PodDisruptionBudget of-locked {NEVER_ALLOWS}; {LOOSEN}.",
            f"Deployment {PLACE}/tight": (
                f"PodDisruptionBudget of-tight allows 0 pods to be down{TAKES_DOWN}; increase the replicas, or allow "
                "surge, or wait until all its pods are ready."
            ),
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
