# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a run in the cluster: its phases, failures and states (safety rule S8)."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import cluster_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    RECORD_KEY,
    begin_record,
    end_record,
    read_record,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as ISTIO_INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import CORE as ISTIO_RUN
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from unit.support.fake_api import FakeApi
from unit.support.locking import CANARY, lease, names, record, task, writing


def test_a_record_keeps_the_phases_of_a_run_and_the_run_before() -> None:
    first = begin_record(None, RunOptions(**{**CANARY, "phase": "control_plane"}), "anna", "p1", "t1")
    second = begin_record(first, RunOptions(**CANARY), "anna", "p1", "t2")
    assert second["phases"] == {"control_plane": "t1", "data_plane": "t2"}
    assert second["started"] == "t1"
    assert second["state"] == "running"
    failed = end_record(second, "failed", "t3", "no room")
    assert end_record(failed, "stopped", "t4") == failed
    assert end_record(second, "done", "t4")["state"] == "done"
    other = begin_record(failed, RunOptions(**CANARY), "bert", "p2", "t5")
    assert other["previous"]["message"] == "no room"
    assert "process" not in other["previous"]


def failing(task: TaskContext) -> TaskResult:
    """A task that writes, then fails."""
    writing(task)
    raise RolloutError("Batch 3 failed.")


@pytest.mark.parametrize("later", [[], ["data_plane"], ["data_plane", "finalize"]], ids=["at once", "wave", "phase"])
def test_a_failure_is_recorded_and_stays_when_the_run_stops(api: FakeApi, later: list[str]) -> None:
    """Also if other tasks come between: workloads that failed by themselves fail the run at its end only."""
    assert task(api, ModuleCore("failing", ArgumentSpec({}), failing), controller=os.getpid(), run=CANARY)["failed"]
    for phase in later:
        task(api, controller=os.getpid(), run={**CANARY, "phase": phase})
    closed = task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY, state="stopped")["record"]
    assert (closed["state"], closed["message"], closed["phase"]) == ("failed", "Batch 3 failed.", "data_plane")
    assert "failure" not in closed, "the message says it"
    state = cluster_state({"control_planes": [], "record": closed})
    assert (state["state"], "failed in data_plane: Batch 3 failed." in state["reason"]) == ("failed", True)


@pytest.mark.parametrize("process", [os.getpid(), os.getppid()], ids=["the same run", "the next one"])
def test_a_failure_that_was_mended_is_none_of_what_comes_then(api: FakeApi, process: int) -> None:
    task(api, ModuleCore("failing", ArgumentSpec({}), failing), controller=os.getpid(), run=CANARY)
    if process == os.getpid():
        assert task(api, ISTIO_RUN, controller=process, run=CANARY)["record"]["state"] == "done"
    else:
        task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY, state="stopped")
        before = record(api)
        task(api, controller=process, run=CANARY)
        assert record(api)["id"] == before["id"], "it goes on with what failed"
        task(api, ISTIO_RUN, controller=process, run=CANARY, state="stopped")
        assert (record(api)["state"], record(api)["previous"]["state"]) == ("stopped", "failed")
    assert not {"failure", "failed_in"} & set(record(api))


@pytest.mark.parametrize("left", ["running", "stopped", "failed"])
def test_a_run_that_finds_nothing_left_to_do_completes_what_another_left(api: FakeApi, left: str) -> None:
    task(api, controller=os.getppid(), run={**CANARY, "job": "41"})
    api.get("ConfigMap", STATE_NAME)["data"][RECORD_KEY] = json.dumps({**record(api), "state": left})
    lock = api.get("Lease", STATE_NAME)
    assert not task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY)["closed"], "the other one goes on"
    assert (record(api)["state"], api.get("Lease", STATE_NAME)) == (left, lock)
    api.objects.remove(lock)
    assert not task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY, state="stopped")["closed"]
    assert record(api)["state"] == left
    assert task(api, ISTIO_RUN, controller=os.getpid(), run=CANARY)["closed"]
    assert (record(api)["state"], record(api)["job"], record(api)["previous"]["job"]) == ("done", "42", "41")
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]
    wrote = len(api.writes(lock=True))
    assert not task(api, ISTIO_RUN, controller=os.getppid(), run=CANARY)["closed"]
    assert len(api.writes(lock=True)) == wrote


def test_the_record_is_text_that_people_can_read(api: FakeApi) -> None:
    task(api, controller=os.getpid(), run=CANARY)
    assert '"strategy": "canary"' in api.get("ConfigMap", STATE_NAME)["data"][RECORD_KEY]
    assert read_record({"data": {RECORD_KEY: "{"}}) is None


def test_info_tells_the_lock_and_the_record(api: FakeApi) -> None:
    task(api, controller=os.getpid(), run=CANARY)
    found = task(api, ISTIO_INFO, record=True)
    assert found["lock"]["holder"] == "anna@desk, job 42"
    assert found["record"]["state"] == "running"
    assert "record" not in task(api, ISTIO_INFO)


def test_info_shows_no_lock_that_ran_out(api: FakeApi) -> None:
    api.objects.append(lease(seconds=0))
    found = task(api, ISTIO_INFO, record=True)
    assert (found["lock"], found["record"]) == (None, None)


@pytest.mark.parametrize("text", ["[" * 150_000, "7", "[]", '{"a": NaN}', "", '{"started_by": "\\ud800"}'])
def test_f18_a_record_that_cannot_be_read_is_none(text: str) -> None:
    assert read_record({"data": {RECORD_KEY: text}}) is None


def test_f18_a_record_has_the_form_in_which_it_was_written() -> None:
    raw = {
        "started_by": 7,
        "state": [],
        "phases": {"a": 1, "b": "t"},
        "previous": {"previous": {}, "started_by": {}},
        "message": None,
    }
    found = read_record({"data": {RECORD_KEY: json.dumps(raw)}})
    assert found == {"started_by": "", "state": "", "phases": {"b": "t"}, "previous": {"started_by": ""}, "message": ""}
    assert begin_record(found, RunOptions(**CANARY), "anna", "p", "t")["previous"]["started_by"] == ""
    assert end_record(found, "done", "t")["state"] == "done"
