# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A holder has ended only if that is proven (safety rule S8)."""

from __future__ import annotations

import datetime
import itertools
import os
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import processes
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import (
    has_ended,
    holder_has_ended,
    machine_id,
    process_identity,
)
from unit.paths import COLLECTIONS

NOW = datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.UTC)
#: More than any system has.
NOBODY = 2**22 + 1


def lease(process: str, writer: str = "") -> Lease:
    """A lock of a process."""
    return Lease("bert", process, NOW, NOW, 300, "7", writer)


@pytest.fixture
def living() -> Iterator[int]:
    """A process that lives, and is not this one."""
    found = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield found.pid
    found.kill()
    found.communicate()


def ended() -> str:
    """A process that ran here and has ended."""
    found = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    name = process_identity(found.pid)
    found.communicate()
    return name


def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc hides the processes of others, as with hidepid=invisible."""

    def read_text(path: Path, *given: t.Any, **named: t.Any) -> str:
        if path.name == "stat":
            raise FileNotFoundError(path)
        return read(path, *given, **named)

    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", read_text)


def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another user's process, and may not be looked at."""
    hidden(monkeypatch)
    monkeypatch.setattr(os, "kill", raising(PermissionError))


def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no /proc at all, as on macOS."""
    monkeypatch.setattr(os, "readlink", raising(FileNotFoundError))
    hidden(monkeypatch)


def of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The /proc of another namespace, whose processes have other numbers."""
    monkeypatch.setattr(os, "readlink", lambda dummy: "1")
    numbers = itertools.count()
    monkeypatch.setattr(Path, "read_text", lambda *dummy, **named: f"1 (x) {' '.join([str(next(numbers))] * 30)}")


def raising(kind: type[OSError]) -> Callable[..., t.NoReturn]:
    """A function that fails."""

    def fail(*dummy: object) -> t.NoReturn:
        raise kind

    return fail


def nothing(dummy: pytest.MonkeyPatch) -> None:
    """All is to be seen."""


@pytest.mark.parametrize(
    "view", [nothing, hidden, forbidden, without_proc, of_other_processes], ids=lambda v: v.__name__
)
def test_a_living_holder_is_never_dead(living: int, monkeypatch: pytest.MonkeyPatch, view: t.Any) -> None:
    before = process_identity(living)
    view(monkeypatch)
    now = process_identity(living)
    assert not has_ended(before)
    assert not has_ended(now), "the name that it has where one sees less"
    assert not holder_has_ended(lease(before))


@pytest.mark.parametrize(
    "process",
    [
        "",
        "/7/",
        "unidentified",
        "task/6a1f",
        f"another-boot/4026531836/{NOBODY}/77",
        f"{{machine}}-of-another-namespace/{NOBODY}/77",
        f"alone-of-another-machine/{NOBODY}/",
        "{machine}/-1/77",
        "{machine}/x/77",
        "{machine}/0/77",
        "{machine}/1/",
        f"{{machine}}/{10**40}/77",
    ],
)
def test_who_is_elsewhere_or_cannot_be_read_is_not_dead(process: str) -> None:
    assert not has_ended(process.format(machine=machine_id()))
    assert not holder_has_ended(lease(process.format(machine=machine_id())))


@pytest.mark.parametrize("view", [nothing, hidden], ids=lambda v: v.__name__)
def test_who_ended_where_we_are_is_dead_whatever_is_hidden(monkeypatch: pytest.MonkeyPatch, view: t.Any) -> None:
    left = ended()
    view(monkeypatch)
    assert has_ended(left)
    assert holder_has_ended(lease(left))


def test_so_is_one_whose_number_another_process_has_by_now(living: int) -> None:
    assert has_ended(f"{machine_id()}/{living}/1")


def test_so_is_one_that_nobody_waited_for(living: int) -> None:
    # as where the first process of a container is not an init
    name = process_identity(living)
    os.kill(living, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not has_ended(name):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(living, 0)


HEADLESS = """
import ctypes, platform, threading
def rest():
    input()
threading.Thread(target=rest).start()
print(flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


def test_one_whose_first_thread_has_ended_alone_lives() -> None:
    # the kernel calls it a zombie, and yet it works
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as found:
        assert found.stdout is not None
        found.stdout.readline()
        name = process_identity(found.pid)
        deadline = time.monotonic() + 10
        while processes._stat(found.pid)["state"] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not has_ended(name)
        found.kill()


def test_the_form_of_earlier_versions_is_read() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = os.stat("/proc/self/ns/pid").st_ino
    assert holder_has_ended(lease(f"{boot}/{namespace}/{NOBODY}/77"))
    assert not holder_has_ended(lease(f"{boot}/{namespace}/{os.getpid()}/{processes.start_ticks(os.getpid())}"))


def test_a_lock_is_nobodys_once_its_run_and_its_last_worker_are_gone(living: int) -> None:
    left, worker = ended(), process_identity(living)
    assert not holder_has_ended(lease(left, worker)), "the worker of a killed run ends by itself, but takes a moment"
    assert not holder_has_ended(lease(worker, left))
    assert holder_has_ended(lease(left, left))
    assert holder_has_ended(lease("task/6a1f", left))
    assert not holder_has_ended(lease("task/6a1f", worker))


def test_equal_numbers_on_two_machines_without_proc_are_not_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proc(monkeypatch)
    here = process_identity(7)
    assert here == process_identity(7)
    monkeypatch.setattr(processes, "UNIDENTIFIED_MACHINE", "alone-there")
    assert process_identity(7) != here


def test_time_goes_on_while_a_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    began = processes.read_clocks()
    stands = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: stands)
    wall, boot = began
    monkeypatch.setattr(time, "time", lambda: wall + 100)
    assert processes.longest_since(began) >= 100
    monkeypatch.setattr(time, "time", lambda: wall - 3600)
    monkeypatch.setattr(time, "clock_gettime", lambda dummy: boot + 200)
    assert processes.longest_since(began) >= 200, "also if the clock was set back"


HIDEPID = """
import os, sys
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import has_ended
has_ended(sys.argv[2])  # what it needs to load is in a home that only root can read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(os.path.exists(f"/proc/{sys.argv[1]}/stat"), *map(has_ended, sys.argv[2:]))
"""


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_real_proc_that_hides_processes(living: int, level: int) -> None:
    mount = f"mount -t proc -o hidepid={level} proc /proc"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("only root may mount /proc anew")
    arguments = [str(living), process_identity(living), ended()]
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount + ' && exec "$@"', "-", sys.executable, "-c", HIDEPID, *arguments],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(level == 0), "False", "True"]
