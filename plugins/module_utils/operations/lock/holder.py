# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lock, as a process, and whether it is proven to be gone (safety rule S8).

That nothing is seen of a process proves nothing: /proc may hide it, or be that of other processes. It is gone if the
kernel that ran it says so, whoever asks: kill(2) with signal 0 fails with ESRCH.
"""

from __future__ import annotations

import getpass
import os
import re
import time
import uuid
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease

#: Stands for a machine that cannot be told from others. It is made when ansible-playbook loads this file, so that all
#: its workers have the same one.
ALONE = f"alone-{uuid.uuid4()}"

Moment = tuple[float, float]


def machine() -> str:
    """Return what is the same for all who can ask the kernel about each other's processes, and for nobody else."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            # this /proc shows the processes of others
            return ALONE
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ALONE


def _stat(pid: int) -> dict[str, str]:
    """Return what proc(5) says of a process: fields 3, 20 and 22 of stat; nothing if that cannot be seen."""
    if machine() == ALONE:
        return {}
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return {"state": fields[0], "threads": fields[17], "began": fields[19]}
    except (OSError, IndexError):
        return {}


def began(pid: int) -> str:
    """Return when a process began, in ticks since boot; empty if that cannot be seen."""
    return _stat(pid).get("began", "")


def process_of(pid: int) -> str:
    """Return what tells a process from all others, also from those that had or will have its number."""
    return f"{machine()}/{pid}/{began(pid)}"


def proven_dead(process: str) -> bool:
    """Whether a process ran where we run and is gone for sure."""
    place, dummy, start = process.rpartition("/")
    place, dummy, pid = place.rpartition("/")
    if place != machine() or not re.fullmatch("[0-9]{1,10}", pid):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # it is there, and somebody else's
    now = _stat(int(pid))
    if not start or not now:
        return False
    # what nobody waits for stays as a zombie; one whose first thread has ended alone is none yet
    ended = now["state"] in ("Z", "X") and now["threads"] in ("0", "1")
    return ended or now["began"] != start


def gone(lease: Lease) -> bool:
    """Whether nobody can write under a lock any more: neither its run lives nor the worker that wrote last."""
    known = [one for one in (lease.process, lease.writer) if one and not one.startswith("task/")]
    return bool(known) and all(map(proven_dead, known))


def moment() -> Moment:
    """Return wall clock and seconds since boot.

    Both go on while a machine is suspended, which the monotonic clock of Linux does not; one of them may be set.
    """
    return time.time(), time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def age(since: Moment) -> float:
    """Return for how long that moment may be over: what the clock says that went further."""
    return max(now - then for now, then in zip(moment(), since, strict=True))


def user_name() -> str:
    """Return who runs this process, for people."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
