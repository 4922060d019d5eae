# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a task in order when somebody ends the run.

ansible-playbook hands SIGINT and SIGTERM on to its workers. When it is killed, as by ansible-runner when a job is
cancelled, it cannot: each worker has a session of its own, lives on, and would go on changing its cluster, unseen.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import typing as t
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: A task that cannot end in order ends anyhow.
GRACE_SECONDS = 10.0
#: Called in a worker whose ansible-playbook was killed: what that would have done at its end.
WHEN_KILLED: list[Callable[[], None]] = []
LOOK_SECONDS = 1.0


@contextlib.contextmanager
def in_order(controller: int) -> Iterator[None]:
    """Make a KeyboardInterrupt of what ends the run, wherever the task is; what was to happen then happens after it.

    Args:
        controller: the process of ansible-playbook.
    """
    if threading.current_thread() is not threading.main_thread():
        # only the main thread hears of signals
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught: list[int] = []
    over, killed = threading.Event(), threading.Event()

    def on_signal(number: int, dummy: t.Any) -> None:
        caught.append(number)
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        last = threading.Timer(GRACE_SECONDS, os._exit, [1])
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    def watch() -> None:
        if _outlives(controller, over):
            killed.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            for tell in WHEN_KILLED:
                tell()

    for number in SIGNALS:
        signal.signal(number, on_signal)
    watcher = threading.Thread(target=watch, daemon=True, name="controller")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        if killed.is_set():
            watcher.join(GRACE_SECONDS)
        for number in SIGNALS:
            signal.signal(number, before[number])
        if caught:
            signal.raise_signal(caught[0])


def _outlives(pid: int, over: threading.Event) -> bool:
    """Wait until a process, which is our parent, ends; return False if the task is over before."""
    poller = select.poll()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):
        # not Linux, or not allowed
        while not over.wait(LOOK_SECONDS):
            if os.getppid() != pid:
                return True
        return False
    try:
        if os.getppid() != pid:
            # it ended before, and its number is that of another process by now
            return True
        poller.register(handle, select.POLLIN)
        while not over.is_set():
            if poller.poll(LOOK_SECONDS * 1000):
                return not over.is_set()
        return False
    finally:
        os.close(handle)
