# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task ends cleanly, whatever ends its run: each case has a controller and its worker as separate processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.plugin_utils import interrupts
from unit.paths import COLLECTIONS

#: A worker that notes what happens to it; its handler of SIGTERM was set before the task.
SCRIPT = """
import os, signal, sys, time
from ansible_collections.meshops.istio.plugins.plugin_utils import interrupts

def note(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")

def before(number, dummy):
    note(f"died of {signal.Signals(number).name}")
    os._exit(1)

if sys.argv[2] == "old":
    del os.pidfd_open
if os.fork():
    signal.pause()
os.setsid()
signal.signal(signal.SIGTERM, before)
# A shell makes its background jobs ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.CONTROLLER_KILLED_HOOKS.append(lambda: note("orphaned"))
with interrupts.interrupt_on_signal(os.getppid()):
    try:
        note(f"pid {os.getpid()}")
        time.sleep(float(sys.argv[3]))
        note("done")
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        note("cleaned up")
note("over")
"""


class Worker:
    """A controller with a worker whose task takes some seconds."""

    def __init__(self, folder: Path, system: str = "new", seconds: float = 60) -> None:
        self.notes = folder / "notes"
        command = [sys.executable, "-c", SCRIPT, str(self.notes), system, str(seconds)]
        self.controller = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(COLLECTIONS)})
        self.until(lambda: self.lines)
        self.pid = int(self.lines[0].removeprefix("pid "))

    @property
    def lines(self) -> list[str]:
        """Its notes."""
        return self.notes.read_text(encoding="utf-8").splitlines() if self.notes.exists() else []

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)


@pytest.fixture
def started() -> Iterator[list[Worker]]:
    """Workers that do not outlive the test."""
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.controller.kill()
        worker.controller.wait()


@pytest.mark.parametrize("system", ["new", "old"])
def test_a_worker_whose_controller_is_killed_cleans_up_and_ends(
    tmp_path: Path, started: list[Worker], system: str
) -> None:
    worker = Worker(tmp_path, system)
    started.append(worker)
    worker.controller.kill()
    worker.until(lambda: "died of SIGTERM" in worker.lines)
    # A second signal does not interrupt the cleanup.
    assert sorted(worker.lines[1:]) == ["cleaned up", "died of SIGTERM", "orphaned"]
    assert worker.lines[-1] == "died of SIGTERM"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_lets_it_clean_up_and_is_not_lost(
    tmp_path: Path, started: list[Worker], number: signal.Signals
) -> None:
    worker = Worker(tmp_path)
    started.append(worker)
    os.kill(worker.pid, number)
    worker.until(lambda: "cleaned up" in worker.lines)
    assert "orphaned" not in worker.lines
    if number == signal.SIGTERM:
        worker.until(lambda: "died of SIGTERM" in worker.lines)
    assert "over" not in worker.lines


def test_a_process_with_the_id_of_a_dead_controller_is_not_watched() -> None:
    # Another living process, which is not our parent, has the ID now.
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    task_ended = threading.Event()
    waiting = threading.Timer(5, task_ended.set)
    waiting.start()
    assert interrupts._wait_for_death(other.pid, task_ended)
    waiting.cancel()
    other.kill()
    other.communicate()


def test_the_previous_handlers_are_restored_after_the_task(tmp_path: Path, started: list[Worker]) -> None:
    worker = Worker(tmp_path, seconds=0)
    started.append(worker)
    worker.until(lambda: "over" in worker.lines)
    assert worker.lines[1:] == ["done", "over"]
