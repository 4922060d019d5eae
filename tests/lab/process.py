# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start child processes of the lab's owner, and end recorded processes safely."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Identity:
    """A process by ID and start time, to distinguish it from a later process with the same ID."""

    pid: int
    started: int  # Clock ticks since boot, field 22 of /proc/PID/stat.
    what: str

    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> int | None:
    """Return the start time of a process, or None if it has ended or is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # The name before it may contain spaces and brackets.
    return None if fields[0] in "ZX" else int(fields[19])


def identify(pid: int, what: str) -> Identity | None:
    """Return the identity of a running process, or None if it has ended."""
    started = start_time(pid)
    return None if started is None else Identity(pid, started, what)


def read_identities(path: Path) -> list[Identity]:
    """Return the processes recorded in a file; an empty list if there is no file."""
    try:
        return [Identity(**item) for item in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def end(processes: Iterable[Identity], *, patience: float = 3.0) -> list[Identity]:
    """Send SIGTERM, then SIGKILL, to the recorded processes that still run, and return these."""
    running = [process for process in processes if process.alive()]
    for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        for process in running:
            _send(process, number)
        deadline = time.monotonic() + wait
        while any(process.alive() for process in running) and time.monotonic() < deadline:
            time.sleep(0.02)
    return running


def _send(process: Identity, number: signal.Signals) -> None:
    if process.alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment without proxies, which would intercept requests to 127.x, and without a kubeconfig."""
    unwanted = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "kubeconfig"}
    kept = {name: value for name, value in os.environ.items() if name.lower() not in unwanted}
    return {**kept, **(extra or {})}


@dataclass(frozen=True)
class _Request:
    command: list[str]
    log: Path
    env: dict[str, str]
    cwd: Path | None
    what: str


class Spawner:
    """Starts and records children that die with this process.

    The kernel sends the death signal when the *thread* that forked ends, so all children start
    from one thread that lives as long as the process.
    """

    def __init__(self, record: Path) -> None:
        self._record = record
        self._requests: queue.Queue[tuple[_Request, Future[subprocess.Popen[bytes]]]] = queue.Queue()
        self._children: dict[int, Identity] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def start(
        self, what: str, command: Iterable[str | Path], log: Path, *, env: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one program, with its output in `log`."""
        future: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((_Request([str(part) for part in command], log, dict(env), cwd, what), future))
        return future.result()

    def forget(self, pid: int) -> None:
        """Remove an ended child from the record."""
        with self._lock:
            self._children.pop(pid, None)
            self._write()

    def end(self, patience: float) -> None:
        """End all children."""
        with self._lock:
            children = list(self._children.values())
        end(children, patience=patience)

    def _run(self) -> None:
        while True:
            request, future = self._requests.get()
            try:
                future.set_result(self._spawn(request))
            except OSError as error:
                future.set_exception(error)

    def _spawn(self, request: _Request) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
        with request.log.open("ab") as log:
            child = subprocess.Popen(
                [*launcher, *request.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=request.env,
                cwd=request.cwd,
            )
        identity = identify(child.pid, request.what)
        with self._lock:
            if identity is not None:
                self._children[child.pid] = identity
            self._write()
        return child

    def _write(self) -> None:
        text = json.dumps([asdict(child) for child in self._children.values()])
        temporary = self._record.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._record)
