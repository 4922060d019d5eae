# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper of a run: a process that renews its locks between tasks and ends with ansible-playbook.

It is one process for all clusters, and for all workers with the same environment (see keeper_client.py). A lock that
the run left when it ended is released as soon as no worker of the run can write any more: each worker holds its
connection to the keeper open while it works, and the kernel closes it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import threading
import time
import typing as t
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import LockedError, MeshError
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import processes
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.renewal import RENEWALS

#: Seconds to wait for workers after the run; they end within ten seconds (see plugin_utils/interrupts.py).
GRACE_SECONDS = 20.0
#: Interval of polling where the system does not report the end of a process.
POLL_SECONDS = 1.0
#: More threads than clusters that may hang at a time: the other clusters must not wait for those.
THREADS = 256
#: The answer to a worker whose lock is being kept.
ANSWER = b"ok\n"
#: Suffix of the marker files, which are locked while a process may write to a cluster (see keeper_client.py).
MARKER_SUFFIX = ".lock"
#: Longest message of a worker in bytes; it may hold a long token.
LONGEST_MESSAGE = 1 << 20


class KeptLock:
    """The lock of one cluster, as a worker described it."""

    def __init__(self, message: dict[str, t.Any], run_ended: threading.Event) -> None:
        self.message = message
        self._run_ended = run_ended
        self._marker = Path(message["marker"])
        self._lock: Lock | None = None
        self.workers: set[socket.socket] = set()
        self.pause = int(message["seconds"]) / RENEWALS
        self.due = time.monotonic() + self.pause
        #: Whether the keeper has nothing more to do for this lock.
        self.done = False
        self.job: concurrent.futures.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether the lock is being renewed or released."""
        return self.job is not None and not self.job.done()

    @property
    def has_writer(self) -> bool:
        """Whether a process may write under the lock, such as a worker of another keeper."""
        return bool(self.workers) or is_in_use(self._marker)

    def lock(self) -> Lock:
        """Return the lock, with its own client, which is created when it is needed first."""
        if self._lock is None:
            conn = {
                **self.message["connection"],
                "impersonate_groups": tuple(self.message["connection"]["impersonate_groups"]),
            }
            client = Client(Connection(**conn), timeout=5, tries=2)
            self._lock = Lock.taken_by(
                client, self.message["namespace"], self.message["process"], self.message["seconds"]
            )
        return self._lock

    def renew(self) -> None:
        """Renew the lock, unless the run has ended or lost it."""
        if self._run_ended.is_set():
            return
        # After a failure the next try follows soon: one must succeed before the lock expires.
        pause = self.pause / 4
        try:
            self.lock().renew()
            pause = self.pause
        except LockedError:
            # A worker announces a lock before it takes it.
            self.done = not self.workers
            pause = self.pause
        except MeshError:
            pass
        finally:
            self.due = time.monotonic() + pause

    def release(self) -> None:
        """End the run on this cluster, unless it has done so itself."""
        with contextlib.suppress(MeshError):
            self.lock().interrupt()


class Keeper:
    """All locks of a run.

    Args:
        listener: the socket to which workers send their locks.
        controller: a descriptor that becomes readable when ansible-playbook ends (pidfd_open(2)), or -1.
        playbook: identity of the same process, as locks name it.
    """

    def __init__(self, listener: socket.socket, controller: int, playbook: str) -> None:
        self._listener = listener
        # A worker that connects may be gone before `accept`, which must not block then.
        listener.setblocking(False)
        self._controller = controller
        self._playbook = playbook
        self._kept: dict[tuple[str | None, ...], KeptLock] = {}
        self._received: dict[socket.socket, bytes] = {}
        self._run_ended = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def run(self) -> None:
        """Renew all locks until the run ends; then release those that it left."""
        while not self._has_run_ended():
            self._listen()
            for kept in self._kept.values():
                if not (kept.done or kept.busy) and time.monotonic() >= kept.due:
                    kept.job = self._pool.submit(kept.renew)
        self._run_ended.set()
        deadline = time.monotonic() + GRACE_SECONDS
        # A message that a worker sent shortly before the end must still be read.
        while (self._listen(0.05) or self._release_unused() or self._received) and time.monotonic() < deadline:
            pass
        jobs = [kept.job for kept in self._kept.values() if kept.job]
        concurrent.futures.wait(jobs, max(0.0, deadline - time.monotonic()))
        self._pool.shutdown(cancel_futures=True)

    def _release_unused(self) -> bool:
        """Release each lock under which no process can write any more; return whether there are others."""
        for kept in self._kept.values():
            if not (kept.busy or kept.done or kept.has_writer):
                kept.done, kept.job = True, self._pool.submit(kept.release)
        return any(not kept.done for kept in self._kept.values())

    def _has_run_ended(self) -> bool:
        if self._controller < 0:
            return processes.has_ended(self._playbook)
        poller = select.poll()
        poller.register(self._controller, select.POLLIN)
        return bool(poller.poll(0))

    def _listen(self, longest: float = POLL_SECONDS) -> bool:
        """Wait for the next connection, message or end of a worker and handle it; return whether there was one."""
        due = [kept.due - time.monotonic() for kept in self._kept.values() if not (kept.done or kept.busy)]
        pause = max(0.05, min([longest, *due]))
        by_descriptor = {channel.fileno(): channel for channel in (self._listener, *self._received)}
        poller = select.poll()
        for descriptor in by_descriptor:
            poller.register(descriptor, select.POLLIN)
        if self._controller >= 0 and not self._has_run_ended():
            poller.register(self._controller, select.POLLIN)
        events = poller.poll(pause * 1000)
        for descriptor, dummy in events:
            if descriptor == self._listener.fileno():
                with contextlib.suppress(OSError):
                    self._received[self._listener.accept()[0]] = b""
            elif descriptor in by_descriptor:
                self._receive(by_descriptor[descriptor])
        return bool(events)

    def _receive(self, worker: socket.socket) -> None:
        try:
            data = worker.recv(65536)
        except OSError:
            data = b""
        text = self._received[worker] + data
        line, end, rest = text.partition(b"\n")
        try:
            if end:
                self._keep(json.loads(line), worker)
                worker.sendall(ANSWER)
        except (OSError, ValueError, KeyError, TypeError):
            # The worker is gone, or sent a message that no worker of this collection sends.
            data = b""
        self._received[worker] = rest if end else text
        if not data or len(text) > LONGEST_MESSAGE:
            worker.close()
            del self._received[worker]
            for kept in self._kept.values():
                kept.workers.discard(worker)

    def _keep(self, message: dict[str, t.Any], worker: socket.socket) -> None:
        conn = message["connection"]
        name = (conn["host"], conn["kubeconfig"], conn["context"], message["namespace"], message["process"])
        previous = self._kept.get(name)
        # Each task may log in with a new token, and may take a lock again that was released.
        kept = self._kept[name] = KeptLock(message, self._run_ended)
        kept.workers = {worker, *(previous.workers if previous else ())}


def is_in_use(marker: Path) -> bool:
    """Return whether a process holds the marker file of a cluster, so that it may write there."""
    try:
        with marker.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def main(listener: int, controller: int, playbook: str, machine: str, path: str) -> None:
    """Keep the locks of a run; files are given as descriptors."""
    processes.UNIDENTIFIED_MACHINE = machine
    # The keeper ends with the run. A signal to a whole session or service ends the run as well.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        with socket.socket(fileno=listener) as open_listener:
            Keeper(open_listener, controller, playbook).run()
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        for marker in Path(path).parent.glob(f"*{MARKER_SUFFIX}"):
            if not is_in_use(marker):
                marker.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(path).parent.rmdir()
