# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes to start from, what has to hold on each of them at any time, and a probe that creates pods meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from integration.objects import INJECTION, REV, injected, labels, pods, until
from integration.support import NEW_VERSION, UNREVISIONED, VERSION
from lab import ApiError, Cluster

Json = dict[str, Any]
IN_PLACE, DOWNGRADE, ROLLBACK = (f"meshops.istio.{name}" for name in ("in_place", "downgrade", "rollback"))
PATCH_VERSION = "1.31.1"
MERGE = "application/merge-patch+json"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TWO_REPLICAS = ("values.pilot.autoscaleEnabled=false", "values.pilot.replicaCount=2")
#: Settings of a user, which have to survive every way.
SETTINGS = ("meshConfig.accessLogFile=/dev/stdout", "values.pilot.traceSampling=7")
ENABLED = ("catalog", "payments", "shop")
MESH = ("batch", "catalog", "ingress", "logging", "orders", "payments", "reports", "search", "shop")
OUTSIDE = "legacy"
VIRTUAL_SERVICES = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"
PROBE_SECONDS = 0.25
CUT_OFF = ("EOF", "use of closed network connection", "connection reset by peer")


def bare(cluster: Cluster) -> None:
    """No Istio, and no CRDs of another installer either, so that Helm can install its own."""
    cluster.reset()

    def crds() -> list[str]:
        names = (crd["metadata"]["name"] for crd in cluster.items(CRDS))
        return [name for name in names if name.endswith(".istio.io")]

    for name in crds():
        cluster.delete(f"{CRDS}/{name}")
    until(lambda: not crds(), "the CRDs are still there")


def mesh(cluster: Cluster, revision: str, profile: str = "minimal", *, sets: Iterable[str] = ()) -> None:
    """Istio 1.30.3, with or without a revision, and the population with namespaces of every kind of label.

    Profile default brings a gateway in Istio's own namespace.
    """
    cluster.reset()
    own = None if revision == UNREVISIONED else revision
    cluster.install_istio(VERSION, own, profile=profile, sets=[*SETTINGS, *sets])
    cluster.istioctl(VERSION, "tag", "set", "prod", "--revision", revision, "-y")
    cluster.seed(revision)
    for name in ENABLED:
        patch = {"metadata": {"labels": {INJECTION: "enabled", REV: None}}}
        cluster.request("PATCH", f"/api/v1/namespaces/{name}", patch, content_type=MERGE)
    cluster.wait_ready()


def suffix(revision: str) -> str:
    """The suffix of the names of a revision's objects."""
    return "" if revision == UNREVISIONED else f"-{revision}"


def meshes(clusters: Iterable[Cluster], *each: Iterable[str], **options: Any) -> None:
    """Several of them, side by side."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: mesh(*one, **options), zip(clusters, *each, strict=True)))


def drop_unrestartable(cluster: Cluster) -> None:
    """End the Job and the bare pod, which no rollout moves."""
    at_once = {"gracePeriodSeconds": "0", "propagationPolicy": "Background"}
    cluster.delete("/apis/batch/v1/namespaces/batch/jobs/reindex", at_once)
    cluster.delete("/api/v1/namespaces/batch/pods/migration-shell", at_once)
    until(lambda: not pods(cluster, ["batch"]), "the Job's pod is still there")


def break_it(cluster: Cluster, path: str, kind: str | None, *, proxy: str = NEW_VERSION) -> None:
    """Give a workload a fault that holds only with a proxy of one version, or take it away."""
    notes = {"lab.meshops.dev/fault": kind, "lab.meshops.dev/fault-proxy": proxy if kind else None}
    patch = {"spec": {"template": {"metadata": {"annotations": notes}}}}
    cluster.request("PATCH", path, patch, content_type=MERGE)


def virtual_service(**spec: Any) -> Json:
    """A VirtualService of namespace shop."""
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web"}, "spec": spec}


def assert_sound(cluster: Cluster, version: str, revision: str, *, default: str | None = None) -> None:
    """Assert the state after every run: pods get the expected proxy, Istio config is validated, and nothing dangles."""
    labelled = labels(cluster)
    for name in MESH:
        found = injected(cluster, name)
        assert (found.version, found.annotated) == (version, revision), (name, labelled[name])
    assert injected(cluster, OUTSIDE).image == ""
    for key, pod in pods(cluster, MESH).items():
        assert pod.done or not pod.owner or pod.owner.startswith("Job/") or pod.version == version, key
    assert_validated(cluster)
    assert_one_default(cluster, default or revision)
    assert_no_orphan(cluster)


def assert_validated(cluster: Cluster) -> None:
    """A right VirtualService can be written, a wrong one is refused by Istio's validator."""
    right = virtual_service(hosts=["web"], http=[{"route": [{"destination": {"host": "web"}}]}])
    cluster.request("POST", VIRTUAL_SERVICES, right, {"dryRun": "All"})
    with pytest.raises(ApiError, match=r"validation\.istio\.io"):
        cluster.request("POST", VIRTUAL_SERVICES, virtual_service(hosts=["web"]), {"dryRun": "All"})


def assert_one_default(cluster: Cluster, revision: str) -> None:
    """The owners of the default agree."""
    owners = (
        f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default",
        f"{ADMISSION}/validatingwebhookconfigurations/istiod-default-validator",
        "/api/v1/namespaces/istio-system/services/istiod-revision-tag-default",
    )
    assert [cluster.request("GET", path)["metadata"]["labels"][REV] for path in owners] == [revision] * 3


def assert_no_orphan(cluster: Cluster) -> None:
    """Every webhook calls a Service that exists."""
    services = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in cluster.items("/api/v1/services")}
    for kind in ("mutating", "validating"):
        for item in cluster.items(f"{ADMISSION}/{kind}webhookconfigurations"):
            called = [hook["clientConfig"].get("service") for hook in item.get("webhooks", [])]
            assert {(one["namespace"], one["name"]) for one in called if one} <= services, item["metadata"]["name"]


def crd_versions(cluster: Cluster) -> dict[str, str]:
    """The version that wrote each of Istio's CRDs."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    found = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in cluster.items(path)}
    return {name: own["operator.istio.io/version"] for name, own in found.items() if name.endswith("istio.io")}


@dataclass
class Probe:
    """Asks for a pod every quarter of a second, without one being stored, and keeps what went wrong."""

    cluster: Cluster
    namespaces: tuple[str, ...] = ("shop", "reports", "search")
    problems: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __enter__(self) -> Probe:
        self._asking: Future[None] = self._pool.submit(self._run)
        return self

    def __exit__(self, *dummy: object) -> None:
        self._end.set()
        self._pool.shutdown()
        self._asking.result()

    def _run(self) -> None:
        while True:
            name = self.namespaces[len(self.versions) % len(self.namespaces)]
            try:
                self.versions.append(self._ask(name))
            except ApiError as error:
                self.problems.append(str(error))
            if self._end.wait(PROBE_SECONDS):
                return

    def _ask(self, namespace: str) -> str:
        try:
            return injected(self.cluster, namespace).version
        except ApiError as error:
            # istiod ends without waiting for what it is about to answer (istio/istio pilot/pkg/bootstrap/server.go);
            # whoever creates pods asks again
            if not str(error).endswith(CUT_OFF):
                raise
            return injected(self.cluster, namespace).version
