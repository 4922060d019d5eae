# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the tests of the pace: the workloads, the order of their patches, and a controller of Argo Rollouts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from integration.meshes import MERGE
from integration.objects import REV, pods
from integration.safety import container
from integration.support import REVISION
from lab import Cluster

Json = dict[str, Any]
PLACE = "pace"
ORDER, RESTARTED_AT = "meshops.istio/restart-order", "kubectl.kubernetes.io/restartedAt"
RECREATE = {"type": "Recreate"}


def deployment(name: str, replicas: int, *, order: str = "", gateway: bool = False, **spec: Any) -> Json:
    """A Deployment of the namespace; its tier is its own label, not one of its pods."""
    template_notes = {"inject.istio.io/templates": "gateway"} if gateway else {}
    pod = {"containers": [{"name": "istio-proxy", "image": "auto"}]} if gateway else container()
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": PLACE,
            "labels": {"tier": "edge" if gateway else "back"},
            "annotations": {ORDER: order} if order else {},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}, "annotations": template_notes}, "spec": pod},
            **spec,
        },
    }


@contextmanager
def patched(cluster: Cluster) -> Iterator[list[str]]:
    """Names of the workloads in the order in which they were patched meanwhile."""
    found: list[str] = []
    mark = cluster.audit_mark()
    yield found
    writes = [one for one in cluster.writes_since(mark) if one["objectRef"]["resource"] != "leases"]
    found += [one["requestURI"].partition("?")[0].rpartition("/")[2] for one in writes]


def flat(batches: list[list[str]]) -> list[list[str]]:
    """Names without kind and namespace."""
    return [[one.rpartition("/")[2] for one in batch] for batch in batches]


class Watcher:
    """Looks all the time how many pods of the workloads that are recreated are ready."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.least = 4
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            ready = Counter(
                name.startswith("down-") for (dummy, name), pod in pods(self.cluster, [PLACE]).items() if pod.ready
            )
            self.least = min(self.least, ready[True])


def labelled_later(cluster: Cluster, name: str, make: Callable[[], object]) -> None:
    """A namespace whose pods started before it was labelled: all of them are stale."""
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    make()
    cluster.wait_ready([name])
    label = {"metadata": {"labels": {REV: REVISION}}}
    cluster.request("PATCH", f"/api/v1/namespaces/{name}", label, content_type=MERGE)


@contextmanager
def acted_controller(cluster: Cluster, path: str, pods_of: str) -> Iterator[None]:
    """Do for one Rollout what the controller of Argo Rollouts documents: evict older pods, then write the status."""
    end = threading.Event()

    def status(**fields: Any) -> None:
        cluster.request("PATCH", f"{path}/status", {"status": fields}, content_type=MERGE)

    def once() -> None:
        found = cluster.request("GET", path)
        at, seen = found["spec"].get("restartAt"), str(found["metadata"]["generation"])
        if not at or at == found["status"].get("restartedAt"):
            status(observedGeneration=seen, phase="Healthy")
            return
        status(observedGeneration=seen, phase="Progressing", message="rollout is restarting")
        for namespace, name in pods(cluster, [pods_of]):
            cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
        cluster.wait_ready([pods_of])
        status(restartedAt=at, phase="Healthy", message=None)

    def run() -> None:
        while not end.wait(0.2):
            once()

    thread = threading.Thread(target=run)
    once()
    thread.start()
    yield
    end.set()
    thread.join()
