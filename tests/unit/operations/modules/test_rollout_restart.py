# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts: only stale workloads, bounded, and in check mode as in the real run (S5, S6)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.restarts import GATEWAY, MOVED, of_shop, restart, restarted


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


def test_stale_workloads_are_restarted_gateways_last(api: FakeApi) -> None:
    result = restart(api)
    assert (set(restarted(api)[:2]), restarted(api)[2:]) == ({"cart", "web"}, ["a-gateway"])
    assert result["batches"] == [["Deployment shop/cart", "Deployment shop/web"], ["Deployment shop/a-gateway"]]
    assert result["diff"]["before"]["stale_pods"]["Deployment shop/web"] == 2
    proxies = {pod["spec"]["initContainers"][0]["image"] for pod in of_shop(api)}
    assert proxies == {b.proxy("1.31.0")}


def test_a_second_run_changes_nothing(api: FakeApi) -> None:
    restart(api)
    before = len(api.writes())
    result = restart(api)
    assert (result["changed"], result["restarted"], len(api.writes())) == (False, [], before)


def test_check_mode_lists_the_batches_of_the_real_run(api: FakeApi) -> None:
    planned = restart(api, check_mode=True, batch_size=1)
    assert planned["batches"] == [[f"Deployment shop/{name}"] for name in ("cart", "web", "a-gateway")]
    assert planned["actions"] == restart(api, batch_size=1)["actions"]


def test_check_mode_returns_the_sizes_of_the_batches(api: FakeApi) -> None:
    api.objects.append(b.budget("web", {"matchLabels": {"app": "web"}}, 1))
    plan = restart(api, check_mode=True)["plan"]
    assert [(row["pods"], row["gateways"]) for row in plan] == [(3, False), (1, True)]
    assert plan[0]["budgets"] == [{"name": "shop/web", "allowed": 1, "takes_down": 0}]


def test_check_mode_shows_the_batches_and_pods_that_cannot_be_restarted(api: FakeApi) -> None:
    api.objects.append(b.pod("bare", owner=None))
    for pod in b.of_kind(api.objects, "Pod"):
        pod["metadata"]["creationTimestamp"] = "2026-03-01T02:00:00Z"
        pod["status"]["conditions"][0]["lastTransitionTime"] = "2026-03-01T02:00:08Z"
    lines: list[str] = []
    gates = {"soak": 30}
    plan = restart(api, check_mode=True, pause=5, gates=gates, progress=lines.append)["plan"]
    assert [row["expected_seconds"] for row in plan] == [46, 38]
    assert lines == [
        "batch 1 of 2: Deployment shop/cart, Deployment shop/web (3 pods, 0 down at once, about 46 s)",
        "batch 2 of 2: Deployment shop/a-gateway (1 pod, 0 down at once, about 38 s)",
        "all 2 batches: about 89 s",
        "cannot be restarted: Pod shop/bare: no controller owns the pod; create it again manually",
    ]


@pytest.mark.parametrize("check_mode", [False, True])
def test_nothing_starts_after_the_maintenance_window(api: FakeApi, check_mode: bool) -> None:
    result = restart(api, not_after="2026-01-01T00:00:00Z", check_mode=check_mode)
    assert (restarted(api), result["restarted"], result["changed"], result["stopped_early"]) == ([], [], False, True)
    assert result["remaining"] == [f"Deployment shop/{name}" for name in ("cart", "web", "a-gateway")]
    assert "ended at 2026-01-01T00:00:00Z: 3 of 3 workloads were not restarted" in result["warnings"][0]


def test_a_window_that_ends_between_two_batches_is_not_a_failure(api: FakeApi) -> None:
    """The pause would last longer than the window, so it is not even begun."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    result = restart(api, not_after=end.isoformat(), pause=100, batch_size=2)
    assert not result.get("failed")
    assert result["restarted"] == ["Deployment shop/cart", "Deployment shop/web"]
    assert (result["remaining"], result["stopped_early"]) == (["Deployment shop/a-gateway"], True)
    assert set(result["diff"]["before"]["stale_pods"]) == {"Deployment shop/cart", "Deployment shop/web"}
    assert restart(api)["restarted"] == ["Deployment shop/a-gateway"]


def test_without_namespaces_only_the_options_are_checked(api: FakeApi) -> None:
    result = restart(api, namespaces=[], not_after="2026-01-01T02:00:00+02:00")
    assert (result["changed"], result["not_after"], api.seen) == (False, "2026-01-01T00:00:00Z", [])
    assert "batch_size: '0'" in restart(api, namespaces=[], batch_size=0)["msg"]


def test_a_run_within_its_window_has_nothing_left(api: FakeApi) -> None:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    result = restart(api, not_after=end.isoformat())
    assert (result["stopped_early"], result["remaining"], "warnings" in result) == (False, [], False)
    assert restart(api, not_after="2026-01-01T00:00:00Z")["stopped_early"] is False


def test_a_deadline_fails_with_the_remaining_workloads_and_keeps_the_restarted_ones(api: FakeApi) -> None:
    result = restart(api, deadline=50, pause=100, batch_size=1)
    assert "Batch 2 of 3 would not start within the deadline of 50 s: 2 workloads were not restarted" in result["msg"]
    assert result["failure"]["completed_before"] == ["Deployment shop/cart"]
    assert result["failure"]["remaining"] == ["Deployment shop/web", "Deployment shop/a-gateway"]
    assert (restarted(api), result["failure"]["rolled_back"], result["changed"]) == (["cart"], False, True)


def test_a_pause_lies_between_two_batches(api: FakeApi) -> None:
    lines: list[str] = []
    restart(api, batch_size=1, pause=1, progress=lines.append)
    assert [line for line in lines if "pausing" in line] == [f"pausing for 1 s before batch {at} of 3" for at in (2, 3)]


def test_a_workload_above_a_cap_is_a_warning(api: FakeApi) -> None:
    assert restart(api, max_pods=1)["warnings"] == [
        "Deployment shop/web is restarted alone: it has 2 pods, max_pods is 1."
    ]


def test_s5_each_batch_is_stamped_after_the_gate_of_the_one_before(api: FakeApi) -> None:
    lines: list[str] = []
    restart(api, batch_size=1, progress=lines.append)
    assert [line for line in lines if "1 of 1" in line] == [
        f"batch {at} of 3: 1 of 1 workloads done, {pods} of 4 pods" for at, pods in ((1, 1), (2, 3), (3, 4))
    ]


def test_the_patch_guards_against_a_namesake(api: FakeApi) -> None:
    restart(api, batch_size=1)
    body = api.writes()[0].body
    assert body["metadata"] == {"uid": "uid-shop-cart"}
    assert list(body["spec"]["template"]["metadata"]["annotations"]) == [RESTARTED_AT]


def test_s6_pods_that_cannot_be_restarted_are_reported_not_skipped_silently(api: FakeApi) -> None:
    api.objects += [b.pod("bare", owner=None), b.pod("once-1", owner=("Job", "once"))]
    found = {row["name"]: row["code"] for row in restart(api)["unrestartable"]}
    assert found == {"bare": "bare_pod", "once": "job"}
    assert {"bare", "once-1"} <= {pod["metadata"]["name"] for pod in of_shop(api)}


def test_s6_a_workload_without_pods_is_reported_where_its_pods_would_have_a_proxy(api: FakeApi) -> None:
    asleep = [b.workload("Deployment", name, replicas=0) for name in ("asleep", "outside")]
    asleep[1]["spec"]["template"]["metadata"].setdefault("labels", {})["sidecar.istio.io/inject"] = "false"
    api.objects += asleep
    result = restart(api, scope="all")
    assert [(row["name"], row["pods"], row["code"]) for row in result["unrestartable"]] == [
        ("asleep", 0, "scaled_to_zero")
    ]
    assert not any("asleep" in name for name in result["restarted"])


def test_a_plan_of_the_whole_run_is_followed_in_check_mode() -> None:
    with FakeApi(*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()) as api:
        planned = {"revision": b.NEW, "version": b.NEW_VERSION, "namespaces": ["shop"]}
        assert restart(api, check_mode=True, planned=planned)["restarted"] == ["Deployment shop/web"]
        assert restart(api, check_mode=True)["changed"] is False
