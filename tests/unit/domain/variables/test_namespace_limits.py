# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits apply in upgrade, finalize and rollback: each limit with each way in which pods select a revision."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.data_plane_plan import plan_data_plane
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.finalize_plan import plan_finalize
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.rollback_plan import plan_rollback
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import (
    NamespaceLimits,
    expand_namespaces,
    unknown_reason,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import (
    CORE as NAMESPACE_REVISION,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import (
    CORE as ROLLOUT_RESTART,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

Json = dict[str, t.Any]
OLD, NEW = "1-30-3", "1-31-0"


def row(name: str, label: str | None = None, selected_by: str | None = "revision", **more: t.Any) -> Json:
    """Return a namespace on the old revision, as in the result of istio_info."""
    empty: Json = {"followed_tags": [], "selected_per_workload": label is None, "injected_by_default": False}
    counts: Json = {"gateways": False, "proxies": 2, "stale_proxies": 0, "target_revisions": []}
    selection = {
        "name": name,
        "revision_label": label,
        "selected_by": selected_by if label else None,
        "revision": OLD if label else None,
    }
    return {**empty, **counts, **selection, **more}


#: Each way in which pods select a revision; the limits exclude namespace `kept`, and namespace `other` is moved.
PATHS: dict[str, list[Json]] = {
    "the label of the revision": [row("kept", OLD), row("other", OLD)],
    "a tag": [row("kept", "prod", "tag"), row("other", "prod", "tag")],
    "a tag by the labels of pods": [row("kept", followed_tags=["prod"]), row("other", "prod", "tag")],
    "the default": [row("kept", "default", "default"), row("other", "default", "default")],
    "injection by default": [
        row(name, revision=OLD, selected_by="default", injected_by_default=True, followed_tags=["default"])
        for name in ("kept", "other")
    ],
    "the default by the labels of pods": [row(name, followed_tags=["default"]) for name in ("kept", "other")],
    "labels of pods": [row("kept"), row("other")],
    "gateways": [row("kept", OLD, gateways=True), row("other", OLD, gateways=True)],
    "moved before, and stale": [row("kept", NEW, revision=NEW, target_revisions=[NEW]), row("other", OLD)],
}
LIMITS: dict[str, Json] = {
    "exclude": {"exclude": ["kept"]},
    "exclude by a pattern": {"exclude": ["k*t"]},
    "namespaces": {"namespaces": ["other"]},
    "namespaces by a pattern": {"namespaces": ["o*"]},
    "waves": {"waves": [["other"]]},
    "waves by a pattern": {"waves": [["ot*"]]},
    "waves without the excluded namespaces": {"waves": [["kept", "other"]], "exclude": ["kept"]},
}


def mesh(rows: list[Json], **more: t.Any) -> Json:
    """Return the result of istio_info."""
    tags = {"default": OLD, "prod": OLD}
    result: Json = {"tags": tags, "operator_tags": {}, "cluster": {"name": "paris-1"}}
    return {**result, "default": {"revision": OLD, "validator": OLD, "service": OLD}, "namespaces": rows, **more}


def with_tags(rows: list[Json], tags: list[str]) -> set[str]:
    """Return the namespaces that move with tags."""
    return {row["name"] for row in rows if row["revision_label"] in tags or set(row["followed_tags"]) & set(tags)}


def moved_namespaces(rows: list[Json], plan: Json) -> set[str]:
    """Return all namespaces that an upgrade touches."""
    waves = [name for wave in [*plan["waves"], *plan["gateway_waves"]] for name in wave]
    return {*waves, *plan["selected_per_workload"], *with_tags(rows, plan["tags"])}


@pytest.mark.parametrize("tagged", ["tag", "label", "stay"])
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("rows", PATHS.values(), ids=PATHS)
def test_a_limit_applies_to_an_upgrade(rows: list[Json], limits: Json, tagged: str) -> None:
    assert "kept" not in moved_namespaces(rows, plan_data_plane(mesh(rows), NEW, OLD, limits, tagged))


@pytest.mark.parametrize("rows", PATHS.values(), ids=PATHS)
def test_without_limits_all_namespaces_are_moved(rows: list[Json]) -> None:
    """Otherwise the tables above would prove nothing."""
    free = plan_finalize(mesh(rows), NEW, True)
    assert free["refused"] == ""
    assert {*moved_namespaces(rows, plan_data_plane(mesh(rows), NEW, OLD)), *free["restarts"]} == {"kept", "other"}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("rows", PATHS.values(), ids=PATHS)
def test_a_limit_applies_to_finalize(rows: list[Json], limits: Json) -> None:
    plan = plan_finalize(mesh(rows), NEW, True, limits)
    assert "kept" not in plan["restarts"]
    assert ("kept" in plan["refused"]) == ("kept" in with_tags(rows, ["default"]))
    assert plan_finalize(mesh(rows), NEW, False, limits)["refused"] == ""


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("rows", PATHS.values(), ids=PATHS)
def test_a_limit_applies_to_a_rollback(rows: list[Json], limits: Json) -> None:
    by_label = [row["name"] for row in rows if row["selected_by"] == "revision"]
    by_pods = [row["name"] for row in rows if row["selected_by"] != "revision"]
    undo = {
        "run_id": "r1",
        "summary": "a rollback would undo run r1",
        "namespaces": [{"name": name} for name in by_label],
        "workloads": [{"namespace": name} for name in by_pods],
        "tags": [{"name": "prod"}, {"name": "default"}],
        "stale_namespaces": ["kept"],
        "not_restored": [{"namespace": "kept", "message": "Namespace kept: it was changed since", "failed": True}],
    }
    plan = plan_rollback(mesh(rows, undo=undo), limits)
    tags = [tag["name"] for tag in plan["tags"]]
    inside = {name for tag in plan["tags"] for name in tag["namespaces"]}
    touched = {*plan["namespaces"], *plan["restarts"], *plan["selected_per_workload"], *with_tags(rows, tags), *inside}
    assert "kept" not in touched
    assert plan["failures"] == []
    everything = plan_rollback(mesh(rows, undo=undo))
    assert "kept" in {*everything["namespaces"], *everything["restarts"], *everything["selected_per_workload"]}
    assert everything["failures"] == ["Namespace kept: it was changed since"]


def test_excluded_objects_are_reported_with_their_reason() -> None:
    rows = [row("kept", "prod", "tag"), row("late", OLD), row("other", "prod", "tag"), row("shop", OLD)]
    plan = plan_data_plane(mesh(rows), NEW, OLD, {"exclude": ["kept", "late"]})
    assert plan["waves"] == [["shop"]]
    assert plan["lines"] == [
        "Namespace late is not moved: istio_exclude_namespaces names it.",
        "Tag prod is not moved, because it is followed by kept (istio_exclude_namespaces names it). With "
        "istio_tagged_namespaces=label the others get a label of their own and move without the tag.",
    ]
    assert plan["skipped"][0] == {
        "object": "namespace late",
        "reason": "is not moved: istio_exclude_namespaces names it.",
    }
    assert plan_data_plane(mesh(rows), NEW, OLD, {"exclude": ["kept"]}, "label")["waves"] == [["late", "other", "shop"]]


def test_a_tag_moves_with_its_namespaces_if_all_of_them_are_named() -> None:
    rows = [row("kept", "prod", "tag"), row("other", "prod", "tag"), row("shop", OLD)]
    plan = plan_data_plane(mesh(rows), NEW, OLD, {"waves": [["shop"], ["kept", "other"]]})
    assert (plan["waves"], plan["tags"], plan["skipped"]) == ([["shop"]], ["prod"], [])
    narrow = plan_data_plane(mesh(rows), NEW, OLD, {"namespaces": ["shop"]})
    assert (narrow["waves"], narrow["tags"]) == ([["shop"]], [])


def test_waves_keep_the_order_of_the_user() -> None:
    rows = [row(name, OLD) for name in ("pay-a", "pay-b", "shop")]
    given = {"waves": [["shop"], ["pay-*", "shop"]]}
    assert plan_data_plane(mesh(rows), NEW, OLD, given)["waves"] == [["shop"], ["pay-a", "pay-b"]]
    cut = plan_data_plane(mesh(rows), NEW, OLD, wave_size=2)["waves"]
    assert cut == [["pay-a", "pay-b"], ["shop"]]


def test_a_namespace_that_is_not_in_the_mesh_is_not_moved() -> None:
    with pytest.raises(ParameterError, match="Namespaces plain of istio_waves are not in the mesh of cluster paris-1"):
        plan_data_plane(mesh([row("shop", OLD)]), NEW, OLD, {"waves": [["shop"], ["plain", "pl*"]]})


def test_a_default_that_has_moved_needs_no_limits() -> None:
    rows = [row("kept", "default", "default", revision=NEW), row("tools", followed_tags=["default"], stale_proxies=1)]
    there = mesh(rows, default={"revision": NEW})
    assert plan_finalize(there, NEW, True, {"exclude": ["kept"]}) == {"refused": "", "restarts": ["tools"]}


def test_the_refusal_of_a_default_is_one_sentence() -> None:
    refusal = plan_finalize(mesh([row("kept", followed_tags=["default"])]), NEW, True, {"exclude": ["kept"]})["refused"]
    assert refusal == (
        "The default of cluster paris-1 stays where it is, because a move to 1-31-0 would take along kept "
        "(istio_exclude_namespaces names it). Let these move too, or give them the label of a revision that stays."
    )


CLUSTER = [
    *b.two_planes(),
    *b.namespaces(**{"payments": b.OLD, "pay-a": "prod", "plain": None, "tools": None}),
    *b.deployed("own", "tools", pod_labels={REV: "prod"}),
    *b.deployed("lead", "tools", pod_labels={INJECT: "true"}),
    *b.deployed("asleep", "plain", pod_labels={REV: "prod"}, pods=0),
    b.namespace("on", {INJECTION: "enabled"}),
]


def test_istio_info_lists_the_tags_that_pod_labels_follow() -> None:
    with FakeApi(*CLUSTER) as api:
        rows = {row["name"]: row["followed_tags"] for row in task(api, CORE)["namespaces"]}
    assert rows == {"payments": [], "pay-a": [], "on": [], "tools": ["default", "prod"], "plain": ["prod"]}


UNKNOWN_NAMES: dict[str, tuple[str, str]] = {
    "a typing error": ("payment", "there is no namespace payment (the nearest name is payments)"),
    "no similar name": ("zzzzz", "there is no namespace zzzzz. Nothing was changed"),
    "a pattern": ("shop-*", "no namespace matches shop-*"),
}


@pytest.mark.parametrize(("name", "reason"), UNKNOWN_NAMES.values(), ids=UNKNOWN_NAMES)
@pytest.mark.parametrize(
    ("key", "variable"),
    [("exclude", "istio_exclude_namespaces"), ("namespaces", "istio_namespaces"), ("waves", "istio_waves")],
)
def test_an_unknown_name_is_refused(key: str, variable: str, name: str, reason: str) -> None:
    given = [["payments"], [name]] if key == "waves" else ["payments", name]
    with FakeApi(*CLUSTER) as api:
        message = task(api, CORE, limits={key: given})["msg"]
    assert f"Parameter limits.{key} (variable {variable}): on cluster " in message
    assert reason in message


@pytest.mark.parametrize(("name", "reason"), UNKNOWN_NAMES.values(), ids=UNKNOWN_NAMES)
def test_every_module_refuses_an_unknown_name(name: str, reason: str) -> None:
    with FakeApi(*CLUSTER) as api:
        for core, options in ((NAMESPACE_REVISION, {"revision": b.NEW}), (ROLLOUT_RESTART, {})):
            assert reason in task(api, core, namespaces=["payments", name], **options)["msg"]
        assert api.writes() == []


def test_every_module_accepts_patterns() -> None:
    with FakeApi(*CLUSTER) as api:
        moved = task(api, NAMESPACE_REVISION, namespaces=["p*"], revision=b.NEW, check_mode=True)
        assert moved["moved"] == ["pay-a", "payments"]
        assert not task(api, ROLLOUT_RESTART, namespaces=["p*"], check_mode=True).get("failed")


def test_known_names_are_accepted() -> None:
    existing = ["pay-a", "pay-b", "shop"]
    assert expand_namespaces("namespaces", ["shop", "pay-*", "pay-b"], existing, "c") == ["shop", "pay-a", "pay-b"]
    NamespaceLimits(("shop",), (("pay-*",), ("shop",)), ("pay-b",)).require_known(existing, "c")
    reason = unknown_reason("pay-c", existing)
    assert reason.endswith("(the nearest name is pay-b)") or "pay-a" in reason
