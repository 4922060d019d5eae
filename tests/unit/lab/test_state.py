# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State folders, cluster numbers and recorded processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from json import dumps
from pathlib import Path

import pytest

from lab import api, process, state
from lab.errors import LabError
from lab.process import Identity, identify
from lab.state import Record


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(state, "can_bind", lambda host, port: port // 10 != 702)
    return tmp_path / "meshops-istio-lab"


def me() -> Identity:
    found = identify(os.getpid(), "test")
    assert found is not None
    return found


def running(name: str, count: int) -> Record:
    place = state.allot(name, count)
    place.update(owner=me(), phase="ready")
    record = place.read()
    assert record is not None
    return record


def test_numbers_skip_taken_ports_and_other_labs() -> None:
    assert running("one", 1).numbers == (1,)
    assert running("two", 2).numbers == (3, 4)  # A process listens on the ports of 2.


def test_a_running_lab_is_not_started_twice() -> None:
    running("one", 1)
    with pytest.raises(LabError, match="already running"):
        state.allot("one", 1)


def test_a_lab_that_is_being_started_keeps_its_numbers() -> None:
    state.allot("one", 1)
    assert running("two", 1).numbers == (3,)


def test_a_crashed_lab_is_cleaned_up() -> None:
    record = running("one", 1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    left = identify(child.pid, "child")
    assert left is not None
    place = state.folder("one")
    place.processes.write_text(dumps([asdict(left)]), encoding="utf-8")
    place.write(replace(record, owner=replace(me(), started=1)))  # The process ID is in use, but by another process.
    assert running("two", 1).numbers == (1,)
    assert child.wait(30) != 0
    assert not place.path.exists()


def test_too_many_clusters() -> None:
    with pytest.raises(LabError, match="numbers are free"):
        state.allot("one", 51)


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "-a", "a" * 40])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        state.folder(name)


def test_a_later_process_with_the_same_number_is_spared() -> None:
    stranger = replace(me(), started=me().started - 1)
    assert not stranger.alive()
    assert process.end([stranger]) == []


def test_ended_processes_are_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 30
    while process.start_time(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.start_time(child.pid) is None  # A zombie: its parent has not waited for it.
    child.wait()


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lab.process import Spawner\n"
        "folder = Path(sys.argv[1]); spawner = Spawner(folder / 'record.json')\n"
        "spawner.start('sleep', ['/bin/sleep', '600'], folder / 'log', env={})\n"
        "print('up', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(api.__file__).parent.parent)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    (child,) = process.read_identities(tmp_path / "record.json")
    time.sleep(0.2)  # Let the launcher send its request to the kernel.
    assert child.alive()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while child.alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.alive()


def test_proxies_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "no_proxy", "KUBECONFIG"):
        monkeypatch.setenv(name, "x")
    found = process.clean_environment({"MORE": "1"})
    assert not {"HTTPS_PROXY", "no_proxy", "KUBECONFIG"} & set(found)
    assert found["MORE"] == "1"


def test_other_systems_get_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LabError, match="needs Linux"):
        api.require_possible()


def test_users_without_port_443_get_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "can_bind", lambda host, port: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(api, "_first_unprivileged_port", lambda: 1024)
    with pytest.raises(LabError, match="sysctl net.ipv4.ip_unprivileged_port_start=443"):
        api.require_possible()
