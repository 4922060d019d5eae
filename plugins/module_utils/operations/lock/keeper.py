# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper of a run: renews its locks between tasks, and ends with ansible-playbook.

One process for all clusters. When the run has ended and left a lock, it gives that back as soon as no worker of the run
can write any more: each holds its connection to the keeper open for as long as it works, and the kernel closes it.
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
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import holder
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.renewal import RENEWALS

#: How long it waits, after the run, for workers to end; they give themselves ten seconds (see _ending).
GRACE_SECONDS = 20.0
#: One look, where the system does not tell at once what happens.
LOOK_SECONDS = 1.0
#: More than clusters that hang at one moment: those that answer must not wait for them.
AT_ONCE = 256
#: What a worker hears once its lock is looked after.
ANSWER = b"ok\n"
#: Ends the names of the files that are locked while somebody may write on a cluster (see _keeping).
MARK = ".lock"
#: The most that a worker says of a lock, such as a long token.
MOST = 1 << 20


class Kept:
    """The lock of one cluster."""

    def __init__(self, told: dict[str, t.Any], over: threading.Event) -> None:
        self._told = told
        self._over = over
        self._mark = Path(told["mark"])
        self._lock: Lock | None = None
        self.workers: set[socket.socket] = set()
        self.pause = int(told["seconds"]) / RENEWALS
        self.due = time.monotonic() + self.pause
        #: Whether it is no more that of the run.
        self.lost = False
        self.work: concurrent.futures.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether it is being renewed, or given back."""
        return self.work is not None and not self.work.done()

    @property
    def written(self) -> bool:
        """Whether somebody may write under it, such as a worker that another keeper knows."""
        return bool(self.workers) or in_use(self._mark)

    def lock(self) -> Lock:
        """Return the lock, over a connection of its own that is made once it is needed."""
        if self._lock is None:
            conn = {
                **self._told["connection"],
                "impersonate_groups": tuple(self._told["connection"]["impersonate_groups"]),
            }
            client = Client(Connection(**conn), timeout=5, tries=2)
            self._lock = Lock.of(client, self._told["namespace"], self._told["process"], self._told["seconds"])
        return self._lock

    def renew(self) -> None:
        """Renew it; once it is no longer that of the run, it is left alone."""
        if self._over.is_set():
            return
        # if it fails it is tried again soon: what matters is that it comes through before the lock runs out
        pause = self.pause / 4
        try:
            self.lock().renew()
            pause = self.pause
        except LockedError:
            # a worker says that it takes a lock before it does
            self.lost = not self.workers
            pause = self.pause
        except MeshError:
            pass
        finally:
            self.due = time.monotonic() + pause

    def give_back(self) -> None:
        """End the run on this cluster, if it has not done so itself."""
        with contextlib.suppress(MeshError):
            self.lock().interrupt()


class Keeper:
    """All locks of a run.

    Args:
        listener: where workers tell of their locks.
        controller: a file that can be read once ansible-playbook has ended (pidfd_open(2)), -1 where there is none.
        watched: the same process, as locks name it.
    """

    def __init__(self, listener: socket.socket, controller: int, watched: str) -> None:
        self._listener = listener
        # who wanted to be heard may be gone when it is
        listener.setblocking(False)
        self._controller = controller
        self._watched = watched
        self._kept: dict[tuple[str | None, ...], Kept] = {}
        self._heard: dict[socket.socket, bytes] = {}
        self._ended = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)

    def run(self) -> None:
        """Renew until the run ends; then give back what it left."""
        while not self._over():
            self._listen()
            for kept in self._kept.values():
                if not (kept.lost or kept.busy) and time.monotonic() >= kept.due:
                    kept.work = self._pool.submit(kept.renew)
        self._ended.set()
        deadline = time.monotonic() + GRACE_SECONDS
        # what a worker said shortly before the end is still to be heard
        while (self._listen(0.05) or self._end() or self._heard) and time.monotonic() < deadline:
            pass
        work = [kept.work for kept in self._kept.values() if kept.work]
        concurrent.futures.wait(work, max(0.0, deadline - time.monotonic()))
        self._pool.shutdown(cancel_futures=True)

    def _end(self) -> bool:
        """Give back each lock under which nobody can write any more; return whether there are others."""
        for kept in self._kept.values():
            if not (kept.busy or kept.lost or kept.written):
                kept.lost, kept.work = True, self._pool.submit(kept.give_back)
        return any(not kept.lost for kept in self._kept.values())

    def _over(self) -> bool:
        if self._controller < 0:
            return holder.proven_dead(self._watched)
        poller = select.poll()
        poller.register(self._controller, select.POLLIN)
        return bool(poller.poll(0))

    def _listen(self, longest: float = LOOK_SECONDS) -> bool:
        """Wait for what happens next, and take note of it; return whether anything did."""
        due = [kept.due - time.monotonic() for kept in self._kept.values() if not (kept.lost or kept.busy)]
        pause = max(0.05, min([longest, *due]))
        by_number = {one.fileno(): one for one in (self._listener, *self._heard)}
        poller = select.poll()
        for number in by_number:
            poller.register(number, select.POLLIN)
        if self._controller >= 0 and not self._over():
            poller.register(self._controller, select.POLLIN)
        happened = poller.poll(pause * 1000)
        for number, dummy in happened:
            if number == self._listener.fileno():
                with contextlib.suppress(OSError):
                    self._heard[self._listener.accept()[0]] = b""
            elif number in by_number:
                self._hear(by_number[number])
        return bool(happened)

    def _hear(self, worker: socket.socket) -> None:
        try:
            news = worker.recv(65536)
        except OSError:
            news = b""
        told = self._heard[worker] + news
        line, end, rest = told.partition(b"\n")
        try:
            if end:
                self._keep(json.loads(line), worker)
                worker.sendall(ANSWER)
        except (OSError, ValueError, KeyError, TypeError):
            # it is gone, or says what no worker of this collection says
            news = b""
        self._heard[worker] = rest if end else told
        if not news or len(told) > MOST:
            worker.close()
            del self._heard[worker]
            for kept in self._kept.values():
                kept.workers.discard(worker)

    def _keep(self, told: dict[str, t.Any], worker: socket.socket) -> None:
        conn = told["connection"]
        name = (conn["host"], conn["kubeconfig"], conn["context"], told["namespace"], told["process"])
        before = self._kept.get(name)
        # each task may log in by a new token, and may take a lock again that was given back
        kept = self._kept[name] = Kept(told, self._ended)
        kept.workers = {worker, *(before.workers if before else ())}


def in_use(mark: Path) -> bool:
    """Whether somebody holds the file of a cluster on which it may write."""
    try:
        with mark.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def main(listener: int, controller: int, watched: str, alone: str, path: str) -> None:
    """Keep the locks of a run; files are given by their numbers."""
    holder.ALONE = alone
    # it ends with the run; whoever ends a whole session or service ends the run as well
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        with socket.socket(fileno=listener) as open_listener:
            Keeper(open_listener, controller, watched).run()
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        for mark in Path(path).parent.glob(f"*{MARK}"):
            if not in_use(mark):
                mark.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(path).parent.rmdir()
