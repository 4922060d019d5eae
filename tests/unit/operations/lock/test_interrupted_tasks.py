# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks that are interrupted or end by a fault: their lock and record (safety rule S8)."""

from __future__ import annotations

import os

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as ISTIO_INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from unit.support.fake_api import FakeApi
from unit.support.locking import CANARY, lease, names, record, task, writing


def interrupted(task: TaskContext) -> TaskResult:
    """The user ends the run meanwhile."""
    raise KeyboardInterrupt


def test_a_run_that_is_interrupted_gives_its_lock_back(api: FakeApi) -> None:
    def core(task: TaskContext) -> TaskResult:
        writing(task)
        return interrupted(task)

    with pytest.raises(KeyboardInterrupt):
        task(api, ModuleCore("writer", ArgumentSpec({}), core), controller=os.getpid(), run=CANARY)
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]
    assert (record(api)["state"], record(api)["phase"]) == ("stopped", "data_plane")


@pytest.mark.parametrize("writes", [True, False], ids=["writes nothing", "only reads"])
def test_so_does_one_that_an_earlier_task_locked(api: FakeApi, writes: bool) -> None:
    task(api, controller=os.getpid(), run=CANARY)
    with pytest.raises(KeyboardInterrupt):
        task(api, ModuleCore("x", ArgumentSpec({}), interrupted, writes=writes), controller=os.getpid(), run=CANARY)
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]
    assert task(api, ISTIO_INFO, record=True)["record"]["state"] == "stopped"


def test_one_that_has_no_lock_leaves_that_of_another_alone(api: FakeApi) -> None:
    api.objects.append(lease())
    with pytest.raises(KeyboardInterrupt):
        task(api, ModuleCore("x", ArgumentSpec({}), interrupted), controller=os.getpid(), run=CANARY)
    assert names(api) == [f"Lease/{STATE_NAME}"]
    assert api.writes(lock=True) == []


def test_a_task_that_ends_by_a_fault_of_its_own_unlocks_and_says_so_in_the_record(api: FakeApi) -> None:
    def core(task: TaskContext) -> TaskResult:
        writing(task)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        task(api, ModuleCore("writer", ArgumentSpec({}), core), run=CANARY)
    assert names(api) == [f"ConfigMap/{STATE_NAME}"]
    assert record(api)["state"] == "failed"
