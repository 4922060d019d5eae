# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifies the processes of a lock holder and proves that they have ended (safety rule S8).

A process that is not visible may still run: /proc may hide it, or belong to another process namespace. A process has
ended if the kernel that ran it reports so to any caller: kill(2) with signal 0 fails with ESRCH.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
import uuid
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease

#: Id of a machine that cannot be distinguished from others. ansible-playbook creates it when it loads this file, so
#: all its workers have the same one.
UNIDENTIFIED_MACHINE = f"alone-{uuid.uuid4()}"

ClockReadings = tuple[float, float]


def machine_id() -> str:
    """Return an id that exactly those processes share that can query the kernel about each other."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            # This /proc belongs to another process namespace.
            return UNIDENTIFIED_MACHINE
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return UNIDENTIFIED_MACHINE


def _stat(pid: int) -> dict[str, str]:
    """Return fields 3, 20 and 22 of a process's stat (proc(5)), or nothing if they are not visible."""
    if machine_id() == UNIDENTIFIED_MACHINE:
        return {}
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return {"state": fields[0], "threads": fields[17], "start_ticks": fields[19]}
    except (OSError, IndexError):
        return {}


def start_ticks(pid: int) -> str:
    """Return the start of a process in ticks since boot, or an empty text if it is not visible."""
    return _stat(pid).get("start_ticks", "")


def process_identity(pid: int) -> str:
    """Return an id that differs from that of any other process, also of earlier or later ones with the same pid."""
    return f"{machine_id()}/{pid}/{start_ticks(pid)}"


def has_ended(process: str) -> bool:
    """Return whether a process ran on this machine and is proven to have ended."""
    machine_and_pid, dummy, start = process.rpartition("/")
    machine, dummy, pid = machine_and_pid.rpartition("/")
    if machine != machine_id() or not re.fullmatch("[0-9]{1,10}", pid):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # It runs, as another user.
    now = _stat(int(pid))
    if not start or not now:
        return False
    # A process whose parent does not wait for it stays as a zombie. If only its first thread has ended, it still runs.
    zombie = now["state"] in ("Z", "X") and now["threads"] in ("0", "1")
    return zombie or now["start_ticks"] != start


def holder_has_ended(lease: Lease) -> bool:
    """Return whether no process can write under a lock any more: its run has ended, and the worker that wrote last."""
    processes = [process for process in (lease.process, lease.writer) if process and not process.startswith("task/")]
    return bool(processes) and all(map(has_ended, processes))


def read_clocks() -> ClockReadings:
    """Return wall clock and seconds since boot.

    Both advance while a machine is suspended, unlike the monotonic clock of Linux; the wall clock may be set.
    """
    return time.time(), time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def longest_since(past: ClockReadings) -> float:
    """Return the seconds since earlier readings by the clock that advanced further."""
    return max(now - then for now, then in zip(read_clocks(), past, strict=True))


def user_at_host() -> str:
    """Return the user of this process and the name of the machine, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
