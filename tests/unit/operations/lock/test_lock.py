# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a cluster (safety rule S8)."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import LockedError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import (
    PROCESS_ANNOTATION,
    STATE_NAME,
    WRITER_ANNOTATION,
    Lease,
    is_held_by_other,
    lease_body,
    read_lease,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import read_record
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import (
    has_ended,
    machine_id,
    process_identity,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import CORE as ISTIO_RUN
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.locking import CANARY, lease, names, record, task, writing

NOW = datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.UTC)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases"


def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens soon."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("process", "renewed", "dead", "expected"),
    [
        ("mine", 0, False, False),
        ("other", 0, False, True),
        ("other", 299, False, True),
        ("other", 300, False, False),
        ("other", 0, True, False),
    ],
    ids=["ours", "taken", "nearly run out", "run out", "its process is gone"],
)
def test_who_is_in_the_way(process: str, renewed: int, dead: bool, expected: bool) -> None:
    found = Lease("bert", process, NOW, NOW - datetime.timedelta(seconds=renewed), 300, "7")
    assert is_held_by_other(found, "mine", NOW, holder_ended=dead) is expected
    assert is_held_by_other(None, "mine", NOW, holder_ended=dead) is False


def test_a_lease_is_read_as_it_is_written() -> None:
    written = lease_body("istio-system", "anna", "here/1/2", 300, NOW, None)
    found = read_lease(written)
    assert found is not None
    assert (found.holder, found.process, found.acquired, found.seconds) == ("anna", "here/1/2", NOW, 300)
    later = lease_body("istio-system", "anna", "here/1/2", 300, NOW + datetime.timedelta(60), found)
    assert read_lease(later).acquired == NOW  # type: ignore[union-attr]
    assert read_lease({**written, "spec": {}}) is None


def test_a_first_write_locks_and_the_end_of_the_run_unlocks(api: FakeApi) -> None:
    result = task(api, controller=os.getpid(), run=CANARY)
    assert result["changed"]
    assert names(api) == [f"ConfigMap/{STATE_NAME}", f"Lease/{STATE_NAME}"]
    assert api.get("Lease", STATE_NAME)["spec"]["holderIdentity"] == "anna@desk, job 42"
    task(api, controller=os.getpid(), run={**CANARY, "phase": "finalize"})
    closed = task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY)
    assert closed["closed"]
    assert not closed["changed"]
    assert closed["record"]["state"] == "done"
    assert list(closed["record"]["phases"]) == ["data_plane", "finalize"]
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]


def test_a_run_that_writes_nothing_leaves_no_trace(api: FakeApi) -> None:
    reader = ModuleCore("reader", ArgumentSpec({}), lambda run: TaskResult(values={"id": run.snapshot().cluster_id}))
    assert not task(api, reader, controller=os.getpid(), run=CANARY).get("failed")
    assert task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY)["closed"] is False
    assert api.writes(lock=True) == []


@pytest.mark.parametrize("run", [CANARY, None], ids=["a run", "a single task"])
def test_what_somebody_else_locked_is_refused_before_the_first_write(api: FakeApi, run: b.Json | None) -> None:
    api.objects.append(lease())
    result = task(api, controller=os.getpid(), run=run)
    assert result["failed"]
    assert result["failure"]["kind"] == "LockedError"
    assert "is being worked on by bert@elsewhere since" in result["msg"]
    assert api.writes(lock=True) == []


@pytest.mark.parametrize(
    ("inventory_name", "shown"),
    [pytest.param("", "{url}", id="unknown"), pytest.param("paris-1", "paris-1 ({url})", id="as the inventory does")],
)
def test_the_message_about_a_lock_names_the_cluster_as_the_inventory_does(
    api: FakeApi, inventory_name: str, shown: str
) -> None:
    api.objects.append(lease())
    result = task(api, inventory_name=inventory_name, run=CANARY)
    assert result["msg"].startswith(f"Cluster {shown.format(url=api.url)} is being worked on by bert@elsewhere since")
    assert result["cluster"]["name"] == api.url


def test_a_reader_does_not_mind_a_lock(api: FakeApi) -> None:
    api.objects.append(lease())
    reader = ModuleCore(
        "reader", ArgumentSpec({}), lambda run: TaskResult(values={"x": run.snapshot() and 1}), writes=False
    )
    assert "failed" not in task(api, reader, run=CANARY)


@pytest.mark.parametrize(
    ("seconds", "process", "options"),
    [
        (0, "other", {}),
        (300, f"{machine_id()}/{2**22 + 1}/77", {}),
        (300, "other", {"break_lock": "bert@elsewhere"}),
    ],
    ids=["run out", "died on this machine", "broken by name"],
)
def test_the_lock_of_the_dead_is_taken(api: FakeApi, seconds: int, process: str, options: b.Json) -> None:
    api.objects.append(lease(process, seconds))
    assert task(api, controller=os.getpid(), run={**CANARY, **options})["changed"]
    assert api.get("Lease", STATE_NAME)["spec"]["holderIdentity"] == "anna@desk, job 42"


def test_the_lock_of_another_is_not_broken_by_a_wrong_name(api: FakeApi) -> None:
    api.objects.append(lease())
    assert task(api, run={**CANARY, "break_lock": "carl"})["failed"]


def test_the_living_process_on_this_machine_keeps_its_lock(api: FakeApi) -> None:
    api.objects.append(lease(process_identity(os.getpid())))
    assert task(api, controller=os.getppid(), run=CANARY)["failure"]["kind"] == "LockedError"


def test_who_is_quicker_wins(api: FakeApi) -> None:
    api.script("POST", LEASES, failure(409, "exists", "AlreadyExists"))
    result = task(api, controller=os.getpid(), run=CANARY)
    assert "Another run began" in result["msg"]
    assert [seen.path for seen in api.writes(lock=True)] == [LEASES]


def test_a_task_over_a_connection_gives_its_lock_back_itself(api: FakeApi) -> None:
    assert task(api, run=CANARY)["changed"]
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]
    assert read_record(api.get("ConfigMap", STATE_NAME)) is not None


def test_a_task_outside_of_any_run_has_the_lock_for_itself(api: FakeApi) -> None:
    seen: list[b.Json] = []

    def core(context: TaskContext) -> TaskResult:
        done = writing(context)
        seen.append(json.loads(json.dumps(api.get("Lease", STATE_NAME))))
        assert task(api, controller=os.getppid(), run=CANARY)["failure"]["kind"] == "LockedError"
        return done

    assert task(api, ModuleCore("writer", ArgumentSpec({}), core), controller=os.getpid())["changed"]
    assert seen[0]["metadata"]["annotations"][WRITER_ANNOTATION] == process_identity(os.getpid())
    assert names(api) == []


def test_one_in_the_playbook_of_a_run_works_under_its_lock(api: FakeApi) -> None:
    task(api, controller=os.getpid(), run=CANARY)
    before = record(api)
    assert task(api, controller=os.getpid())["changed"]
    lock = api.get("Lease", STATE_NAME)
    assert (lock["spec"]["holderIdentity"], record(api)) == ("anna@desk, job 42", before)
    assert task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY)["closed"]


@pytest.mark.parametrize(("method", "path"), [("GET", f"{LEASES}/{STATE_NAME}"), ("POST", LEASES)])
def test_one_that_may_not_lock_goes_on_and_says_so(api: FakeApi, method: str, path: str) -> None:
    api.script(method, path, *[failure(403, "no leases for you", "Forbidden")] * 9)
    found = task(api)
    assert found["changed"]
    (warning,) = found["warnings"]
    assert "is not locked while this task works" in warning
    assert "no leases for you" in warning


@pytest.mark.parametrize("run", [CANARY, None], ids=["a run", "a single task"])
def test_who_may_not_look_does_not_say_that_nobody_is_there(api: FakeApi, run: b.Json | None) -> None:
    api.script("GET", f"{LEASES}/{STATE_NAME}", failure(403, "no leases for you", "Forbidden"))
    assert task(api, ISTIO_RUN, state="unlocked", run=run)["failure"]["kind"] == "ForbiddenError"


def test_a_run_that_may_not_lock_writes_nothing(api: FakeApi) -> None:
    api.script("POST", LEASES, failure(403, "no leases for you", "Forbidden"))
    assert task(api, run=CANARY)["failure"]["kind"] == "ForbiddenError"
    assert [seen.path for seen in api.writes(lock=True)] == [LEASES]


def test_without_a_namespace_for_control_planes_there_is_nothing_to_lock_yet(api: FakeApi) -> None:
    api.script("POST", LEASES, failure(404, "no such namespace", "NotFound"))
    assert task(api, controller=os.getpid(), run=CANARY)["changed"]
    assert names(api) == []


def test_a_lock_is_renewed_while_a_task_works_and_its_loss_stops_the_writing(api: FakeApi) -> None:
    lock = Lock(api.client(), "istio-system", RunOptions(**CANARY, lock_seconds=1), os.getpid())
    lock.before_write()
    first = api.get("Lease", STATE_NAME)["spec"]["renewTime"]
    until(lambda: bool(api.get("Lease", STATE_NAME)["spec"]["renewTime"] != first))
    api.get("Lease", STATE_NAME)["metadata"]["annotations"][PROCESS_ANNOTATION] = "other"
    api.get("Lease", STATE_NAME)["spec"]["leaseDurationSeconds"] = 300
    until(lambda: lock._renewal._lost is not None)
    with pytest.raises(LockedError, match="anna@desk"):
        lock.before_write()
    lock.finish()


@pytest.mark.parametrize("pid", ["", "x", "-1", "1" * 5000, "\u00b2", "1\n"])
def test_f18_a_process_that_is_none_is_not_known_to_be_dead(pid: str) -> None:
    assert not has_ended(f"{machine_id()}/{pid}/7")


@pytest.mark.parametrize("time", ["0000-01-02T00:00:00.000000Z", "9999-12-31T23:59:59.000000Z", "never"])
def test_f18_a_time_that_nobody_can_calculate_with_holds_no_lock(time: str) -> None:
    raw = lease()
    raw["spec"].update(renewTime=time, acquireTime=time, leaseDurationSeconds=2**31 - 1)
    found = read_lease(raw)
    assert found is not None
    assert found.as_dict()["expires"] == "1970-01-01T00:00:00Z"
    assert not is_held_by_other(found, "mine", NOW, holder_ended=False)
