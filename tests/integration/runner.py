# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: a private data directory, sent to `ansible-runner worker`, whose events come back one by one.

AWX fills the directory (awx/main/tasks/jobs.py), and receptor starts the worker and ends it by a signal.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import yaml

from integration.objects import until
from integration.processes import kill
from integration.support import CHECKOUT, PLAY_SECONDS, Desk
from lab import Cluster

Json = dict[str, Any]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: A live line of an action plugin: cluster, seconds, text.
LIVE = re.compile(r"^  \[([^\]]+)\] +(\d+\.\d)s  (.*)$")
#: ansible-runner looks for a cancel each time that this is over; its own default is 5.
LOOK_SECONDS = 1
#: Extra variables that AWX passes to every playbook, for any template.
META = ("job_launch_type", "job_template_name", "user_id", "user_name", "user_email", "inventory_id")


class Unsafe(yaml.SafeDumper):
    """Writes texts as AWX writes extra variables: never to be taken for templates."""

    def represent_data(self, data: Any) -> yaml.Node:
        """Mark texts."""
        if isinstance(data, str):
            return self.represent_scalar("!unsafe", data)
        return super().represent_data(data)


def unsafe(variables: Json) -> str:
    """A file of extra variables."""
    return yaml.dump(variables, Dumper=Unsafe)


@dataclass
class Job:
    """A job that has been started."""

    ident: int
    worker: subprocess.Popen[bytes]
    #: The container's folder.
    root: Path
    #: Where the events and artifacts arrive, as on the control node.
    artifacts: Path
    events: list[Json] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    _reader: threading.Thread | None = None

    def follow(self, folder: Path) -> None:
        """Take in what the worker sends, in the background."""

        def take(event: Json) -> bool:
            self.events.append(event)
            return True

        def read() -> None:
            ansible_runner.interface.run(
                streamer="process",
                quiet=True,
                _input=self.worker.stdout,
                private_data_dir=str(folder),
                ident=self.ident,
                event_handler=take,
                status_handler=lambda told, runner_config: self.status.append(told["status"]),
            )

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()

    def end(self) -> Job:
        """Wait until all has arrived."""
        assert self._reader is not None
        self._reader.join(PLAY_SECONDS)
        assert not self._reader.is_alive(), self.output[-3000:]
        self.worker.wait(60)
        return self

    def cancel(self) -> Job:
        """End it as receptor does when a user cancels the job."""
        self.worker.send_signal(signal.SIGINT)
        return self.end()

    def vanish(self) -> None:
        """End it as a container ends: all processes at once."""
        kill(self.worker.pid)
        self.end()

    @property
    def output(self) -> str:
        """The output that AWX shows, without colours."""
        return COLOUR.sub("", "\n".join(one["stdout"] for one in list(self.events) if one.get("stdout")))

    def live(self) -> Iterator[tuple[Json, str, str]]:
        """The live lines up to now: the event, cluster and text."""
        for event in list(self.events):
            if found := LIVE.match(COLOUR.sub("", event.get("stdout", ""))):
                yield event, found[1], found[3]

    def of(self, kind: str) -> list[Json]:
        """The events of a kind."""
        return [one for one in list(self.events) if one["event"] == kind]

    def until_it_says(self, *words: str) -> None:
        """Wait for a live line that has all the words."""

        def said() -> bool:
            return self.worker.poll() is not None or any(
                all(word in text for word in words) for _event, _host, text in self.live()
            )

        until(said, f"the output never contained {words}")
        assert self.worker.poll() is None, self.output[-3000:]

    @property
    def stats(self) -> Json:
        """The data of `set_stats`, which AWX passes to the next job of a workflow."""
        (found,) = self.of("playbook_on_stats")
        return dict(found["event_data"].get("artifact_data", {}))

    @property
    def outcome(self) -> tuple[str, str]:
        """Status and exit code."""
        return self.status[-1], (self.artifacts / "rc").read_text(encoding="utf-8")

    def report(self, at: Path | None = None) -> Json:
        """The report of the run, out of the artifacts that the worker sent back, or those in the container."""
        folder = at or self.artifacts
        return dict(json.loads((folder / "istio-report" / "report.json").read_text(encoding="utf-8")))


@dataclass
class Awx:
    """Fills private data directories and starts workers."""

    desk: Desk
    folder: Path
    kubeconfig: str
    jobs: list[Job] = field(default_factory=list)

    def start(
        self,
        ident: int,
        playbook: str,
        clusters: Iterable[Cluster],
        *,
        arguments: Iterable[str] = (),
        **survey: Any,
    ) -> Job:
        """Start a job of a template with a playbook of the project that only imports one of ours."""
        sent, root = self.folder / f"awx_{ident}", self.folder / f"runner_{ident}"
        root.mkdir()
        own = {one.name: {"istio_context": one.context} for one in clusters}
        self._project(sent, playbook)
        self._inventory(sent, own)
        credential = self._credential(sent, root)
        user = {f"{prefix}_{name}": f"the {name}" for prefix in ("awx", "tower") for name in META}
        meta = {
            **user,
            "awx_job_id": ident,
            "tower_job_id": ident,
            "awx_user_name": "admin",
            "tower_user_name": "admin",
        }
        self._write(sent / "env" / "extravars", unsafe({**survey, **meta}))
        self._write(sent / "env" / "cmdline", shlex.join(["-u", "root", "--forks=5", *arguments, *credential]))
        settings = {"job_timeout": 0, "suppress_ansible_output": True, "suppress_output_file": True}
        self._write(sent / "env" / "settings", json.dumps({**settings, "pexpect_timeout": LOOK_SECONDS}))
        return self._send(ident, sent, root)

    def _send(self, ident: int, sent: Path, root: Path) -> Job:
        stream = self.folder / f"stream_{ident}"
        with stream.open("wb") as output:
            ansible_runner.interface.run(
                streamer="transmit",
                _output=output,
                cancel_callback=lambda: False,
                private_data_dir=str(sent),
                ident=ident,
                playbook="job.yml",
                inventory=str(sent / "inventory" / "hosts"),
                envvars=self._environment(ident, root),
                suppress_env_files=True,
                fact_cache_type="",
            )
        binaries = Path(sys.executable).parent
        with stream.open("rb") as received:
            worker = subprocess.Popen(
                [str(binaries / "ansible-runner"), "worker", f"--private-data-dir={root}"],
                stdin=received,
                stdout=subprocess.PIPE,
                env={"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(root), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        job = Job(ident, worker, root, sent / "artifacts" / str(ident))
        job.follow(sent)
        self.jobs.append(job)
        return job

    def run(self, *arguments: Any, **options: Any) -> Job:
        """Run a job to its end."""
        return self.start(*arguments, **options).end()

    def _project(self, sent: Path, playbook: str) -> None:
        thin = [{"name": "Run the playbook of the collection", "ansible.builtin.import_playbook": playbook}]
        self._write(sent / "project" / "job.yml", yaml.safe_dump(thin))
        report = "[istio_report]\nfolder = ${AWX_ISOLATED_DATA_DIR}/istio-report\n"
        enabled = "[defaults]\ncallbacks_enabled = meshops.istio.fleet_report\n"
        self._write(sent / "project" / "ansible.cfg", enabled + report)

    def _inventory(self, sent: Path, hosts: dict[str, Json]) -> None:
        shared = {"istio_istioctl": self.desk.lab.istioctl_template}
        rings = {f"istio_ring_{number}": {"hosts": [name]} for number, name in enumerate(hosts)}
        found = {**rings, "all": {"hosts": list(hosts), "vars": shared}, "_meta": {"hostvars": hosts}}
        script = f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(found)!r})\n"
        self._write(sent / "inventory" / "hosts", script, mode=0o700)

    def _credential(self, sent: Path, root: Path) -> list[str]:
        """A custom credential type: a file, and an extra variable with its path in the container."""
        self._write(sent / "env" / "tmpk8s", self.kubeconfig)
        self._write(sent / "env" / "tmpvars", unsafe({"istio_kubeconfig": str(root / "env" / "tmpk8s")}))
        return ["-e", f"@{root}/env/tmpvars"]

    def _environment(self, ident: int, root: Path) -> dict[str, str]:
        return {
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            # AWX reads it from ansible.cfg of the project; no variable of a credential may begin with ANSIBLE_
            "ANSIBLE_CALLBACKS_ENABLED": "meshops.istio.fleet_report",
            "ANSIBLE_COLLECTIONS_PATH": f"{root}/requirements_collections:{CHECKOUT / '.cache' / 'collections'}",
            "AWX_HOST": "https://awx.example",
            "AWX_PRIVATE_DATA_DIR": str(root),
            "INVENTORY_ID": "1",
            "JOB_ID": str(ident),
            "MAX_EVENT_RES": "700000",
        }

    def _write(self, path: Path, text: str, mode: int = 0o600) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode)
        path.write_text(text, encoding="utf-8")


def secrets_of(kubeconfig: str) -> list[str]:
    """The secret values of a kubeconfig."""
    users = [one["user"] for one in yaml.safe_load(kubeconfig)["users"]]
    return [str(value) for user in users for key, value in user.items() if key in ("client-key-data", "token")]


def everything(job: Job) -> Iterator[tuple[str, str]]:
    """All that the controller keeps of a job: its events as they came, and each file of its artifacts."""
    for event in job.events:
        yield f"event {event.get('counter')}", json.dumps(event)
    for path in job.artifacts.rglob("*"):
        if path.is_file():
            yield str(path), path.read_text(encoding="utf-8", errors="replace")
