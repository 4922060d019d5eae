# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands the lock of a run to its keeper, a process that renews it between the run's tasks.

Between two tasks on a cluster no process of the run works on it, and if another cluster is slower this may take long.
So the first worker that takes a lock starts a process, the keeper (see keeper_process.py); all workers of the run that
have the same environment share it. They find it by a socket in a private folder with a random name; the data that the
keeper needs to log in is sent through that socket only.

The folder also has one marker file per cluster. A marker that is not empty means that the run has held the lock: a lock
that was lost meanwhile is not taken again, because another run may have happened. A process that may write holds a
shared file lock on the marker, whichever keeper it uses.
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
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import processes
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_interface import RunLock
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_process import ANSWER, MARKER_SUFFIX

#: The path of a socket has at most about 100 characters, of which 50 follow the folder.
LONGEST_FOLDER = 50
#: Seconds in which a keeper must answer, also one that is starting.
ANSWER_SECONDS = 15.0
#: Runs the keeper without Ansible's collection loader, wherever this collection is installed.
KEEPER_PROGRAM = """
import json, sys, types
settings = json.loads(sys.argv[1])
sys.path[:] = settings["path"]
for name in ("ansible_collections", "ansible_collections.meshops", "ansible_collections.meshops.istio"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [settings["collection"]]
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_process import main
main(**settings["keeper"])
"""


def _socket_folder() -> Path:
    folder = tempfile.gettempdir()
    return Path(folder if len(folder) <= LONGEST_FOLDER else "/tmp") / f"meshops-istio-{uuid.uuid4().hex[:16]}"


#: Folder of the sockets of this run. ansible-playbook chooses its name when it loads this file, so all workers have it.
SOCKET_FOLDER = _socket_folder()


def _create_socket_folder() -> None:
    with contextlib.suppress(FileExistsError):
        SOCKET_FOLDER.mkdir(mode=0o700)


def _marker(lock: RunLock) -> Path:
    """Return the marker file of a lock: not empty while the run holds it, and locked while a process may write."""
    name = json.dumps([lock.client.server, lock.namespace, lock.process]).encode()
    return SOCKET_FOLDER / f"{hashlib.sha256(name).hexdigest()[:16]}{MARKER_SUFFIX}"


class KeeperClient:
    """The connection of one worker to the keeper of its run.

    Args:
        controller: pid of ansible-playbook.
    """

    def __init__(self, controller: int) -> None:
        self._controller = controller
        #: Open while the worker may write; the kernel closes these files if the worker dies.
        self._open_files = contextlib.ExitStack()

    def start_renewal(self, lock: RunLock) -> None:
        """Have a lock renewed from now on, until it is released or the run has ended."""
        message = {
            "connection": dataclasses.asdict(lock.client.connection),
            "namespace": lock.namespace,
            "process": lock.process,
            "seconds": lock.seconds,
            "marker": str(_marker(lock)),
        }
        try:
            _create_socket_folder()
            marker = self._open_files.enter_context(_marker(lock).open("ab"))
            self._let_inherit(marker.fileno())
            fcntl.flock(marker, fcntl.LOCK_SH)
            channel = self._open_files.enter_context(self._connect(lock.process))
            self._let_inherit(channel.fileno())
            channel.settimeout(ANSWER_SECONDS)
            channel.sendall(json.dumps(message).encode() + b"\n")
            if channel.recv(len(ANSWER)) != ANSWER:
                raise ConnectionError("it does not answer")
        except OSError as exc:
            lock.warnings.append(
                f"The lock of cluster {lock.client.connection.label} is renewed while a task works, but not between "
                f"two tasks, because its keeper cannot be reached: {exc}. Another run may take it once it has "
                "expired."
            )

    def was_taken(self, lock: RunLock) -> bool:
        """Return whether a task of the run took this lock and no task has released it."""
        try:
            return _marker(lock).stat().st_size > 0
        except OSError:
            return False

    def mark_taken(self, lock: RunLock) -> None:
        """Record that this task took the lock."""
        with contextlib.suppress(OSError):
            _marker(lock).write_bytes(b"1")

    def mark_released(self, lock: RunLock) -> None:
        """Record that the run releases the lock, so that it may take it again."""
        with contextlib.suppress(OSError):
            os.truncate(_marker(lock), 0)

    def _let_inherit(self, descriptor: int) -> None:
        INHERITED_FILES.append(descriptor)
        self._open_files.callback(INHERITED_FILES.remove, descriptor)

    def close(self) -> None:
        """Close the connection: the keeper then sees that this worker writes no more."""
        self._open_files.close()

    def _connect(self, process: str) -> socket.socket:
        """Return a connection to the keeper of a run; start the keeper if it does not run."""
        # A login may depend on the environment, so each environment has its own keeper.
        environment = json.dumps(sorted(os.environ.items())).encode()
        path = SOCKET_FOLDER / hashlib.sha256(environment).hexdigest()[:16]
        handle = os.open(SOCKET_FOLDER, os.O_RDONLY)
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
            inherited, controller = [listener.fileno()], -1
            with contextlib.suppress(AttributeError, OSError):
                # Only Linux lets a process wait for one that is not its child.
                controller = os.pidfd_open(self._controller)
                stack.callback(os.close, controller)
                inherited.append(controller)
            if processes.process_identity(self._controller) != process:
                raise ProcessLookupError("ansible-playbook has ended")
            settings: dict[str, t.Any] = {
                "path": [part for part in sys.path if part],
                "collection": str(Path(__file__).absolute().parents[4]),
                "keeper": {
                    "listener": inherited[0],
                    "controller": controller,
                    "playbook": process,
                    "machine": processes.UNIDENTIFIED_MACHINE,
                    "path": str(path),
                },
            }
            # The keeper outlives the task, so it must share neither session nor files with the worker.
            subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                [sys.executable, "-P", "-c", KEEPER_PROGRAM, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=inherited,
                start_new_session=True,
            )
