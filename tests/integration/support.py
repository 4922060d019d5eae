# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests work with the collection: a module's core in this process, a playbook as a process of its own."""

from __future__ import annotations

import base64
import importlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore, execute
from integration.objects import until
from integration.processes import kill
from lab import Cluster, Lab

Json = dict[str, Any]
VERSION, REVISION = "1.30.3", "1-30-3"
NEW_VERSION, NEW_REVISION = "1.31.0", "1-31-0"
UNREVISIONED = "default"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
CANARY = "meshops.istio.canary"
CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).resolve().parent / "plugins"
COLLECTION = "meshops.istio."
PLAY_SECONDS = 900


@dataclass(frozen=True)
class Result:
    """One task on one host."""

    host: str
    task: str
    action: str
    status: str
    result: Json


@dataclass(frozen=True)
class Play:
    """A run of ansible-playbook that has ended."""

    returncode: int
    output: str
    results: list[Result]
    recap: dict[str, dict[str, int]]
    #: Where the report lies.
    folder: Path

    def report(self) -> Json:
        """The report of the run."""
        return dict(json.loads((self.folder / "report.json").read_text(encoding="utf-8")))

    def of(self, cluster: Cluster, module: str) -> list[Json]:
        """The results of a module of the collection on a cluster, failed ones too."""
        return [one.result for one in self.results if one.host == cluster.name and one.action == COLLECTION + module]

    def ours(self, cluster: Cluster) -> list[Result]:
        """The results of all modules of the collection on a cluster."""
        return [one for one in self.results if one.host == cluster.name and one.action.startswith(COLLECTION)]

    def failed(self, cluster: Cluster) -> list[Json]:
        """The results of the failed tasks of a cluster."""
        found = [one.result for one in self.results if one.host == cluster.name and one.status == "failed"]
        assert found, f"nothing failed on {cluster.name}:\n{self.output[-3000:]}"
        return found

    def failure(self, cluster: Cluster) -> str:
        """The message of the last failed task of a cluster."""
        return str(self.failed(cluster)[-1]["msg"])

    def require_success(self) -> Play:
        """Fail the test with the output of a run that failed."""
        assert self.returncode == 0, self.output[-6000:]
        return self


@dataclass(frozen=True)
class Running:
    """A run of ansible-playbook that has been started."""

    process: subprocess.Popen[str]
    log: Path
    record: Path

    def output(self) -> str:
        """Its output up to now."""
        return self.log.read_text(encoding="utf-8")

    def end(self, timeout: float = PLAY_SECONDS) -> Play:
        """Wait for it and read what it recorded."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        results, recap = read_record(self.record)
        return Play(self.process.returncode, self.output(), results, recap, report_folder(self.record))

    def until_it_says(self, *words: str) -> None:
        """Wait for a line of live progress that has all the words."""

        def lines() -> bool:
            lines = self.output().splitlines()
            return self.process.poll() is not None or any(all(word in line for word in words) for line in lines)

        until(lines, f"the output never contained {words}")
        assert self.process.poll() is None, self.output()[-3000:]

    def kill(self) -> None:
        """End it without a chance to tidy up, with all processes that it started."""
        kill(self.process.pid)
        self.process.wait(10)


def read_record(path: Path) -> tuple[list[Result], dict[str, dict[str, int]]]:
    """The report that the callback wrote."""
    results: list[Result] = []
    recap: dict[str, dict[str, int]] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        line = json.loads(text)
        if line["status"] == "recap":
            recap = line["recap"]
        else:
            results.append(Result(**line))
    return results, recap


@dataclass
class Desk:
    """The workplace of an engineer: a lab of clusters, and a folder for inventories and logs."""

    lab: Lab
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)
    #: The state that the clusters were prepared for last, for tests that start from the same state.
    state: str = ""

    def fresh(self, clusters: Iterable[Cluster], *, pod_start: str | None = None) -> None:
        """Give clusters, side by side, Istio 1.30.3 as a revision and the population, and nothing else."""
        self.state = ""

        def one(cluster: Cluster) -> None:
            cluster.reset()
            cluster.install_istio(VERSION, REVISION)
            cluster.seed(pod_start=pod_start)
            cluster.wait_ready()

        found = list(clusters)
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(one, found))

    def tool(
        self,
        cluster: Cluster | None,
        name: str,
        /,
        *,
        check: bool = False,
        lines: list[str] | None = None,
        controller: int | None = None,
        **params: Any,
    ) -> Json:
        """Run the core of a module as the action plugin does; without a cluster the test names it, or does not.

        Its live progress lines are added to ``lines``. Tasks with the option ``run`` and the same process of
        ansible-playbook share the lock of the cluster, until istio_run_record gives it back.
        """
        tool: ModuleCore = importlib.import_module(
            f"ansible_collections.meshops.istio.plugins.module_utils.operations.modules.{name}"
        ).CORE
        spec = tool.spec.as_keywords()
        options = spec.pop("argument_spec")
        if options.get("istioctl", {}).get("default"):
            params = {"istioctl": self.lab.istioctl_template, **params}
        if cluster is not None:
            params = {"kubeconfig": str(self.lab.kubeconfig), "context": cluster.context, **params}
        checked = ArgumentSpecValidator(options, **spec).validate(params)
        assert not checked.error_messages, checked.error_messages
        heard: list[str] = [] if lines is None else lines
        given = checked.validated_parameters
        return execute(tool, given, check_mode=check, diff=True, progress=heard.append, controller=controller)

    def inventory(self, clusters: Iterable[Cluster], hosts: dict[str, Json] | None = None) -> Json:
        """One host per cluster; ``hosts`` lays variables over those of a host."""
        own = {
            one.name: {"istio_kubeconfig": str(one.kubeconfig), "istio_context": one.context}
            | (hosts or {}).get(one.name, {})
            for one in clusters
        }
        shared = {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "istio_istioctl": self.lab.istioctl_template,
        }
        return {"all": {"vars": shared, "hosts": own}}

    def start(
        self,
        clusters: Iterable[Cluster],
        *flags: str,
        playbook: str = CANARY,
        hosts: dict[str, Json] | None = None,
        inventory: Json | None = None,
        **variables: Any,
    ) -> Running:
        """Start ansible-playbook on some clusters."""
        number = next(self.numbers)
        listed, log, record = (self.folder / f"{number}-{name}" for name in ("hosts.json", "log", "record"))
        listed.write_text(json.dumps(inventory or self.inventory(clusters, hosts)), encoding="utf-8")
        # a second run is to prove that every stage finds nothing to do; who asks about leaving alone says so
        variables = {"istio_skip_up_to_date": False, **variables}
        if playbook == CANARY:
            variables = {"istio_version": NEW_VERSION, **variables}
        command = [ANSIBLE_PLAYBOOK, "-i", str(listed), playbook, *flags]
        with log.open("w", encoding="utf-8") as handle:
            process = subprocess.Popen(
                [*command, "-e", json.dumps(variables)],
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment(self.folder, record),
                cwd=self.folder,
                start_new_session=True,
            )
        return Running(process, log, record)

    def play(self, clusters: Iterable[Cluster], *flags: str, **options: Any) -> Play:
        """Run ansible-playbook on some clusters and read its results."""
        return self.start(clusters, *flags, **options).end()


def log_in(cluster: Cluster, account: Json, granted: Iterable[Json], folder: Path) -> Json:
    """Make a ServiceAccount with what it is granted, and return the auth options that log in as it."""
    cluster.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}, *granted])
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    path = f"/api/v1/namespaces/{account['namespace']}/serviceaccounts/{account['name']}/token"
    token = cluster.request("POST", path, body)["status"]["token"]
    known = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["clusters"]
    (own,) = [one["cluster"] for one in known if one["cluster"]["server"] == cluster.server]
    authority = folder / "ca.crt"
    authority.write_bytes(base64.b64decode(own["certificate-authority-data"]))
    return {"host": cluster.server, "api_key": token, "ca_cert": str(authority)}


def report_folder(record: Path) -> Path:
    """Where the report of a run lies."""
    return record.with_name(f"{record.name}-report")


def environment(folder: Path, record: Path) -> dict[str, str]:
    """No kubeconfig and no context of the user's own: what the inventory does not say is not known."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if key in os.environ}
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
        "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
        "ANSIBLE_CALLBACKS_ENABLED": "record,meshops.istio.fleet_report",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "MESHOPS_TEST_RECORD": str(record),
        "ISTIO_REPORT_FOLDER": str(report_folder(record)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
