# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A holder whose last renewal is too old writes nothing until it is renewed (safety rule S8)."""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    LockedError,
    ParameterError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import PROCESS_ANNOTATION, STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import renewal
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lease_store import LeaseStore
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/{STATE_NAME}"
SECONDS = 300


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster."""
    with FakeApi(*b.plane(b.OLD)) as found:
        yield found


@pytest.fixture
def lock(api: FakeApi) -> Iterator[Lock]:
    """A lock that was taken."""
    found = Lock(api.client(), "istio-system", RunOptions(lock_seconds=SECONDS), os.getpid())
    found.before_write()
    yield found
    found.finish()


def suspend(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let so much time pass as for a machine that was suspended: no thread notices."""
    wall, boot = renewal.read_clocks()
    monkeypatch.setattr(
        renewal, "longest_since", lambda since: max(wall + seconds - since[0], boot + seconds - since[1])
    )


def asked(api: FakeApi) -> list[str]:
    """The requests for the lock."""
    return [seen.method for seen in api.seen if seen.path == LEASE]


def test_a_fresh_lock_is_not_asked_for_again(api: FakeApi, lock: Lock) -> None:
    before = asked(api)
    lock.before_write()
    assert asked(api) == before


def test_an_old_one_that_nobody_took_is_renewed_first(
    api: FakeApi, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asked(api)
    first = api.get("Lease", STATE_NAME)["spec"]["renewTime"]
    suspend(monkeypatch, SECONDS * 0.7)
    with monkeypatch.context() as patched:
        # it is as old again by the frozen clock, but for the test of the renewal itself
        patched.setattr(renewal, "FRESH", 1.5)
        lock.before_write()
        assert asked(api) == before
    suspend_once(monkeypatch, SECONDS * 0.7)
    lock.before_write()
    assert asked(api) == [*before, "GET", "PATCH"]
    assert api.get("Lease", STATE_NAME)["spec"]["renewTime"] >= first


def suspend_once(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The same, for what was before only."""
    woke = renewal.read_clocks()
    monkeypatch.setattr(renewal, "longest_since", lambda since: seconds if since < woke else 0.0)


@pytest.mark.parametrize("seen", ["taken", "taken and given back"])
def test_one_that_was_lost_meanwhile_stops_the_writing_for_good(
    api: FakeApi, lock: Lock, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    if seen == "taken":
        api.get("Lease", STATE_NAME)["metadata"]["annotations"][PROCESS_ANNOTATION] = "other"
    else:
        api.objects.remove(api.get("Lease", STATE_NAME))
    suspend(monkeypatch, SECONDS)
    for dummy in range(2):
        # the second one is the way back, which must not write either
        with pytest.raises(LockedError, match="nothing more was written"):
            lock.before_write()
    assert "PATCH" not in asked(api)[1:]


def test_while_the_cluster_does_not_answer_nothing_is_written(
    api: FakeApi, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend(monkeypatch, SECONDS)
    monkeypatch.setattr(lock._renewal, "limit", 0.01)
    api.script("GET", LEASE, *[failure(503, "no leader")] * 9)
    with pytest.raises(Exception, match="no leader"):
        lock.before_write()
    suspend_once(monkeypatch, SECONDS)
    api.scripts.clear()
    lock.before_write()


def test_a_kubeconfig_that_is_being_written_does_not_end_the_renewal(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = renewal.Renewal(LeaseStore(api.client(), "istio-system"), "x", 1)
    again, tries = threading.Event(), []

    def renew() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ParameterError("The kubeconfig is not YAML.")
        again.set()

    monkeypatch.setattr(found, "renew", renew)
    found.begin(renewal.read_clocks())
    assert again.wait(5)
    found.end()


def test_a_renewal_that_takes_longer_than_it_lasts_is_none(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "longest_since", lambda dummy: SECONDS)
    with pytest.raises(ClusterError, match="Increase istio_lock_seconds"):
        lock.before_write()


@pytest.mark.parametrize("seconds", [30, 60, 300, 3600])
def test_a_renewal_ends_before_the_next_one(seconds: int, api: FakeApi) -> None:
    found = renewal.Renewal(LeaseStore(api.client(), "istio-system"), "x", seconds)
    # two requests, each of which waits for a connection and for its answer
    assert 4 * found.limit <= found.pause
    assert found.pause < seconds * renewal.FRESH


def test_it_does_not_wait_for_a_server_that_hangs(api: FakeApi, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock._renewal, "limit", 0.2)
    door = threading.Event()
    answer = api.answer
    monkeypatch.setattr(api, "answer", lambda seen: (door.wait(20), answer(seen))[1])
    began = time.monotonic()
    with pytest.raises(ClusterError):
        lock.renew()
    assert time.monotonic() - began < 2
    door.set()


def test_a_holder_that_cannot_renew_writes_nothing_after_another_took_the_lock(api: FakeApi) -> None:
    first = Lock(api.client(), "istio-system", RunOptions(lock_seconds=3), os.getpid())
    second = Lock(api.client(), "istio-system", RunOptions(lock_seconds=3), os.getppid())
    first.before_write()
    first._renewal.end()  # its requests get lost from now on
    time.sleep(2.1)
    held = datetime.datetime.fromisoformat(api.get("Lease", STATE_NAME)["spec"]["renewTime"])
    late = held - datetime.timedelta(seconds=3)
    api.get("Lease", STATE_NAME)["spec"]["renewTime"] = f"{late:%Y-%m-%dT%H:%M:%S.%fZ}"
    second.before_write()
    with pytest.raises(LockedError, match="nothing more was written"):
        first.before_write()
    second.finish()


def test_a_lock_that_is_renewed_at_the_same_moment_is_given_back_all_the_same(api: FakeApi, lock: Lock) -> None:
    api.script("DELETE", LEASE, failure(409, "changed", "Conflict"))
    lock.release()
    assert not [obj for obj in api.objects if obj["kind"] == "Lease"]
