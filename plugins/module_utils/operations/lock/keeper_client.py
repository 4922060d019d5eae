# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the lock of a run to its keeper, which renews it between the run's tasks.

Between two tasks on a cluster no process of the run works on it, and with a slower cluster beside it that may take
long. So the first worker that takes a lock starts one process for the whole run, the keeper (see _keeper). Workers find
it by a socket in a private folder, whose name nobody can guess; what it needs to log in goes through that socket only.

Beside it is one file per cluster, by which the tasks know that the run had its lock: one that it lost meanwhile is not
taken again, as a whole run of somebody else may have been there. Who may write holds it shared, whichever keeper knows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import typing as t
import uuid
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client.process import INHERITED_FILES
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import holder
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper import ANSWER, MARK
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock_keeper import LockKeeper, RunLock

#: The longest path that a socket can have is some 100 characters; what comes after it are 50.
LONGEST = 50
#: How long a keeper may take to answer, also one that is starting.
ANSWER_SECONDS = 15.0
#: Runs the keeper without Ansible's loader of collections, wherever this one is.
CODE = """
import json, sys, types
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
for name in ("ansible_collections", "ansible_collections.meshops", "ansible_collections.meshops.istio"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [given["collection"]]
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper import main
main(**given["keeper"])
"""


def _place() -> Path:
    folder = tempfile.gettempdir()
    return Path(folder if len(folder) <= LONGEST else "/tmp") / f"meshops-istio-{uuid.uuid4().hex[:16]}"


#: Folder of the sockets of this run. It is named when ansible-playbook loads this file, so that all workers know it.
PLACE = _place()


def _make_place() -> None:
    with contextlib.suppress(FileExistsError):
        PLACE.mkdir(mode=0o700)


def _mark(lock: RunLock) -> Path:
    """Return the file that has something in it while the run holds a lock, and is locked while somebody may write."""
    name = json.dumps([lock.client.server, lock.namespace, lock.process]).encode()
    return PLACE / f"{hashlib.sha256(name).hexdigest()[:16]}{MARK}"


class KeeperClient(LockKeeper):
    """The way of one worker to the keeper of its run.

    Args:
        controller: the process of ansible-playbook.
    """

    def __init__(self, controller: int) -> None:
        self._controller = controller
        #: Open as long as the worker may write; closed by the kernel if it dies.
        self._open = contextlib.ExitStack()

    def start_renewal(self, lock: RunLock) -> None:
        """Have a lock renewed from now on, until it is given back or the run has ended."""
        told = {
            "connection": dataclasses.asdict(lock.client.connection),
            "namespace": lock.namespace,
            "process": lock.process,
            "seconds": lock.seconds,
            "mark": str(_mark(lock)),
        }
        try:
            _make_place()
            mark = self._open.enter_context(_mark(lock).open("ab"))
            self._pass_on(mark.fileno())
            fcntl.flock(mark, fcntl.LOCK_SH)
            channel = self._open.enter_context(self._reach(lock.process))
            self._pass_on(channel.fileno())
            channel.settimeout(ANSWER_SECONDS)
            channel.sendall(json.dumps(told).encode() + b"\n")
            if channel.recv(len(ANSWER)) != ANSWER:
                raise ConnectionError("it does not answer")
        except OSError as exc:
            lock.warnings.append(
                f"The lock of cluster {lock.client.connection.label} is renewed while a task works, but not between "
                f"two tasks, because its keeper cannot be reached: {exc}. Another run may take it once it has run "
                "out."
            )

    def was_taken(self, lock: RunLock) -> bool:
        """Whether a task of the run took this lock, and none has given it back."""
        try:
            return _mark(lock).stat().st_size > 0
        except OSError:
            return False

    def mark_taken(self, lock: RunLock) -> None:
        """Note that this task took it."""
        with contextlib.suppress(OSError):
            _mark(lock).write_bytes(b"1")

    def mark_released(self, lock: RunLock) -> None:
        """Note that the run gives it back, so that it may take it again."""
        with contextlib.suppress(OSError):
            os.truncate(_mark(lock), 0)

    def _pass_on(self, number: int) -> None:
        INHERITED_FILES.append(number)
        self._open.callback(INHERITED_FILES.remove, number)

    def close(self) -> None:
        """Tell the keeper that this worker writes no more."""
        self._open.close()

    def _reach(self, process: str) -> socket.socket:
        """Return a connection to the keeper of a run, which is started if it does not run."""
        # what logs in may depend on the environment, so each environment has a keeper of its own
        environment = json.dumps(sorted(os.environ.items())).encode()
        path = PLACE / hashlib.sha256(environment).hexdigest()[:16]
        handle = os.open(PLACE, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            channel = socket.socket(socket.AF_UNIX)
            try:
                channel.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                self._start(path, process)
                channel.connect(str(path))
            return channel
        finally:
            os.close(handle)

    def _start(self, path: Path, process: str) -> None:
        path.unlink(missing_ok=True)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen(128)
            passed, controller = [listener.fileno()], -1
            with contextlib.suppress(AttributeError, OSError):
                # only Linux can wait for a process that is not one's child
                controller = os.pidfd_open(self._controller)
                stack.callback(os.close, controller)
                passed.append(controller)
            if holder.process_of(self._controller) != process:
                raise ProcessLookupError("ansible-playbook has ended")
            given: dict[str, t.Any] = {
                "path": [part for part in sys.path if part],
                "collection": str(Path(__file__).absolute().parents[4]),
                "keeper": {
                    "listener": passed[0],
                    "controller": controller,
                    "watched": process,
                    "alone": holder.ALONE,
                    "path": str(path),
                },
            }
            # it must outlive the task, so that neither its session nor its files may be those of the worker
            subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                [sys.executable, "-P", "-c", CODE, json.dumps(given)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,
            )
