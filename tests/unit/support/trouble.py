# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads whose restart fails, and the troubles of their pods."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

NAMES = ("api", "cart", "mail", "shop", "web")
SICK, PATH = "Deployment shop/cart", "/apis/apps/v1/namespaces/shop/deployments/cart"
Change = Callable[[FakeApi, b.Json], None]


def container(name: str, reason: str = "", *, ready: bool = False, restarts: int = 9) -> b.Json:
    """The status of a container."""
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


PROXY, NO_PROXY = container("istio-proxy", ready=True), container("istio-proxy")


def of_pod(app: b.Json | None = None, proxy: b.Json | None = None, *more: b.Json, **conditions: str) -> Change:
    """The rollout made a pod like this, and does not complete."""

    def change(api: FakeApi, obj: b.Json) -> None:
        obj["status"].update(updatedReplicas=1, availableReplicas=0)
        pod = next(one for one in b.of_kind(api.objects, "Pod") if one["metadata"]["labels"]["app"] == "cart")
        pod["status"] = {
            "phase": "Pending",
            "conditions": [
                {"type": "Ready", "status": "False"},
                *({"type": k, "status": v} for k, v in conditions.items()),
            ],
            "initContainerStatuses": [*more, PROXY if proxy is None else proxy],
            "containerStatuses": [app] if app else [],
        }

    return change


def up(api: FakeApi, obj: b.Json) -> None:
    """A rollout that completes."""
    obj["status"].update(availableReplicas=1)
    api.roll_out(obj)


def restart(api: FakeApi, *changes: Change, sick: tuple[str, ...] = ("cart",), **options: t.Any) -> b.Json:
    """The result of a restart that brings trouble to some workloads until they go back."""

    def on_patch(obj: b.Json) -> None:
        up(api, obj)
        if obj["metadata"]["name"] in sick and RESTARTED_AT in obj["spec"]["template"]["metadata"]["annotations"]:
            for change in changes:
                change(api, obj)

    api.on_patch = on_patch
    given: b.Json = {"batch_timeout": 1, "budget_timeout": 0, "batch_size": "5", **options}
    return task(api, CORE, namespaces=["shop"], **given)


def stamped(api: FakeApi) -> set[str]:
    """The workloads cause restart was not undone."""
    found = [one for one in b.of_kind(api.objects, "Deployment") if one["metadata"]["name"] in NAMES]
    return {
        one["metadata"]["name"] for one in found if RESTARTED_AT in one["spec"]["template"]["metadata"]["annotations"]
    }
