# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disruption budgets during restarts, and restarts that an earlier run began (S5)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.budget_room import tight_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from unit.support import builders as b
from unit.support.api_answers import stream
from unit.support.fake_api import FakeApi
from unit.support.restarts import GATEWAY, MOVED, restart, restarted, stays_old


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(None, ["cart", "a-gateway"]), ("hold", ["cart", "a-gateway"]), ("stop", [])],
)
def test_s5_a_budget_without_room_keeps_only_its_workload(
    api: FakeApi, choice: str | None, expected: list[str]
) -> None:
    api.get("Deployment", "web")["spec"]["strategy"] = {"type": "Recreate"}
    api.objects.append(b.budget("web", {"matchLabels": {"app": "web"}}, 1))
    lines: list[str] = []
    options = {} if choice is None else {"on_workload_failure": choice}
    result = restart(api, progress=lines.append, **options)
    assert "budget shop/web allows 1 pods down" in result["msg"]
    assert "takes down 2" in result["msg"]
    assert (restarted(api), result["failed"]) == (expected, True)
    assert any("waiting for room" in line for line in lines)


def test_s5_a_budget_that_gets_room_lets_the_batch_start(api: FakeApi) -> None:
    api.get("Deployment", "web")["spec"]["strategy"] = {"type": "Recreate"}
    tight = b.budget("web", {"matchLabels": {"app": "web"}}, 1)
    api.objects.append(tight)

    def progress(line: str) -> None:
        if "room" in line:
            tight["status"]["disruptionsAllowed"] = 2

    assert not restart(api, budget_timeout=30, progress=progress).get("failed")


def test_s5_budgets_are_read_again_before_each_batch(api: FakeApi) -> None:
    api.get("Deployment", "web")["spec"]["strategy"] = {"type": "Recreate"}
    room = b.budget("web", {"matchLabels": {"app": "web"}}, 2)
    api.objects.append(room)

    def on_patch(obj: b.Json) -> None:
        room["status"]["disruptionsAllowed"] = 0
        api.roll_out(obj)

    api.on_patch = on_patch
    result = restart(api, batch_size=1)
    assert "Deployment shop/web: NoRoom: budget shop/web allows 0 pods down, the workload takes down 2" in result["msg"]
    assert restarted(api) == ["cart", "a-gateway"]


def test_a_budget_counts_what_a_batch_takes_down_together() -> None:
    down: b.Json = {"strategy": {"type": "Recreate"}}
    snapshot = b.snapshot_of([*MOVED, *b.deployed(**down), *b.deployed("cart", **down), b.budget("all", {}, 1)])
    both = list(snapshot.workloads.values())
    assert tight_budget(snapshot, both) == "budget shop/all allows 1 pods down, the batch takes down 2"
    assert tight_budget(snapshot, both[:1]) == ""


def interrupted(api: FakeApi) -> None:
    """A task was killed after it had restarted Deployment web: its pods are still the old ones."""
    api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: "before"}


def test_a_restart_that_an_earlier_run_began_is_waited_for_and_not_repeated(api: FakeApi) -> None:
    interrupted(api)
    web = api.get("Deployment", "web")
    web["status"]["updatedReplicas"] = 0

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        api.roll_out(web)
        event = {"type": "MODIFIED", "object": copy.deepcopy(web)}
        api.script("GET", "/apis/apps/v1/deployments", stream(event))

    api.on_patch = on_patch
    result = restart(api, batch_size=2)
    assert (restarted(api), result["resumed"]) == (["cart", "a-gateway"], ["Deployment shop/web"]), result
    assert result["restarted"] == ["Deployment shop/cart", "Deployment shop/a-gateway"]
    assert restart(api)["changed"] is False


def test_a_restart_that_was_begun_does_not_wait_for_room_that_it_took(api: FakeApi) -> None:
    interrupted(api)
    web = api.get("Deployment", "web")
    web["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    web["status"]["updatedReplicas"] = 0
    api.objects.append(b.budget("web", {"matchLabels": {"app": "web"}}, 0))

    def progress(line: str) -> None:
        if "0 of 1 workloads done" in line:
            api.roll_out(web)

    result = restart(api, names=["web"], budget_timeout=0, batch_timeout=60, progress=progress)
    assert result.get("resumed") == ["Deployment shop/web"], result


def test_a_restart_that_an_earlier_run_began_is_undone_too(api: FakeApi) -> None:
    interrupted(api)
    api.on_patch = stays_old(api, "FailedCreate")
    result = restart(api, names=["web", "cart"])
    assert result["failure"]["rolled_back"] is True, result
    assert restarted(api) == ["cart", "cart", "web"]
    assert api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"] == {}


def test_a_pod_of_the_last_restart_that_is_stale_needs_another_one(api: FakeApi) -> None:
    interrupted(api)
    api.get("Pod", "web-abc-0")["metadata"]["annotations"][RESTARTED_AT] = "before"
    result = restart(api, names=["web"])
    assert (result["resumed"], result["restarted"]) == ([], ["Deployment shop/web"])
