# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the istiod pods of one cluster, and route its Services to the ready ones."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from . import faults, podspec
from .client import Client
from .errors import ApiError
from .istiod import Istiod, Surroundings
from .ports import Addresses
from .relay import Relay

Json = dict[str, Any]
BUSY_SECONDS = 0.1
IDLE_SECONDS = 1.0


class Mirror:
    """A local copy of the objects of one kind, updated by list and watch in a thread."""

    def __init__(self, client: Client, path: str, changed: threading.Event, params: Json | None = None) -> None:
        self._client, self._path, self._params, self._changed = client, path, params or {}, changed
        self._objects: dict[str, Json] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name=f"watch {path}", daemon=True).start()

    def objects(self) -> list[Json]:
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        while True:
            try:
                self._follow(self._list())
            except (ApiError, ValueError):
                time.sleep(0.5)  # The API server is down, truncated a line, or forgot the version: list again.

    def _list(self) -> str:
        answer = self._client.request("GET", self._path, params=self._params)
        with self._lock:
            self._objects = {item["metadata"]["uid"]: item for item in answer.get("items", [])}
        self._changed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        for kind, item in self._client.watch(self._path, version, self._params):
            if kind == "ERROR":
                return
            if kind == "BOOKMARK":
                continue
            with self._lock:
                if kind == "DELETED":
                    self._objects.pop(item["metadata"]["uid"], None)
                else:
                    self._objects[item["metadata"]["uid"]] = item
            self._changed.set()


class Supervisor:
    """Reconciles pods, processes and routes, in one thread per cluster."""

    def __init__(self, around: Surroundings, addresses: Addresses, relay: Relay, faults_file: Path) -> None:
        self._around, self._addresses, self._relay, self._faults_file = around, addresses, relay, faults_file
        self._changed = threading.Event()
        self._count = 0
        self._running: dict[str, Istiod] = {}
        self._routes: Any = None
        self._complaints: list[str] = []
        self._pods = Mirror(around.client, "/api/v1/pods", self._changed, {"labelSelector": "app=istiod"})
        self._services = Mirror(around.client, "/api/v1/services", self._changed)
        threading.Thread(target=self._run, name="supervisor", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._reconcile()
            except (ApiError, OSError) as error:  # The pod was deleted meanwhile; the next round does not find it.
                self._around.log(f"supervisor: {error}")
                time.sleep(BUSY_SECONDS)
            settled = all(istiod.settled for istiod in self._running.values())
            if settled:
                self._changed.wait(IDLE_SECONDS)
            else:
                time.sleep(BUSY_SECONDS)
            self._changed.clear()

    def _reconcile(self) -> None:
        current = faults.read(self._faults_file)
        pods = {pod["metadata"]["uid"]: pod for pod in self._pods.objects()}
        for uid in [uid for uid in self._running if uid not in pods]:
            self._running.pop(uid).stop()
        for uid, pod in pods.items():
            self._each(uid, pod, current)
        self._route(pods)
        for istiod in self._running.values():
            istiod.tell()

    def _each(self, uid: str, pod: Json, current: dict[str, faults.Fault]) -> None:
        if uid not in self._running:
            address = self._addresses.istiod_address(self._count)
            self._running[uid] = Istiod(self._around, pod, address, self._addresses.istiod_pod_ip(self._count))
            self._count += 1
        try:
            self._running[uid].tick(pod, faults.of_pod(pod, current))
        except ApiError as error:
            self._around.log(f"istiod pod {pod['metadata']['name']}: {error}")

    def _route(self, pods: dict[str, Json]) -> None:
        ready = [(pods[uid], istiod.address) for uid, istiod in self._running.items() if istiod.ready]
        routes = podspec.routes(self._services.objects(), ready)
        if routes != self._routes or self._complaints:
            prefix = self._addresses.first_service_ip.rsplit(".", 2)[0] + "."
            leaving = [istiod.address for istiod in self._running.values() if istiod.leaving]
            self._complaints = self._relay.route(prefix, routes, leaving)
            self._routes = routes
            for complaint in self._complaints:
                self._around.log(complaint)
