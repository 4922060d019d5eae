# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a task cleanly when its run is interrupted or killed.

ansible-playbook forwards SIGINT and SIGTERM to its workers. When it is killed, as by ansible-runner when a job is
canceled, it cannot: each worker has its own session, survives, and would continue to change its cluster unnoticed.
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
#: Time that a task has for its cleanup; after it the process exits.
GRACE_SECONDS = 10.0
#: Functions that a worker calls when its ansible-playbook was killed, in place of the handlers of ansible-playbook.
CONTROLLER_KILLED_HOOKS: list[Callable[[], None]] = []
POLL_SECONDS = 1.0


@contextlib.contextmanager
def interrupt_on_signal(controller: int) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block when a signal or the death of ansible-playbook ends the run.

    After the block the previous handlers are restored, and the first signal is raised again for them.

    Args:
        controller: process ID of ansible-playbook.
    """
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can handle signals.
        yield
        return
    previous_handlers = {number: signal.getsignal(number) for number in SIGNALS}
    received: list[int] = []
    task_ended, controller_killed = threading.Event(), threading.Event()

    def on_signal(number: int, dummy: t.Any) -> None:
        received.append(number)
        for handled in SIGNALS:
            signal.signal(handled, signal.SIG_IGN)
        forced_exit = threading.Timer(GRACE_SECONDS, os._exit, [1])
        forced_exit.daemon = True
        forced_exit.start()
        raise KeyboardInterrupt

    def watch() -> None:
        if _wait_for_death(controller, task_ended):
            controller_killed.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            for hook in CONTROLLER_KILLED_HOOKS:
                hook()

    for number in SIGNALS:
        signal.signal(number, on_signal)
    watcher = threading.Thread(target=watch, daemon=True, name="controller")
    watcher.start()
    try:
        yield
    finally:
        task_ended.set()
        if controller_killed.is_set():
            watcher.join(GRACE_SECONDS)
        for number in SIGNALS:
            signal.signal(number, previous_handlers[number])
        if received:
            signal.raise_signal(received[0])


def _wait_for_death(parent: int, task_ended: threading.Event) -> bool:
    """Wait until our parent process ends. Return False if the task ends first.

    Args:
        parent: process ID of our parent.
        task_ended: set at the end of the task.
    """
    poller = select.poll()
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):
        # The system is not Linux, or does not allow it.
        while not task_ended.wait(POLL_SECONDS):
            if os.getppid() != parent:
                return True
        return False
    try:
        if os.getppid() != parent:
            # The parent ended earlier, and another process may have its ID now.
            return True
        poller.register(handle, select.POLLIN)
        while not task_ended.is_set():
            if poller.poll(POLL_SECONDS * 1000):
                return not task_ended.is_set()
        return False
    finally:
        os.close(handle)
