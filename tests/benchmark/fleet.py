# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a run over fifty clusters with nothing to do with empty tasks, and with reading by kubernetes.core.

The clusters are one real cluster of the lab, behind a mirror that gives each of them its own identity.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.mirror import Mirror
from benchmark.restart import peak
from integration.processes import descendants
from integration.support import (
    ANSIBLE_PLAYBOOK,
    CANARY,
    CHECKOUT,
    NEW_VERSION,
    PLUGINS,
    REVISION,
    VERSION,
    Result,
    read_record,
)
from lab import Cluster, Lab

Json = dict[str, Any]
CLUSTERS, FEW = 50, 10
NAMES = {
    "empty": "empty tasks, as many as ran",
    "all": "empty tasks, as many as canary has",
    "few": "canary, all done, few clusters",
    "ours": "canary, all done",
    "kubernetes_core": "kubernetes.core reads four kinds",
}
FORKS = 10
#: Objects with the state of a mesh that kubernetes.core reads: a part of the objects that the collection reads.
KINDS = (
    ("v1", "Namespace", None),
    ("v1", "Pod", None),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", None),
    ("apps/v1", "Deployment", "istio-system"),
)
#: The package that contains kubernetes.core, and the path of its files.
ANSIBLE, CORE = "ansible==12.3.0", "ansible_collections/kubernetes/core/"


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of a run: seconds, number of results (one per cluster and task, also if skipped), largest process."""

    seconds: float
    results: int
    mib: float

    @property
    def each(self) -> float:
        """Return milliseconds per cluster and task."""
        return 1000 * self.seconds / self.results


def inventory(mirror: Mirror, count: int, istioctl: str) -> Json:
    """Return an inventory of clusters behind a mirror."""
    hosts = {f"cluster-{at}": {"istio_host": mirror.url(at), "istio_api_key": "none"} for at in range(count)}
    shared = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local", "istio_istioctl": istioctl}
    return {"all": {"vars": {**shared, "istio_version": NEW_VERSION}, "hosts": hosts}}


def playbook(*tasks: Json) -> list[Json]:
    """Return a play of some tasks over all clusters."""
    return [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]


def nothing(times: int) -> list[Json]:
    """Return a play of empty tasks."""
    return playbook(*({"name": "Nothing", "nothing": {}} for at in range(times)))


@dataclasses.dataclass(frozen=True)
class Bench:
    """Runs playbooks in a folder."""

    folder: Path
    collections: Path

    def _environment(self, record: Path) -> dict[str, str]:
        return {
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            "ANSIBLE_COLLECTIONS_PATH": f"{CHECKOUT / '.cache' / 'collections'}:{self.collections}",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_ACTION_PLUGINS": str(Path(__file__).parent / "plugins" / "action"),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_FORKS": str(FORKS),
            "MESHOPS_TEST_RECORD": str(record),
        }

    def tasks(self, book: str) -> int:
        """Return the number of tasks of a playbook for each cluster, before it runs (an include counts as one)."""
        command = [ANSIBLE_PLAYBOOK, "-i", "cluster,", "--list-tasks", book]
        environment = self._environment(self.folder / "record")
        listing = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=True)
        return sum("\tTAGS: " in line and not line.startswith("  play ") for line in listing.stdout.splitlines())

    def play(self, hosts: Json, book: str | list[Json]) -> tuple[Cost, list[Result]]:
        """Run a playbook, and return its cost and results."""
        listed, log, record = (self.folder / name for name in ("hosts.json", "log", "record"))
        listed.write_text(json.dumps(hosts), encoding="utf-8")
        record.unlink(missing_ok=True)
        path = book if isinstance(book, str) else str(self.folder / "play.yml")
        if not isinstance(book, str):
            Path(path).write_text(json.dumps(book), encoding="utf-8")
        command, environment = [ANSIBLE_PLAYBOOK, "-i", str(listed), path], self._environment(record)
        began, largest = time.monotonic(), 0
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment, cwd=self.folder
            )
            while process.poll() is None:
                largest = max([largest, *map(peak, [process.pid, *descendants(process.pid)])])
                time.sleep(0.2)
        seconds = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(log.read_text(encoding="utf-8")[-3000:])
        results, recap = read_record(record)
        return Cost(
            seconds, sum(counts["ok"] + counts["skipped"] for counts in recap.values()), largest / 1024
        ), results


@contextlib.contextmanager
def fleet() -> Iterator[tuple[Cluster, Mirror, str]]:
    """Start a cluster with a population, and a mirror of it."""
    with Lab.start(f"benchmark-{os.getpid()}", clusters=1, report=lambda dummy: None, proxies=False) as lab:
        cluster = lab.clusters[0]
        cluster.install_istio(VERSION, REVISION)
        cluster.seed()
        cluster.wait_ready()
        with Mirror(cluster) as mirror:
            yield cluster, mirror, lab.istioctl_template


def kubernetes_core(folder: Path) -> Path:
    """Return a folder of collections with kubernetes.core, from its package in the package index."""
    collections_folder = folder / "collections"
    if not (collections_folder / CORE).exists():
        with tempfile.TemporaryDirectory() as place:
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            subprocess.run([*download, "--dest", place, ANSIBLE], check=True)
            (wheel,) = Path(place).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(collections_folder, [name for name in archive.namelist() if name.startswith(CORE)])
    return collections_folder


def measure() -> Json:
    """Return the cost of a fleet with nothing to do, and of the runs that it is compared with."""
    cache = CHECKOUT / ".cache" / "benchmark"
    with fleet() as (cluster, mirror, istioctl), tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), kubernetes_core(cache))
        login = {"istio_kubeconfig": str(cluster.kubeconfig), "istio_context": cluster.context}
        single = inventory(mirror, 1, istioctl)
        single["all"]["hosts"] = {"cluster": login}
        bench.play(single, CANARY)
        many, few = inventory(mirror, CLUSTERS, istioctl), inventory(mirror, FEW, istioctl)
        ours, results = bench.play(many, CANARY)
        done = collections.Counter(result.action for result in results if result.action.startswith("meshops.istio."))
        if done != {"meshops.istio.istio_info": CLUSTERS}:
            raise RuntimeError(f"Some clusters were not up to date: {done}")
        empty, dummy = bench.play(many, nothing(max(1, round(ours.results / CLUSTERS))))
        whole, dummy = bench.play(many, nothing(bench.tasks(CANARY)))
        reading = [
            {
                "name": f"Read {kind}",
                "kubernetes.core.k8s_info": {
                    **{"host": "{{ istio_host }}", "api_key": "none", "api_version": version, "kind": kind},
                    **({"namespace": space} if space else {}),
                },
                "no_log": True,
            }
            for version, kind, space in KINDS
        ]
        reference, dummy = bench.play(many, playbook(*reading))
        small, dummy = bench.play(few, CANARY)
    return {"ours": ours, "empty": empty, "all": whole, "kubernetes_core": reference, "few": small}
