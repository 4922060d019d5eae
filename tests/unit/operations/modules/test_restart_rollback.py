# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts whose batch fails: stopped, and rolled back with their labels (S5, S16, domain rule 3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.restarts import GATEWAY, MOVED, of_shop, restart, restarted, stays_old


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


def test_s5_the_first_failed_batch_stops_and_is_rolled_back(api: FakeApi) -> None:
    api.on_patch = stays_old(api, "FailedCreate")
    result = restart(api, batch_size=1)
    assert "batch 1 of 3 failed: Deployment shop/cart: FailedCreate: rejected" in result["msg"]
    evidence = {"workload": "Deployment shop/cart", "reason": "FailedCreate", "message": "rejected"}
    assert result["failure"]["evidence"] == [{**evidence, "pod": "", "container": "", "log": [], "events": []}]
    assert (result["failure"]["rolled_back"], result["changed"]) == (True, True)
    assert restarted(api) == ["cart", "cart"]
    assert api.get("Deployment", "cart")["spec"]["template"]["metadata"]["annotations"] == {}


def test_s5_earlier_batches_are_named_and_go_back_too(api: FakeApi) -> None:
    fails = stays_old(api, "FailedCreate")
    api.on_patch = lambda obj: fails(obj) if obj["metadata"]["name"] == "web" else api.roll_out(obj)
    result = restart(api, batch_size=1)
    assert result["failure"]["completed_before"] == ["Deployment shop/cart"]
    assert restarted(api) == ["cart", "web", "cart", "web"]


def test_s5_labels_are_restored_before_the_workloads_go_back(api: FakeApi) -> None:
    api.on_patch = stays_old(api, "FailedCreate")
    result = restart(api, batch_size=1, restore_labels=True)
    assert "Labels and restarted workloads were rolled back" in result["msg"]
    assert api.get("Namespace", "shop")["metadata"]["labels"] == {REV: b.OLD}
    assert restarted(api) == ["cart", "shop", "cart"]
    cart = next(pod for pod in of_shop(api) if pod["metadata"]["labels"]["app"] == "cart")
    assert cart["metadata"]["annotations"]["istio.io/rev"] == b.OLD


def test_s5_labels_are_restored_also_in_namespaces_that_a_pattern_names(api: FakeApi) -> None:
    api.on_patch = stays_old(api, "FailedCreate")
    result = restart(api, namespaces=["sh*"], batch_size=1, restore_labels=True)
    assert result["failure"]["rolled_back"] is True
    assert api.get("Namespace", "shop")["metadata"]["labels"] == {REV: b.OLD}


def test_s16_a_task_without_a_run_restores_only_what_its_own_plan_moved(api: FakeApi) -> None:
    """F2: the others follow already, and this task must not undo the changes of an earlier run to them."""
    api.on_patch = stays_old(api, "FailedCreate")
    planned = {"revision": b.NEW, "namespaces": ["other"]}
    result = restart(api, batch_size=1, restore_labels=True, planned=planned)
    assert result["failed"]
    assert api.get("Namespace", "shop")["metadata"]["labels"] == {REV: b.NEW}


def test_s5_labels_that_cannot_be_restored_do_not_keep_workloads_from_going_back(api: FakeApi) -> None:
    api.on_patch = stays_old(api, "FailedCreate")
    api.script("PATCH", "/api/v1/namespaces/shop", failure(403, "may not patch namespaces"))
    result = restart(api, batch_size=1, restore_labels=True)
    assert "The rollback is incomplete: namespace shop keeps its labels: Labelling namespace shop" in result["msg"]
    assert (result["failure"]["rolled_back"], restarted(api)) == (False, ["cart", "shop", "cart"])


def test_s5_a_namespace_that_is_gone_does_not_keep_workloads_from_going_back(api: FakeApi) -> None:
    fails = stays_old(api, "FailedCreate")

    def on_patch(obj: b.Json) -> None:
        api.objects = [one for one in api.objects if (one["kind"], one["metadata"]["name"]) != ("Namespace", "other")]
        fails(obj)

    api.on_patch = on_patch
    result = restart(api, namespaces=["shop", "other"], names=["cart", "web"], batch_size=1, restore_labels=True)
    assert "batch 1 of 2 failed: Deployment shop/cart: FailedCreate" in result["msg"]
    assert result["failure"]["rolled_back"] is True
    assert api.get("Namespace", "shop")["metadata"]["labels"] == {REV: b.OLD}


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refused_patch_is_a_failure_of_that_workload(api: FakeApi, status: int) -> None:
    api.script("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", failure(status, "may not patch web"))
    result = restart(api, batch_size=1)
    assert "1 workload failed independently of the revision: Deployment shop/web: Refused: " in result["msg"]
    assert "may not patch web" in result["msg"]
    assert restarted(api) == ["cart", "web", "a-gateway"]
    found = result["failure"]
    assert (found["caused_by"], found["failed_workloads"]) == ("workloads", ["Deployment shop/web"])
    assert found["completed_before"] == ["Deployment shop/cart", "Deployment shop/a-gateway"]


def test_a_refused_patch_is_a_failed_batch_with_on_workload_failure_stop(api: FakeApi) -> None:
    api.script("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", failure(403, "may not patch web"))
    result = restart(api, batch_size=1, on_workload_failure="stop")
    assert "may not patch web" in result["msg"]
    assert (restarted(api), result["failure"]["rolled_back"]) == (["cart", "web", "cart"], True)
    found = result["failure"]
    assert (found["caused_by"], found["failed_workloads"]) == ("workloads", ["Deployment shop/web"])


def test_s5_hold_leaves_everything_as_it_is(api: FakeApi) -> None:
    api.on_patch = stays_old(api, "FailedCreate")
    result = restart(api, batch_size=1, on_failure="hold")
    assert "Everything is left as it is (on_failure=hold); later batches were not started" in result["msg"]
    assert (restarted(api), result["failure"]["rolled_back"]) == (["cart"], False)


def test_s5_a_batch_has_a_timeout(api: FakeApi) -> None:
    api.on_patch = stays_old(api)
    result = restart(api, on_failure="hold")
    assert "batch 1 of 2 made no progress for 1 s: Deployment shop/cart" in result["msg"]
    assert [(one["workload"], one["reason"]) for one in result["failure"]["evidence"]] == [
        (f"Deployment shop/{name}", "Incomplete") for name in ("cart", "web")
    ]


def test_domain_3_a_rollout_that_completes_with_the_wrong_proxy_fails(api: FakeApi) -> None:
    """A rollout completes without a proxy too."""

    def on_patch(obj: b.Json) -> None:
        namespace = api.get("Namespace", "shop")["metadata"]
        labels, namespace["labels"] = namespace["labels"], {}
        api.roll_out(obj)
        namespace["labels"] = labels

    api.on_patch = on_patch
    result = restart(api, on_failure="hold", batch_size=1)
    assert "batch 1 of 3: the rollout completed, but not with the expected proxies" in result["msg"]
    expected = "pod cart-abc-0, missing: it runs no proxy, not lab.invalid/istio/proxyv2:1.31.0 of 1-31-0"
    assert f"Deployment shop/cart: {expected}." in result["msg"]


CART = "/apis/apps/v1/namespaces/shop/deployments/cart"


def test_a_workload_that_was_replaced_meanwhile_counts_as_deleted(api: FakeApi) -> None:
    """A new object of the same name has the new proxy already."""
    other = copy.deepcopy(api.get("Deployment", "cart"))
    other["metadata"]["uid"] = "another"
    api.script("PATCH", CART, failure(409))
    api.script("GET", CART, Answer(other))
    result = restart(api)
    assert (result.get("failed"), result["deleted_meanwhile"]) == (None, ["Deployment shop/cart"]), result
    assert result["restarted"] == ["Deployment shop/web", "Deployment shop/a-gateway"]


def test_a_workload_that_others_write_at_the_same_time_is_patched_again(api: FakeApi) -> None:
    api.script("PATCH", CART, failure(409))
    result = restart(api)
    assert (result.get("failed"), result["deleted_meanwhile"]) == (None, [])
    assert restarted(api).count("cart") == 2


def test_a_workload_that_was_deleted_before_its_batch_is_reported(api: FakeApi) -> None:
    api.script("PATCH", CART, failure(404))
    api.script("GET", CART, failure(404))
    result = restart(api)
    assert (result.get("failed"), result["deleted_meanwhile"]) == (None, ["Deployment shop/cart"])
