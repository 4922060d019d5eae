# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the clusters inside the owner, and keep their processes running."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import components, kubeconfig, nodes, pki, stages
from .build import Binaries
from .client import Client
from .errors import ApiError, LabError
from .istiod import Surroundings, last_line
from .ports import Addresses
from .process import Spawner, clean_environment
from .relay import Relay
from .supervisor import Supervisor

Json = dict[str, Any]
START_SECONDS = 60.0
RESTART_SECONDS = 1.0
KWOK_RESOURCES = ("portforwards", "logs")
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def wait_for(what: str, check: Callable[[], bool], timeout: float = START_SECONDS, pause: float = 0.1) -> None:
    """Wait until a condition holds; an API error counts as false."""
    deadline = time.monotonic() + timeout
    reason = ""
    while True:
        try:
            if check():
                return
        except ApiError as error:
            reason = f" ({error})"
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not happen within {timeout:.0f} s{reason}.")
        time.sleep(pause)


@dataclass(frozen=True)
class Part:
    """A process that must always run."""

    name: str
    command: tuple[str | Path, ...]
    log: Path


class Keeper:
    """Starts the processes of a lab, and restarts them when they end."""

    def __init__(self, spawner: Spawner, log: Callable[[str], None]) -> None:
        self._spawner, self._log = spawner, log
        self._running: dict[Part, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="keeper", daemon=True).start()

    def start(self, part: Part) -> None:
        process = self._spawner.start(part.name, part.command, part.log, env=clean_environment())
        with self._lock:
            self._running[part] = process

    def _watch(self) -> None:
        while True:
            time.sleep(RESTART_SECONDS)
            with self._lock:
                ended = [part for part, process in self._running.items() if process.poll() is not None]
            for part in ended:
                process = self._running[part]
                self._spawner.forget(process.pid)
                self._log(f"{part.name} ended with {process.returncode}, starting it again: {last_line(part.log)}")
                self.start(part)


def start_etcd(binaries: Binaries, first: Addresses, folder: Path, keeper: Keeper) -> str:
    """Start the etcd for all clusters of a lab; the API servers wait for it."""
    command = components.etcd(binaries, first, folder / "etcd")
    keeper.start(Part("etcd", tuple(command), folder / "etcd.log"))
    return first.etcd


class Runtime:
    """One cluster."""

    def __init__(self, name: str, place: components.Place, keeper: Keeper, log: Callable[[str], None]) -> None:
        self.name = name
        self._place, self._keeper, self._log = place, keeper, log
        (place.folder / "logs").mkdir(exist_ok=True)
        (place.folder / "stages.yaml").write_text(stages.as_yaml(), encoding="utf-8")
        for user, pair in place.pki.clients.items():
            access = kubeconfig.certificate_user(pair)
            config = kubeconfig.context(name, place.addresses.server, place.pki.ca, access)
            kubeconfig.write(place.kubeconfig(user), config)
        supervisor = place.pki.clients["supervisor"]
        self._client = Client(place.addresses.server, place.pki.ca, supervisor)

    def start(self, spawner: Spawner, relay: Relay, *, proxies: bool) -> None:
        """Start the cluster, up to three ready nodes and a default ServiceAccount."""
        self._part("kube-apiserver", components.api_server(self._place))
        wait_for(f"A ready API server of {self.name}", self._api_ready)
        self._part("kube-controller-manager", components.controller_manager(self._place))
        self._part("kube-scheduler", components.scheduler(self._place))
        self._install_kwok_resources()
        nodes.create(self._client, self.name, self._place.addresses.kubelet)
        self._part("kwok", components.kwok(self._place))
        self._supervise(spawner, relay)
        if proxies:
            self._part("proxies", components.proxies(self._place))
        wait_for(f"Three ready nodes of {self.name}", lambda: nodes.all_ready(self._client))
        wait_for(f"The default ServiceAccount of {self.name}", self._has_default_account)

    def _part(self, name: str, command: list[str | Path]) -> None:
        log = self._place.folder / "logs" / f"{name}.log"
        self._keeper.start(Part(f"{self.name} {name}", tuple(command), log))

    def _api_ready(self) -> bool:
        return self._client.request("GET", "/readyz", timeout=2.0).get("text") == "ok"

    def _has_default_account(self) -> bool:
        return bool(self._client.request("GET", "/api/v1/namespaces/default/serviceaccounts/default"))

    def _install_kwok_resources(self) -> None:
        """Install the resource definitions that kwok needs before it starts."""
        for name in KWOK_RESOURCES:
            crd = self._place.binaries.kwok_crds / f"kwok.x-k8s.io_{name}.yaml"
            self._client.request("POST", CRDS, yaml.safe_load(crd.read_text(encoding="utf-8")))
        wait_for("The resources of kwok", self._serves_kwok, pause=0.05)

    def _serves_kwok(self) -> bool:
        paths = [f"/apis/kwok.x-k8s.io/v1alpha1/{name}" for name in KWOK_RESOURCES]
        return all("items" in self._client.request("GET", path) for path in paths)

    def _supervise(self, spawner: Spawner, relay: Relay) -> None:
        place = self._place
        around = Surroundings(
            client=self._client,
            spawner=spawner,
            server=place.addresses.server,
            ca=place.pki.ca,
            folder=place.folder / "istiod",
            binary=place.binaries.pilot_discovery,
            log=lambda line: self._log(f"{self.name}: {line}"),
        )
        Supervisor(around, place.addresses, relay, place.folder / "faults.json")


def start_all(
    clusters: list[tuple[str, Addresses]],
    binaries: Binaries,
    folder: Path,
    spawner: Spawner,
    log: Callable[[str], None],
    *,
    proxies: bool,
) -> None:
    """Start all clusters of a lab in parallel, and write their common kubeconfig."""
    keeper, relay = Keeper(spawner, log), Relay()
    etcd = start_etcd(binaries, clusters[0][1], folder, keeper)
    places = []
    for index, (name, addresses) in enumerate(clusters, 1):
        home = folder / f"cluster-{index}"
        home.mkdir(exist_ok=True)
        certificates = pki.create(home / "pki", addresses.first_service_ip)
        places.append((name, components.Place(binaries, addresses, etcd, home, certificates)))
    with ThreadPoolExecutor(len(places)) as pool:
        runtimes = [Runtime(name, place, keeper, log) for name, place in places]
        list(pool.map(lambda runtime: runtime.start(spawner, relay, proxies=proxies), runtimes))
    users = [(name, place.addresses.server, place.pki) for name, place in places]
    contexts = [
        kubeconfig.context(name, server, files.ca, kubeconfig.certificate_user(files.clients["admin"]))
        for name, server, files in users
    ]
    kubeconfig.write(folder / "kubeconfig", kubeconfig.merge(contexts))
