# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S13: no key and no kubeconfig is ever in a folder, during a run and after any end of it, by a real ansible-playbook.

Up to Python 3.12 workers end without atexit, and since 3.13 with it; those that are killed never do. Set TEST_PLAYBOOK
to the ansible-playbook of another Python, with the library kubernetes beside it, to see that one:
``python3.12 -m venv v && v/bin/pip install ansible-core kubernetes``.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.tls import Secured, secured

TOKEN = "t0ken-that-no-file-may-have"


@dataclasses.dataclass
class Playing:
    """A run, and the folders in which it may leave something."""

    folder: Path
    process: subprocess.Popen[str]

    def found(self, *secrets: bytes) -> list[str]:
        """The files that have a secret in them, encoded or not."""
        forms = [form for secret in secrets for form in (secret, base64.b64encode(secret))]
        places = [path for name in ("tmp", "home") for path in (self.folder / name).rglob("*") if path.is_file()]
        return [str(path) for path in places if any(form in _content(path) for form in forms)]

    def workers(self) -> list[int]:
        """The processes in which tasks are at work."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for what happens soon."""
        deadline = time.monotonic() + 60
        while not holds():
            over = self.process.poll() is not None or time.monotonic() > deadline
            assert not over, self.output()
            time.sleep(0.02)

    def output(self) -> str:
        """Return its output."""
        return (self.folder / "output").read_text(encoding="utf-8")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: Ansible has a socket in it, whose path may not be longer than 107 characters."""
    with tempfile.TemporaryDirectory(prefix="left-") as folder:
        yield Path(folder)


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Callable[..., Playing]]:
    """Starts a run of one task on two hosts; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(task: dict[str, t.Any]) -> Playing:
        for name in ("tmp", "home"):
            (tmp_path / name).mkdir()
        playbook = tmp_path / "site.yml"
        tasks = [{**task, "ignore_errors": True}] * 2
        head = {"hosts": "all", "connection": "local", "gather_facts": False}
        playbook.write_text(json.dumps([{**head, "tasks": tasks}]), encoding="utf-8")
        command = os.environ.get("TEST_PLAYBOOK", str(Path(sys.executable).parent / "ansible-playbook"))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "tmp"),
            "ANSIBLE_HOME": str(tmp_path / "home" / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "LC_ALL": "C.UTF-8",
        }
        with (tmp_path / "output").open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [command, "-i", "one,two,", str(playbook), "-vvvv"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(process)
        return Playing(tmp_path, process)

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def end(run: Playing, how: str) -> None:
    """End a run while its tasks are at work."""
    if how.startswith("worker"):
        for pid in run.workers():
            os.kill(pid, signal.SIGKILL)
    else:
        os.kill(run.process.pid, signal.SIGKILL if how == "SIGKILL" else signal.SIGTERM)
    run.process.wait(60)
    time.sleep(0.5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Secured]:
    """An API server that wants a certificate."""
    with secured(tmp_path) as found:
        yield found


@pytest.mark.parametrize("how", ["as it should", "failed", "SIGTERM", "SIGKILL", "worker SIGKILL"])
def test_s13_no_key_of_a_kubeconfig_lies_anywhere(
    server: Secured, playing: Callable[..., Playing], tmp_path: Path, how: str
) -> None:
    going_on = threading.Event()
    if how in ("as it should", "failed"):
        going_on.set()

    def answer(*dummy: object) -> tuple[int, dict[str, t.Any]]:
        going_on.wait(60)
        return (500, {"message": "failed calling webhook"}) if how == "failed" else (403, {"message": "not you"})

    server.answer = answer
    kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
    run = playing({"meshops.istio.istio_info": {"kubeconfig": kubeconfig, "context": "c"}})
    secret = b"".join(server.key.splitlines()[1:-1])[:40], server.key
    try:
        if going_on.is_set():
            assert run.process.wait(120) == 0
        else:
            run.until(lambda: len(server.seen) >= 2)
            assert run.found(*secret) == []
            end(run, how)
    finally:
        going_on.set()
    assert server.clients
    assert 0 not in server.clients
    assert run.found(*secret) == []
    assert list((tmp_path / "tmp").rglob("*.pem")) == []


ISTIOCTL = """#!/bin/sh
case "$*" in *"version --remote=false"*) echo '{{"clientVersion": {{"version": "1.31.0"}}}}'; exit;; esac
while [ $# -gt 1 ]; do [ "$1" = --kubeconfig ] && config=$2; shift; done
cat "$config" "$config" > /dev/null && grep -q {token} "$config" && echo read >> {note}
exec sleep 20
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "worker SIGKILL"])
def test_s13_no_kubeconfig_for_a_command_lies_anywhere(
    playing: Callable[..., Playing], tmp_path: Path, how: str
) -> None:
    """It is read twice, as istioctl and Helm do."""
    note, tool = tmp_path / "note", tmp_path / "istioctl-1.31.0"
    tool.write_text(ISTIOCTL.format(token=TOKEN, note=note), encoding="utf-8")
    tool.chmod(0o700)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.OLD)) as api:
        given = {"host": api.url, "api_key": TOKEN, "istioctl": str(tool), "version": "1.31.0"}
        run = playing({"meshops.istio.istio_precheck": {**given, "revision": b.NEW, "stage": "before"}})
        run.until(lambda: note.exists() and len(note.read_text().split()) >= 2)
        assert run.found(TOKEN.encode()) == []
        end(run, how)
    assert run.found(TOKEN.encode()) == []
    assert TOKEN not in run.output()
