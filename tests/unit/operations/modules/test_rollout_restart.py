# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts: only stale workloads, bounded, gated, and rolled back when a batch fails (S5, S6, domain 14)."""

from __future__ import annotations

import copy
import datetime
import typing as t
from collections.abc import Iterator
from email.utils import format_datetime

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.budget_room import tight_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import CanaryPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.targets import (
    refuse_harm,
    resolve_selection,
    select_targets,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE, check
from unit.support import builders as b
from unit.support.fake_api import Answer, FakeApi, failure, stream
from unit.support.running import params, task

GATEWAY: b.Json = {"annotations": {"inject.istio.io/templates": "gateway"}}
PLANES = [*b.two_planes(), *b.namespaces(other=b.OLD)]
#: No tag "default", so istio-injection=enabled leads nowhere.
NO_DEFAULT = [*b.plane(b.OLD, b.OLD_VERSION), *b.namespaces(other=b.OLD)]
#: Namespace shop after its move, before any restart.
MOVED = [*PLANES, b.namespace("shop", {REV: b.NEW}, {PREVIOUS_LABELS: '{"istio.io/rev": "1-30-3"}'})]


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


def restart(api: FakeApi, **options: t.Any) -> b.Json:
    """The result of a restart of namespace shop."""
    return task(api, CORE, **{"namespaces": ["shop"], "batch_timeout": 1, "budget_timeout": 0, **options})


def restarted(api: FakeApi) -> list[str]:
    """Names of workloads in the order in which they were patched."""
    return [seen.path.rpartition("/")[2] for seen in api.writes() if seen.method == "PATCH"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("batch_size", "0", "batch_size: '0' is neither a number above 0 nor a percentage"),
        ("max_pods", 0, "max_pods: 0 is not a number above 0"),
        ("max_unavailable", "some", "max_unavailable: 'some' is neither a number above 0 nor a percentage"),
        ("pause", -1, "pause: -1 is below 0"),
        ("deadline", 0, "deadline: 0 is not a number above 0"),
        ("not_after", "later", "not_after: 'later' is neither a time of the day in UTC"),
        ("names", ["Pod/web"], "names: 'Pod/web' is neither"),
        ("label_selector", "a b", "label_selector: 'a b' has 'b' at position 3"),
        ("batch_timeout", -1, "batch_timeout: -1 is not a number above 0"),
        ("budget_timeout", -1, "budget_timeout: -1 is below 0"),
        ("log_lines", -1, "log_lines: -1 is below 0"),
    ],
)
def test_options_that_can_never_be_right(option: str, value: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check(params(CORE, namespaces=["shop"], **{option: value}))


def names(objects: list[b.Json], scope: str = "stale") -> dict[str, int]:
    """Workloads of namespace shop that would be restarted, with the number of their stale pods."""
    snapshot = b.snapshot_of([*MOVED, *objects])
    found = select_targets(snapshot, Selection(("shop",)), scope, CanaryPlan(snapshot))
    return {workload.name: count for workload, count in found.items()}


@pytest.mark.parametrize(
    ("objects", "scope", "expected"),
    [
        pytest.param(b.deployed(pods=2), "stale", {"web": 2}, id="stale"),
        pytest.param(b.deployed(revision=b.NEW), "stale", {}, id="current"),
        pytest.param(b.deployed(revision=b.NEW), "all", {"web": 0}, id="all: current too"),
        pytest.param(b.deployed(pods=0), "all", {}, id="all: not workloads without pods"),
        pytest.param(b.deployed(in_namespace="other"), "all", {}, id="another namespace"),
        pytest.param(b.deployed(paused=True), "stale", {}, id="S6: paused"),
        pytest.param(b.deployed(paused=True), "all", {}, id="S6: paused, all"),
        pytest.param(b.deployed(revision=None), "stale", {"web": 1}, id="domain 6: a proxy is missing"),
    ],
)
def test_targets(objects: list[b.Json], scope: str, expected: dict[str, int]) -> None:
    assert names(objects, scope) == expected


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        pytest.param(
            [*PLANES, *b.namespaces(shop="gone"), b.pod(owner=None)],
            "pod shop/web-1 would come back without a proxy, because .* no injector owns",
            id="domain 3: a dangling label",
        ),
        pytest.param(
            [*NO_DEFAULT, b.namespace("shop", {INJECTION: "enabled"}), b.pod(owner=None)],
            "pod shop/web-1 would come back without a proxy, because .* no default tag .* Set the default tag",
            id="domain 3: the default without a default",
        ),
        pytest.param(
            [*PLANES, b.injector("1-29-0", tag="lost"), *b.namespaces(shop="lost"), b.pod(owner=None)],
            "new pods of namespace shop would be rejected .*istiod-1-29-0 .* is gone",
            id="domain 3: an orphan webhook",
        ),
    ],
)
def test_harm_is_refused_before_the_first_restart(objects: list[b.Json], message: str) -> None:
    with pytest.raises(SafetyError, match=message):
        refuse_harm(b.snapshot_of(objects), Selection(("shop",)))


#: Labels of a namespace whose pods have a proxy, and would get none now.
LOSSES: dict[InjectionReason, dict[str, str]] = {
    InjectionReason.DANGLING_LABEL: {REV: "gone"},
    InjectionReason.NO_ACTIVE_DEFAULT: {INJECTION: "enabled"},
    InjectionReason.NOT_SELECTED: {},
    InjectionReason.OPTED_OUT: {INJECTION: "disabled"},
}


@pytest.mark.parametrize("why", LOSSES)
def test_scope_all_takes_no_pod_out_of_the_mesh_unless_it_opts_out(why: InjectionReason, quick: None) -> None:
    objects = [*NO_DEFAULT, b.namespace("shop", LOSSES[why]), *b.deployed()]
    assert {proxy_status.injection.code for dummy, proxy_status in b.snapshot_of(objects).proxy_statuses} == {why}
    with FakeApi(*objects) as api:
        result = restart(api, scope="all")
        refused = result.get("failure", {}).get("kind") == "SafetyError"
        assert (refused, restarted(api)) == ((False, ["web"]) if why is InjectionReason.OPTED_OUT else (True, []))


def test_a_namespace_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ParameterError, match="there is no namespace shop"):
        resolve_selection(b.snapshot_of(PLANES), Selection(("shop",)), "paris-1")


def test_harm_in_other_namespaces_does_not_count() -> None:
    refuse_harm(
        b.snapshot_of([*PLANES, *b.namespaces(lost="gone", shop=b.OLD), b.pod(in_namespace="lost")]),
        Selection(("shop",)),
    )


def test_stale_workloads_are_restarted_gateways_last(api: FakeApi) -> None:
    result = restart(api)
    assert (set(restarted(api)[:2]), restarted(api)[2:]) == ({"cart", "web"}, ["a-gateway"])
    assert result["batches"] == [["Deployment shop/cart", "Deployment shop/web"], ["Deployment shop/a-gateway"]]
    assert result["diff"]["before"]["stale_pods"]["Deployment shop/web"] == 2
    proxies = {pod["spec"]["initContainers"][0]["image"] for pod in of_shop(api)}
    assert proxies == {b.proxy("1.31.0")}


def of_shop(api: FakeApi) -> list[b.Json]:
    """Pods of namespace shop as they are now."""
    return [pod for pod in b.of_kind(api.objects, "Pod") if pod["metadata"]["namespace"] == "shop"]


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


def test_only_selected_workloads_are_restarted(api: FakeApi) -> None:
    assert restart(api, names=["c*"])["restarted"] == ["Deployment shop/cart"]
    assert restarted(api) == ["cart"]


def test_a_name_that_does_not_exist_is_refused_before_any_write(api: FakeApi) -> None:
    result = restart(api, names=["card"])
    assert result["failure"]["kind"] == "ParameterError"
    assert restarted(api) == []


def test_workloads_that_are_not_selected_are_not_refused() -> None:
    objects = [*PLANES, *b.namespaces(shop="gone"), *b.deployed(), *b.deployed("cart")]
    web = Selection(("shop",), names=("web",))
    with pytest.raises(SafetyError, match="pod shop/web-abc-0"):
        refuse_harm(b.snapshot_of(objects), web)
    refuse_harm(
        b.snapshot_of([*PLANES, *b.namespaces(shop="gone"), *b.deployed(revision=None), *b.deployed("cart")]), web
    )


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


def test_s3_nothing_is_restarted_towards_a_revision_that_is_not_proven(api: FakeApi) -> None:
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["observedGeneration"] = 0
    assert "is not proven to take workloads" in restart(api)["msg"]
    assert restarted(api) == []


def stays_old(api: FakeApi, reason: str = "") -> t.Callable[[b.Json], None]:
    """A rollout that does not complete until its template is as it was before."""

    def on_patch(obj: b.Json) -> None:
        if RESTARTED_AT not in obj["spec"]["template"]["metadata"]["annotations"]:
            api.roll_out(obj)
            return
        failed = {"type": "ReplicaFailure", "status": str(bool(reason)), "reason": reason, "message": "rejected"}
        generation = obj["metadata"]["generation"]
        obj["status"].update(updatedReplicas=0, conditions=[failed], observedGeneration=generation)

    return on_patch


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
    """A rollout completes under a dangling label too."""

    def on_patch(obj: b.Json) -> None:
        api.get("Namespace", "shop")["metadata"]["labels"] = {}
        api.roll_out(obj)

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


def argo_rollout() -> list[b.Json]:
    """An Argo Rollout with a stale pod, of a revision before the one that its namespace asks for now."""
    found = b.workload("Rollout", "api", strategy={"canary": {}})
    found["status"] = {"phase": "Healthy", "observedGeneration": "1"}
    owner = b.owned("ReplicaSet", "api-abc", ("Rollout", "api"))
    return [found, owner, b.pod("api-abc-0", labels={"app": "api"}, owner=("ReplicaSet", "api-abc"))]


def test_an_argo_rollout_is_restarted_by_its_own_field_and_waited_for(api: FakeApi) -> None:
    api.objects += argo_rollout()
    result = restart(api, kinds=["Rollout"])
    assert result["restarted"] == ["Rollout shop/api"], result
    body = next(seen.body for seen in api.writes() if seen.method == "PATCH")
    assert list(body["spec"]) == ["restartAt"]
    assert restart(api, kinds=["Rollout"])["changed"] is False


def test_an_argo_rollout_is_restarted_once_more_by_an_undo(api: FakeApi) -> None:
    """There is no previous template; its pods get the proxy that the labels select by then."""
    api.objects += argo_rollout()

    def on_patch(obj: b.Json) -> None:
        if restarted(api).count("api") > 1:
            api.roll_out(obj)
        else:
            obj["status"].update(phase="Degraded", message="no room")

    api.on_patch = on_patch
    result = restart(api, kinds=["Rollout"], restore_labels=True)
    assert "Rollout shop/api: Degraded: no room" in result["msg"]
    assert (restarted(api), result["failure"]["rolled_back"]) == (["api", "shop", "api"], True)
    api_pod = next(pod for pod in of_shop(api) if pod["metadata"]["labels"]["app"] == "api")
    assert api_pod["metadata"]["annotations"][REV] == b.OLD


@pytest.mark.parametrize("years", [-3, 3])
def test_the_time_of_a_restart_is_that_of_the_api_server(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """An Argo Rollout waits for a restartAt that is ahead, and leaves pods alone that are younger than one behind."""
    there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365 * years)
    answer = Client.request

    def dated(self: Client, *given: t.Any, **more: t.Any) -> b.Json:
        found = answer(self, *given, **more)
        self.server_date = format_datetime(there, usegmt=True)
        return found

    monkeypatch.setattr(Client, "request", dated)
    api.objects += argo_rollout()
    restart(api)
    stamps = [obj["spec"]["restartAt"] for obj in b.of_kind(api.objects, "Rollout")]
    stamps += [
        obj["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT]
        for obj in b.of_kind(api.objects, "Deployment")
        if obj["metadata"]["namespace"] == "shop"
    ]
    assert len(stamps) == 4
    for stamp in stamps:
        assert abs(datetime.datetime.fromisoformat(stamp) - there) < datetime.timedelta(minutes=10)


@pytest.mark.parametrize("status", [403, 404])
def test_argo_rollouts_that_cannot_be_read_are_named(api: FakeApi, status: int) -> None:
    api.objects += argo_rollout()[1:]
    api.script("GET", "/apis/argoproj.io/v1alpha1/rollouts", failure(status, "no"))
    result = restart(api)
    assert [(row["kind"], row["code"]) for row in result["unrestartable"]] == [("Rollout", "argo_rollout")]
    assert "restart api" in result["unrestartable"][0]["remedy"]


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
