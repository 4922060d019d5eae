# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that writes as part of a run, and the lock and the record that it leaves."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME, lease_body
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import read_record
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
    execute,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import params

CANARY: dict[str, t.Any] = {
    "started_by": "anna@desk",
    "job": "42",
    "strategy": "canary",
    "version": "1.31.0",
    "phase": "data_plane",
}
NAMESPACE = "/api/v1/namespaces/shop"


def lease(process: str = "other", seconds: int = 300) -> b.Json:
    """The lock as another run took it a moment ago; the API server's clock has whole seconds."""
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2)
    found = lease_body("istio-system", "bert@elsewhere", process, seconds, now, None)
    found["metadata"]["resourceVersion"] = "1"
    return found


def writing(task: TaskContext) -> TaskResult:
    """Label a namespace, as tools do: after a look at the cluster."""
    task.snapshot()
    task.client.merge(NAMESPACE, {"metadata": {"labels": {"seen": "yes"}}})
    return TaskResult(["labelled"])


def task(api: FakeApi, core: ModuleCore | None = None, *, controller: int | None = None, **options: t.Any) -> b.Json:
    """A task of a run."""
    inventory_name = options.pop("inventory_name", "")
    tool = core or ModuleCore("writer", ArgumentSpec({}), writing)
    given = params(tool, host=api.url, **options)
    return execute(tool, given, check_mode=False, diff=False, controller=controller, inventory_name=inventory_name)


def names(api: FakeApi) -> list[str]:
    """Kinds and names of what a run keeps in the cluster."""
    return sorted(
        f"{obj['kind']}/{obj['metadata']['name']}" for obj in api.objects if obj["metadata"]["name"] == STATE_NAME
    )


def record(api: FakeApi) -> b.Json:
    """The record in the cluster."""
    found = read_record(api.get("ConfigMap", STATE_NAME))
    assert found is not None
    return found
