# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-playbook with the report over fake API servers, as a separate process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS
from unit.paths import COLLECTIONS
from unit.support import builders as b
from unit.support.fake_api import FakeApi

Json = dict[str, t.Any]
PLANES = [*b.two_planes(), *b.namespaces()]
#: Namespace shop after its move, with two stale Deployments.
STALE = [
    *PLANES,
    b.namespace("shop", {REV: b.NEW}, {PREVIOUS_LABELS: '{"istio.io/rev": "1-30-3"}'}),
    *b.deployed(pods=2),
    *b.deployed("cart"),
]
LOOK = {
    "name": "Look",
    "meshops.istio.istio_precheck": {
        "version": b.NEW_VERSION,
        "revision": b.NEW,
        "source_revision": b.OLD,
        "fail_on": "never",
    },
}
RESTART = {
    "name": "Restart stale workloads",
    "meshops.istio.rollout_restart": {"namespaces": ["shop"], "batch_timeout": 1, "batch_size": 1},
}
LOOK_AGAIN = {"name": "Look again", "meshops.istio.istio_info": {}}


def play(hosts: str, *tasks: Json, **more: t.Any) -> Json:
    """Return a play over clusters."""
    options = {"host": "{{ api }}", "api_key": "a-secret-token"}
    defaults = {"group/meshops.istio.istio": options}
    head = {"hosts": hosts, "connection": "local", "gather_facts": False, "module_defaults": defaults}
    return {**head, **more, "tasks": [*tasks]}


class Playing:
    """A run of ansible-playbook."""

    def __init__(
        self,
        folder: Path,
        clusters: dict[str, FakeApi],
        plays: list[Json],
        *arguments: str,
        more: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder / "report"
        rings = {
            f"istio_ring_{number}": {"hosts": {name: {"api": api.url}}}
            for number, (name, api) in enumerate(clusters.items())
        }
        inventory, playbook = folder / "hosts.json", folder / "site.yml"
        inventory.write_text(json.dumps({"all": {"children": rings}}), encoding="utf-8")
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CALLBACKS_ENABLED": "meshops.istio.fleet_report",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "ISTIO_REPORT_FOLDER": str(self.folder),
            "ISTIO_REPORT_TITLE": "",
            **(more or {}),
        }
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["ansible-playbook", "-i", str(inventory), str(playbook), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
            )

    def report(self) -> Json:
        """Return the current report; the file is always complete."""
        return t.cast("Json", json.loads((self.folder / "report.json").read_text(encoding="utf-8")))

    def end(self, seconds: float = 60) -> Json:
        """Wait for the end, and return the report."""
        self.process.wait(seconds)
        return self.report()

    def end_by(self, number: int) -> Json:
        """End the run by a signal, and return the report. Python may lose a signal that arrives during a finalizer."""
        for dummy in range(4):
            os.kill(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.end(15)
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def until(self, holds: Callable[[Json], object], seconds: float = 60) -> None:
        """Wait until a condition holds for the report of a run that continues."""
        give_up = time.monotonic() + seconds
        while not ((self.folder / "report.json").exists() and holds(self.report())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.05)
