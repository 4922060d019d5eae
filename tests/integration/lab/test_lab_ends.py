# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""However a lab ends, nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, LabError, cli, state
from lab.process import Identity, read_identities

pytestmark = pytest.mark.lab
STARTER = "import sys, time; from lab import Lab; Lab.start(sys.argv[1], 1); print('up', flush=True); time.sleep(3600)"


@pytest.fixture
def name() -> Iterator[str]:
    unique = f"ends-{os.getpid()}"
    yield unique
    cli.main(["down", "--name", unique])


def processes(name: str) -> list[Identity]:
    place = state.folder(name)
    record = place.read()
    assert record is not None
    assert record.owner is not None
    return [record.owner, *read_identities(place.processes)]


def assert_all_end(recorded: list[Identity]) -> None:
    deadline = time.monotonic() + 60
    while alive := [one for one in recorded if one.alive()]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def test_killed_owner_leaves_nothing_and_up_works_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "1", "--name", name]) == 0
    recorded = processes(name)
    assert len(recorded) == 7  # owner, etcd, API server, controller manager, scheduler, kwok, proxies
    os.kill(recorded[0].pid, signal.SIGKILL)
    assert_all_end(recorded)
    with pytest.raises(LabError, match="No lab"):
        Lab.attach(name)

    assert cli.main(["up", "1", "--name", name]) == 0
    capsys.readouterr()
    assert cli.main(["kubeconfig", "--name", name]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    again = processes(name)
    assert cli.main(["down", "--name", name]) == 0
    assert not any(one.alive() for one in again)
    assert not state.folder(name).path.exists()


def test_lab_of_a_killed_test_run_ends(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(state.__file__).parent.parent)}
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, name], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert starter.stdout is not None
    while (line := starter.stdout.readline()) not in ("up\n", ""):
        pass
    assert line == "up\n"
    recorded = processes(name)
    starter.kill()
    starter.wait()
    assert_all_end(recorded)
