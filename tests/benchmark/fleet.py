# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run over fifty clusters that are done, against empty tasks, and against kubernetes.core reading the same.

The clusters are one real cluster of the lab, seen through a mirror that gives each of them an identity of its own.
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
    "theirs": "kubernetes.core reads four kinds",
}
FORKS = 10
#: What tells the state of a mesh, as kubernetes.core reads it: a part of what one reading of ours takes.
KINDS = (
    ("v1", "Namespace", None),
    ("v1", "Pod", None),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", None),
    ("apps/v1", "Deployment", "istio-system"),
)
#: The package that carries kubernetes.core, and how its files are found in it.
ANSIBLE, CORE = "ansible==12.3.0", "ansible_collections/kubernetes/core/"


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a run took: seconds, results of tasks (one for each cluster and task, also if skipped), largest process."""

    seconds: float
    results: int
    mib: float

    @property
    def each(self) -> float:
        """Milliseconds per cluster and task."""
        return 1000 * self.seconds / self.results


def inventory(mirror: Mirror, count: int, istioctl: str) -> Json:
    """Clusters behind a mirror."""
    hosts = {f"cluster-{at}": {"istio_host": mirror.url(at), "istio_api_key": "none"} for at in range(count)}
    shared = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local", "istio_istioctl": istioctl}
    return {"all": {"vars": {**shared, "istio_version": NEW_VERSION}, "hosts": hosts}}


def playbook(*tasks: Json) -> list[Json]:
    """A play of some tasks over all clusters."""
    return [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]


def nothing(times: int) -> list[Json]:
    """A play of tasks that do nothing."""
    return playbook(*({"name": "Nothing", "nothing": {}} for at in range(times)))


@dataclasses.dataclass(frozen=True)
class Bench:
    """A folder with an inventory, in which playbooks are run."""

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
        """How many tasks a playbook has for each cluster, as far as it tells before it runs (includes count as one)."""
        command = [ANSIBLE_PLAYBOOK, "-i", "cluster,", "--list-tasks", book]
        environment = self._environment(self.folder / "record")
        told = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=True)
        return sum("\tTAGS: " in line and not line.startswith("  play ") for line in told.stdout.splitlines())

    def play(self, hosts: Json, book: str | list[Json]) -> tuple[Cost, list[Result]]:
        """Run a playbook, and measure it."""
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
        return Cost(seconds, sum(one["ok"] + one["skipped"] for one in recap.values()), largest / 1024), results


@contextlib.contextmanager
def fleet() -> Iterator[tuple[Cluster, Mirror, str]]:
    """A cluster that a canary has upgraded, and a mirror of it."""
    with Lab.start(f"benchmark-{os.getpid()}", clusters=1, report=lambda dummy: None, proxies=False) as lab:
        cluster = lab.clusters[0]
        cluster.install_istio(VERSION, REVISION)
        cluster.seed()
        cluster.wait_ready()
        with Mirror(cluster) as mirror:
            yield cluster, mirror, lab.istioctl_template


def kubernetes_core(folder: Path) -> Path:
    """A folder of collections with kubernetes.core, from the package of the package index that carries it."""
    found = folder / "collections"
    if not (found / CORE).exists():
        with tempfile.TemporaryDirectory() as place:
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            subprocess.run([*download, "--dest", place, ANSIBLE], check=True)
            (wheel,) = Path(place).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(found, [name for name in archive.namelist() if name.startswith(CORE)])
    return found


def measure() -> Json:
    """What a fleet that is done costs, and what it is compared with."""
    cache = CHECKOUT / ".cache" / "benchmark"
    with fleet() as (cluster, mirror, istioctl), tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place), kubernetes_core(cache))
        login = {"istio_kubeconfig": str(cluster.kubeconfig), "istio_context": cluster.context}
        one = inventory(mirror, 1, istioctl)
        one["all"]["hosts"] = {"cluster": login}
        bench.play(one, CANARY)
        many, few = inventory(mirror, CLUSTERS, istioctl), inventory(mirror, FEW, istioctl)
        ours, results = bench.play(many, CANARY)
        done = collections.Counter(one.action for one in results if one.action.startswith("meshops.istio."))
        if done != {"meshops.istio.istio_info": CLUSTERS}:
            raise RuntimeError(f"Some clusters were not done: {done}")
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
        theirs, dummy = bench.play(many, playbook(*reading))
        small, dummy = bench.play(few, CANARY)
    return {"ours": ours, "empty": empty, "all": whole, "theirs": theirs, "few": small}
