# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the same restarts by a minimal client, by kubectl and by rollout_restart, on one lab."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.clients import DEPLOYMENTS, SPACES, spaces
from integration.processes import descendants
from lab import Cluster, Lab
from lab.build import ensure_kubectl

Json = dict[str, Any]
VERSION, REVISION = "1.30.3", "1-30-3"
REPLICAS = 3
ROUNDS = 5
#: Capacity of a node, high enough not to limit the restarts.
ROOM = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "4Ti", "pods": "5000"}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one run."""

    seconds: float
    #: CPU time of the client, and the part before its start: a playbook starts Python only once.
    cpu_seconds: float
    start_seconds: float
    requests: int


def deployment(at: int) -> Json:
    """Return a Deployment of three pods that are ready immediately."""
    labels = {"app": f"app-{at}"}
    pod = {"containers": [{"name": "app", "image": "lab.invalid/app:1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{at}", "namespace": spaces()[at % SPACES]},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


@contextmanager
def crowd(deployments: int = DEPLOYMENTS) -> Iterator[Cluster]:
    """Create injected Deployments, without connected proxies, which would take CPU time from the clients."""
    name = f"benchmark-{os.getpid()}"
    with Lab.start(name, clusters=1, report=lambda dummy: None, proxies=False) as lab:
        cluster = lab.clusters[0]
        for node in cluster.node_names():
            room = {"status": {"capacity": ROOM, "allocatable": ROOM}}
            cluster.request("PATCH", f"/api/v1/nodes/{node}/status", room)
        cluster.install_istio(VERSION, REVISION)
        label = {"istio.io/rev": REVISION}
        cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": label}} for n in spaces()
        )
        cluster.apply(map(deployment, range(deployments)))
        cluster.wait_ready(timeout=900)
        yield cluster


def run(client: str, cluster: Cluster, **variables: str) -> Cost:
    """Run a client (see `benchmark.clients`) in a separate process."""
    command = [sys.executable, "-m", "benchmark.clients", client, str(cluster.kubeconfig), cluster.context]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    cluster.wait_ready(timeout=900)
    return Cost(**json.loads(done.stdout))


def compare(clients: tuple[str, ...], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Return the median of the rounds of each client. The clients alternate, because rounds differ by a tenth."""
    kubectl = str(ensure_kubectl())
    with crowd() as cluster:
        costs_by_client: dict[str, list[Cost]] = {name: [] for name in clients}
        for name in clients * rounds:
            costs_by_client[name].append(run(name, cluster, KUBECTL=kubectl))
    return {
        name: Cost(*map(statistics.median, zip(*map(dataclasses.astuple, costs), strict=True)))
        for name, costs in costs_by_client.items()
    }


def memory(deployments: int) -> float:
    """Return the MiB of the largest process of an ansible-playbook that restarts ten Deployments in a large mesh."""
    with crowd(deployments) as cluster:
        task = {
            "kubeconfig": str(cluster.kubeconfig),
            "context": cluster.context,
            "namespaces": spaces(),
            "names": [f"Deployment/app-{at}" for at in range(10)],
            "scope": "all",
        }
        play = {"hosts": "all", "gather_facts": False, "connection": "local"}
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump([{**play, "tasks": [{"meshops.istio.rollout_restart": task}]}], file)
            file.flush()
            process = subprocess.Popen(["ansible-playbook", "-i", "mesh,", file.name], stdout=subprocess.DEVNULL)
            largest = 0
            while process.poll() is None:
                largest = max([largest, *map(peak, [process.pid, *descendants(process.pid)])])
                time.sleep(0.02)
    if process.returncode:
        raise RuntimeError("The restart of ten Deployments failed.")
    return largest / 1024


def peak(pid: int) -> int:
    """Return the peak memory of a process in KiB (proc(5); getrusage would include that of its parent)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    match = re.search(r"VmHWM:\s+([0-9]+)", status)
    return int(match[1]) if match else 0
