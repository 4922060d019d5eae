# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the tests of restarts: workloads that fail with the new proxy only, clocks and monitors."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integration.meshes import MERGE
from integration.objects import REV
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import ApiError, Cluster

Json = dict[str, Any]
PLACE = "restarts"
TWO_REVISIONS = "two revisions"
#: The task gives up this many seconds after the cluster shows that it cannot succeed, at most (issue 6).
EARLY = 5.0
COLLECTIONS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
AT_ONCE = {"gracePeriodSeconds": "0", "propagationPolicy": "Background"}


def two_revisions(desk: Desk) -> Cluster:
    """The first cluster with Istio 1.30.3 and 1.31.0, and nothing else.

    The tests that share it use one namespace, which each of them makes anew.
    """
    cluster = desk.lab.clusters[0]
    if desk.state != TWO_REVISIONS:
        cluster.reset()
        cluster.install_istio(VERSION, REVISION)
        cluster.install_istio(NEW_VERSION, NEW_REVISION)
        desk.state = TWO_REVISIONS
    return cluster


def workload(kind: str, name: str, *, fault: str = "", replicas: int = 2, delay: str = "1s", **spec: Any) -> Json:
    """A workload that is well with the old proxy, and has a fault with the new one."""
    notes = {"lab.meshops.dev/fault": fault, "lab.meshops.dev/fault-proxy": NEW_VERSION} if fault else {}
    template = {
        "metadata": {"labels": {"app": name}, "annotations": {**notes, "lab.meshops.dev/delay": delay}},
        "spec": {
            "containers": [{"name": "app", "image": "registry.example/app:1"}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    own: Json = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    if kind != "DaemonSet":
        own["replicas"] = replicas
    place = {"name": name, "namespace": PLACE}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": place, "spec": own}


def place(cluster: Cluster, *objects: Json) -> None:
    """Make the namespace anew, with workloads that run the old proxy, and move it to the new revision."""
    clear(cluster)
    labels = {REV: REVISION}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": labels}}, *objects])
    cluster.wait_ready([PLACE])


def move(desk: Desk, cluster: Cluster) -> None:
    """Let new pods of the namespace get the new proxy."""
    assert desk.tool(cluster, "namespace_revision", namespaces=[PLACE], revision=NEW_REVISION)["changed"]


def clear(cluster: Cluster) -> None:
    """End what a test before left."""
    for collection in COLLECTIONS.values():
        for item in cluster.items(f"/apis/apps/v1/namespaces/{PLACE}/{collection}"):
            cluster.delete(f"/apis/apps/v1/namespaces/{PLACE}/{collection}/{item['metadata']['name']}")
    for item in cluster.pods(PLACE):
        path = f"/api/v1/namespaces/{PLACE}/pods/{item['metadata']['name']}"
        with contextlib.suppress(ApiError):
            cluster.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
        cluster.delete(path, AT_ONCE)
    for path in (f"/api/v1/namespaces/{PLACE}/resourcequotas/none", f"/api/v1/namespaces/{PLACE}"):
        cluster.delete(path)
    deadline = time.monotonic() + 60
    while any(one["metadata"]["name"] == PLACE for one in cluster.items("/api/v1/namespaces")):
        assert time.monotonic() < deadline, "the namespace does not go"
        time.sleep(0.1)


#: Several restarts at once are tasks of one run, as two tasks outside of any run refuse each other.
TOGETHER: Json = {"run": {"started_by": "tests", "strategy": "tests"}, "controller": os.getpid()}


def restart(desk: Desk, cluster: Cluster, **options: Any) -> Json:
    """The result of a restart of the namespace; what fails is held unless the test says otherwise."""
    return desk.tool(cluster, "rollout_restart", **{"namespaces": [PLACE], "on_failure": "hold", **options})


def data_plane(desk: Desk, cluster: Cluster, **variables: Any) -> Play:
    """The role that moves the namespace to the new revision and restarts it."""
    given = {
        "data_plane_revision": NEW_REVISION,
        "data_plane_version": NEW_VERSION,
        "data_plane_source_revision": REVISION,
        "data_plane_waves": [[PLACE]],
        **variables,
    }
    login = {"kubeconfig": "{{ istio_kubeconfig }}", "context": "{{ istio_context }}"}
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/meshops.istio.istio": login},
        "tasks": [{"ansible.builtin.import_role": {"name": "meshops.istio.data_plane"}, "vars": given}],
    }
    path = desk.folder / f"data-plane-{next(desk.numbers)}.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return desk.play([cluster], playbook=str(path))


def template(cluster: Cluster, kind: str, name: str) -> Json:
    """The pod template of a workload."""
    path = f"/apis/apps/v1/namespaces/{PLACE}/{COLLECTIONS[kind]}/{name}"
    found: Json = cluster.request("GET", path)["spec"]["template"]
    return found


@dataclass
class Clocked:
    """The result of a restart, and the seconds from what a pod or workload showed to its end."""

    result: Json
    seconds: float


def clocked(run: Callable[[], Json], shows: Callable[[], object]) -> Clocked:
    """Run a restart and clock its end from the moment at which the cluster shows that it cannot succeed."""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run)
        while not shows():
            assert not job.done(), job.result()
            time.sleep(0.05)
        began = time.monotonic()
        return Clocked(job.result(), time.monotonic() - began)


def clocked_by_kind(desk: Desk, cluster: Cluster, shows: Callable[[str], object], **options: Any) -> dict[str, Clocked]:
    """One restart of each kind, side by side, each with a clock of its own."""

    def run(kind: str) -> Json:
        return restart(desk, cluster, kinds=[kind], **TOGETHER, **options)

    try:
        with ThreadPoolExecutor(len(COLLECTIONS)) as pool:
            jobs = {kind: pool.submit(clocked, partial(run, kind), partial(shows, kind)) for kind in COLLECTIONS}
            return {kind: job.result() for kind, job in jobs.items()}
    finally:
        desk.tool(cluster, "istio_run_record", state="stopped", **TOGETHER)


class Gatekeeper:
    """A URL that answers 503 until it is opened: a run whose gate it is waits after its first batch."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        opened = self.opened

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if opened.is_set() else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_dummy: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.gates: Json = {"http": [{"url": f"http://127.0.0.1:{self.server.server_port}"}], "timeout": 120}

    def __enter__(self) -> Gatekeeper:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_dummy: object) -> None:
        self.opened.set()
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Monitor:
    """The fewest ready pods that each workload of the namespace, and all together, had at any moment, by a watch."""

    cluster: Cluster
    fewest: dict[str, int] = field(default_factory=dict)
    together: int = 0
    _ready: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch as long as this lasts."""
        path = f"/api/v1/namespaces/{PLACE}/pods"
        listed = self.cluster.request("GET", path)
        for pod in listed["items"]:
            self._take("ADDED", pod)
        self.fewest, self.together = dict(collections.Counter(self._ready.values())), len(self._ready)
        stop = threading.Event()

        def follow() -> None:
            for change, pod in self.cluster._client.watch(path, listed["metadata"]["resourceVersion"]):
                if stop.is_set():
                    return
                if change != "BOOKMARK":
                    self._take(change, pod)
                    counts = collections.Counter(self._ready.values())
                    self.fewest = {name: min(low, counts[name]) for name, low in self.fewest.items()}
                    self.together = min(self.together, len(self._ready))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        yield
        stop.set()

    def _take(self, change: str, pod: Mapping[str, Any]) -> None:
        meta, conditions = pod["metadata"], pod.get("status", {}).get("conditions", [])
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        if change != "DELETED" and ready and "deletionTimestamp" not in meta:
            self._ready[meta["uid"]] = meta["labels"]["app"]
        else:
            self._ready.pop(meta["uid"], None)


def names(found: Iterable[Json]) -> list[str]:
    """The workloads of some evidence."""
    return [one["workload"] for one in found]
