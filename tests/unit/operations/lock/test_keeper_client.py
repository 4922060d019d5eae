# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages between a worker and the keeper of its run, and the limits of the keeper (safety rule S8)."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import process
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import keeper_client, keeper_process
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from unit.support import builders as b
from unit.support.fake_api import FakeApi

SECONDS = 3


def told(api: FakeApi, mark: Path, **other: object) -> bytes:
    """The message of a worker about a lock."""
    conn = {**dataclasses.asdict(api.client().connection), **other}
    message = {
        "connection": conn,
        "namespace": "istio-system",
        "process": "x",
        "seconds": SECONDS,
        "marker": str(mark),
    }
    return json.dumps(message).encode() + b"\n"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster."""
    with FakeApi(*b.plane(b.OLD)) as found:
        yield found


def test_a_worker_that_hears_nothing_says_that_the_lock_is_not_kept(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_client, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(keeper_client, "SOCKET_FOLDER", tmp_path)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / "s"))
    silent.listen()

    def reach(dummy: object, dummy_process: str) -> socket.socket:
        found = socket.socket(socket.AF_UNIX)
        found.connect(str(tmp_path / "s"))
        return found

    monkeypatch.setattr(keeper_client.KeeperClient, "_connect", reach)
    keeping = keeper_client.KeeperClient(os.getpid())
    lock = Lock(api.client(), "istio-system", RunOptions(lock_seconds=SECONDS), os.getpid(), keeping)
    lock.before_write()
    assert "not between two tasks" in lock.warnings[0]
    lock.finish()
    keeping.close()
    assert not process.INHERITED_FILES
    silent.close()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[tuple[keeper_process.Keeper, Callable[[], socket.socket]]]:
    """A keeper in this process, and what reaches it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def reach() -> socket.socket:
            found = socket.socket(socket.AF_UNIX)
            found.connect(str(tmp_path / "s"))
            found.settimeout(5)
            return found

        yield keeper_process.Keeper(listener, -1, "no process"), reach


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"{}\n", b"\xff\n", b'{"connection": 1}\n'])
def test_who_says_what_no_worker_says_is_not_heard_any_more(
    keeper: tuple[keeper_process.Keeper, Callable[[], socket.socket]], api: FakeApi, tmp_path: Path, line: bytes
) -> None:
    one, reach = keeper
    with reach() as bad, reach() as good:
        bad.sendall(line)
        good.sendall(told(api, tmp_path / "m"))
        for dummy in range(4):
            one._listen(0.05)
        assert bad.recv(10) == b""
        assert good.recv(10) == keeper_process.ANSWER
        assert len(one._kept) == 1


def test_clusters_that_hang_hold_up_no_other_one(
    keeper: tuple[keeper_process.Keeper, Callable[[], socket.socket]],
    api: FakeApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, reach = keeper
    hanging, renewed, over = threading.Event(), threading.Event(), threading.Event()

    def renew(kept: keeper_process.KeptLock) -> None:
        if kept.message["connection"]["context"] == "healthy":
            renewed.set()
        else:
            hanging.wait(10)

    monkeypatch.setattr(keeper_process.KeptLock, "renew", renew)
    monkeypatch.setattr(keeper_process.KeptLock, "release", lambda dummy: None)
    monkeypatch.setattr(one, "_has_run_ended", over.is_set)
    with reach() as worker:
        for number in range(20):
            worker.sendall(told(api, tmp_path / "m", context=f"hanging {number}"))
            one._listen(0.05)
            one._listen(0.05)
            assert worker.recv(10) == keeper_process.ANSWER
        worker.sendall(told(api, tmp_path / "m", context="healthy"))
        one._listen(0.05)
    for kept in one._kept.values():
        kept.due = 0.0 if "hanging" in kept.message["connection"]["context"] else 0.1
    thread = threading.Thread(target=one.run)
    thread.start()
    assert renewed.wait(5)
    over.set()
    hanging.set()
    thread.join(10)
    assert not thread.is_alive()


def test_after_the_run_nothing_is_renewed(api: FakeApi, tmp_path: Path) -> None:
    over = threading.Event()
    kept = keeper_process.KeptLock(json.loads(told(api, tmp_path / "m")), over)
    over.set()
    kept.renew()
    assert not api.seen
    over.clear()
    kept.renew()
    assert api.seen


@pytest.mark.parametrize("writes", [False, True])
def test_only_what_may_write_keeps_the_lock(monkeypatch: pytest.MonkeyPatch, writes: bool) -> None:
    """A credential plugin may leave a process behind, such as an agent."""
    ours, theirs = os.pipe()
    monkeypatch.setattr(process, "INHERITED_FILES", [theirs])
    shown = process.run_command(
        ["sh", "-c", f"ls /proc/self/fd/{theirs} || echo none"],
        title="ls",
        environment=dict(os.environ),
        timeout=10,
        error=MeshError,
        writes=writes,
    )
    assert ("none" in shown) is not writes
    os.close(ours)
    os.close(theirs)
