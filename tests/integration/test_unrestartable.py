# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads that cannot be restarted are reported with reason and remedy, and not touched (S6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.meshes import MERGE
from integration.objects import pods, until
from integration.restarts import PLACE, clear, data_plane, place, two_revisions, workload
from integration.support import NEW_VERSION, VERSION, Desk
from integration.workloads import ARGO, ROLLOUTS, job, owned, pod_template
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
WIDGETS = "widgets.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ARGO_PATH = f"/apis/{ARGO}/v1alpha1/namespaces/{PLACE}/rollouts"
BATCH = f"/apis/batch/v1/namespaces/{PLACE}"
#: Kind and name to pods, code, reason and remedy.
EXPECTED = {
    "CronJob nightly": (1, "cron_job", "a run of a CronJob is in progress", "nothing: its next run gets the new proxy"),
    "DaemonSet by-hand": (
        3,
        "on_delete",
        "its update strategy is OnDelete",
        "restart it, then delete its pods one by one at a convenient time",
    ),
    "Deployment held": (1, "paused", "the Deployment is paused", "resume it: kubectl rollout resume"),
    "Deployment none": (
        0,
        "scaled_to_zero",
        "it has no pods to restart",
        "nothing: its pods get the new proxy when it is scaled up",
    ),
    "Job once": (1, "job", "a Job never replaces a running pod", "wait until it ends, or delete and create the Job"),
    "Pod bare": (1, "bare_pod", "no controller owns the pod", "create it again manually"),
    "ReplicaSet lonely": (
        1,
        "replica_set",
        "a ReplicaSet without a Deployment has no rollout",
        "delete its pods one by one at a convenient time",
    ),
    "Rollout adrift": (
        1,
        "argo_rollout",
        "an Argo Rollout replaces its pods itself",
        "set its spec.restartAt: kubectl argo rollouts restart adrift",
    ),
    "Rollout ill": (
        1,
        "argo_rollout",
        "the Argo Rollout is Degraded: its update is not complete",
        "promote, abort or fix the update, then run again",
    ),
    "StatefulSet half": (
        2,
        "partition",
        "its rolling update stops at partition 1",
        "lower the partition, or delete the pods below it one by one",
    ),
    "Widget gadget": (
        1,
        "custom_owner",
        "its owner is a Widget",
        "restart it through the controller of Widget.example.com",
    ),
}


def widgets() -> Json:
    """A custom kind whose controller creates pods itself."""
    group = {"group": "example.com", "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"}}
    spec = {**group, "scope": "Namespaced", "versions": ROLLOUTS["spec"]["versions"]}
    return {**ROLLOUTS, "metadata": {"name": WIDGETS}, "spec": spec}


def here(item: Json) -> Json:
    """The same in the namespace of these tests."""
    item["metadata"]["namespace"] = PLACE
    return item


def bare(name: str) -> Json:
    """A pod by itself."""
    made = pod_template(name)
    return here({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": made["spec"]})


def replica_set(name: str) -> Json:
    """A ReplicaSet with one pod."""
    return workload("ReplicaSet", name, replicas=1)


def put_owned(cluster: Cluster) -> None:
    """Pods of controllers that the lab does not have."""
    cluster.apply([ROLLOUTS, widgets()])
    served = ({"argoproj.io", "example.com"}).issubset
    until(lambda: served(one["name"] for one in cluster.request("GET", "/apis")["groups"]), "the CRDs are not served")
    for name, status in (("adrift", {}), ("ill", {"status": {"phase": "Degraded"}})):
        about = {"apiVersion": f"{ARGO}/v1alpha1", "kind": "Rollout", "metadata": {"name": name}}
        rollout = cluster.request("POST", ARGO_PATH, {**about, "spec": {}, **status})
        cluster.apply([owned(replica_set(f"{name}-7f"), rollout)])
    about = {"apiVersion": "example.com/v1alpha1", "kind": "Widget", "metadata": {"name": "gadget"}}
    widget = cluster.request("POST", f"/apis/example.com/v1alpha1/namespaces/{PLACE}/widgets", about)
    cluster.apply([owned(bare("gadget-1"), widget)])


@pytest.fixture
def cluster(desk: Desk) -> Iterator[Cluster]:
    """Two revisions, and a workload of each class beside one that can be restarted."""
    cluster = two_revisions(desk)
    place(
        cluster,
        workload("Deployment", "web"),
        workload("Deployment", "held", replicas=1),
        workload("Deployment", "none", replicas=0),
        workload("DaemonSet", "by-hand", updateStrategy={"type": "OnDelete"}),
        workload("StatefulSet", "half", updateStrategy={"rollingUpdate": {"partition": 1}}),
        replica_set("lonely"),
        bare("bare"),
        here(job("once")),
        here(job("nightly", "CronJob")),
    )
    nightly = cluster.request("GET", f"{BATCH}/cronjobs/nightly")
    cluster.apply([owned(here(job("nightly-1")), nightly)])
    put_owned(cluster)
    until(lambda: len(ready(cluster)) == 15, "not all pods are ready")
    pause = {"spec": {"paused": True}}
    cluster.request("PATCH", f"/apis/apps/v1/namespaces/{PLACE}/deployments/held", pause, content_type=MERGE)
    yield cluster
    clear(cluster)
    for name in (f"rollouts.{ARGO}", WIDGETS):
        cluster.delete(f"{CRDS}/{name}")


def ready(cluster: Cluster) -> set[str]:
    """The UIDs of the ready pods of the namespace."""
    return {pod.uid for pod in pods(cluster, [PLACE]).values() if pod.ready}


def test_what_cannot_be_restarted_is_named_with_its_remedy_and_not_touched(desk: Desk, cluster: Cluster) -> None:
    before, mark = pods(cluster, [PLACE]), cluster.audit_mark()
    ended = data_plane(desk, cluster).require_success()
    result = ended.of(cluster, "rollout_restart")[-1]
    # a task outside of any run locks the cluster for itself
    written = {
        event["requestURI"].partition("?")[0]
        for event in cluster.writes_since(mark)
        if event["objectRef"]["resource"] != "leases"
    }
    assert written == {f"/api/v1/namespaces/{PLACE}", f"/apis/apps/v1/namespaces/{PLACE}/deployments/web"}
    assert result["restarted"] == [f"Deployment {PLACE}/web"]
    assert {
        f"{row['kind']} {row['name']}": (row["pods"], row["code"], row["reason"], row["remedy"])
        for row in result["unrestartable"]
    } == EXPECTED
    now = pods(cluster, [PLACE])
    kept = {key for key in before if not key[1].startswith("web-")}
    assert {key: now.get(key) for key in kept} == {key: before[key] for key in kept}
    # the next run of a CronJob is a Job from its template
    nightly = cluster.request("GET", f"{BATCH}/cronjobs/nightly")
    cluster.apply([owned(here(job("nightly-2")), nightly)])
    runs = {"nightly-1-": VERSION, "nightly-2-": NEW_VERSION}

    def versions() -> dict[str, str]:
        found = {name[:-5]: pod.version for (dummy, name), pod in pods(cluster, [PLACE]).items()}
        return {name: found[name] for name in runs if name in found}

    until(lambda: versions() == runs, f"the next run has {versions()}")
