# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts that are refused before the first write, and the workloads that they select (S6, domain rule 2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_loss import loss_remedy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import CanaryPlan
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.targets import (
    refuse_harm,
    resolve_selection,
    select_targets,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE, check
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.restarts import GATEWAY, MOVED, PLANES, restart, restarted
from unit.support.running import params

#: No tag "default", so istio-injection=enabled leads nowhere.
NO_DEFAULT = [*b.plane(b.OLD, b.OLD_VERSION), *b.namespaces(other=b.OLD)]


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


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


def test_a_webhook_that_allows_no_dry_runs_refuses_no_workload(api: FakeApi) -> None:
    """It admits or denies only real pods, so nothing is known before the restart, and the result says so."""
    refused = failure(400, 'admission webhook "records.example.com" does not support dry run')
    for place in (b.SYSTEM, "default", "shop", "other"):
        api.script("POST", f"/api/v1/namespaces/{place}/pods", *[refused] * 99)
    result = restart(api)
    assert "failed" not in result
    assert set(restarted(api)) == {"web", "cart", "a-gateway"}
    (warning,) = result["warnings"]
    assert "by a webhook that allows no dry runs records.example.com" in warning


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
            "pod shop/web-1 would come back without a proxy, because .* no default tag .* set the default tag",
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
    InjectionReason.DANGLING_POD_LABEL: {},
    InjectionReason.NOT_SELECTED: {},
    InjectionReason.OPTED_OUT: {INJECTION: "disabled"},
}


@pytest.mark.parametrize("why", LOSSES)
def test_scope_all_takes_no_pod_out_of_the_mesh_unless_it_opts_out(why: InjectionReason, quick: None) -> None:
    pod_labels = {REV: "gone"} if why is InjectionReason.DANGLING_POD_LABEL else {}
    objects = [*NO_DEFAULT, b.namespace("shop", LOSSES[why]), *b.deployed(pod_labels=pod_labels)]
    assert {proxy_status.injection.code for dummy, proxy_status in b.snapshot_of(objects).proxy_statuses} == {why}
    with FakeApi(*objects) as api:
        result = restart(api, scope="all")
        refused = result.get("failure", {}).get("kind") == "SafetyError"
        assert (refused, restarted(api)) == ((False, ["web"]) if why is InjectionReason.OPTED_OUT else (True, []))
    # No remedy names what this module refuses.
    assert ("scope=all" in loss_remedy(why, "shop")) is not refused
    warnings = [] if refused else result["warnings"]
    assert any("takes 1 pod out of the mesh" in warning for warning in warnings) is not refused


def test_a_namespace_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ParameterError, match="there is no namespace shop"):
        resolve_selection(b.snapshot_of(PLANES), Selection(("shop",)), "paris-1")


def test_harm_in_other_namespaces_does_not_count() -> None:
    refuse_harm(
        b.snapshot_of([*PLANES, *b.namespaces(lost="gone", shop=b.OLD), b.pod(in_namespace="lost")]),
        Selection(("shop",)),
    )


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


def test_s3_nothing_is_restarted_towards_a_revision_that_is_not_proven(api: FakeApi) -> None:
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["observedGeneration"] = 0
    assert "is not proven to take workloads" in restart(api)["msg"]
    assert restarted(api) == []
