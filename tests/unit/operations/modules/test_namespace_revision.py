# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving namespaces between revisions, and back (S2, S3)."""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import plan_moves
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE, check
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.running import task

SPACES = [*b.namespaces(shop=b.OLD, orders=b.OLD, plain=None), b.namespace("on", {INJECTION: "enabled"})]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The middle of a canary."""
    with FakeApi(*b.two_planes(), *SPACES) as found:
        yield found


def move(api: FakeApi, *names: str, revision: str | None = b.NEW, **options: t.Any) -> b.Json:
    """The result of a move."""
    return task(api, CORE, namespaces=list(names), revision=revision, **options)


def labels(api: FakeApi, name: str) -> dict[str, str]:
    """Labels of a namespace as they are now."""
    return dict(api.get("Namespace", name)["metadata"].get("labels", {}))


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease"])
def test_domain_3_system_namespaces_are_refused_before_any_request(name: str) -> None:
    with pytest.raises(ParameterError, match=f"never injects into the system namespace {name}"):
        check({"namespaces": ["shop", name]})


@pytest.mark.parametrize(
    ("names", "target", "kind", "message"),
    [
        pytest.param(
            ["shop"],
            "gone",
            SafetyError,
            "No injector owns the name 'gone'.*1-30-3, 1-31-0, default, prod",
            id="S2: a dangling name",
        ),
        pytest.param(["shop"], "", SafetyError, "No injector owns", id="S2: an empty name"),
        pytest.param(["shop", "lost"], b.NEW, ParameterError, "there is no namespace lost", id="a missing namespace"),
        pytest.param(
            ["plain", "shop"], b.NEW, SafetyError, "plain are not in the mesh .*enroll=true", id="outside the mesh"
        ),
    ],
)
def test_a_move_is_refused(names: list[str], target: str, kind: type[MeshError], message: str) -> None:
    with pytest.raises(kind, match=message):
        plan_moves(b.snapshot_of([*b.two_planes(), *SPACES]), names, target, enroll=False, cluster="")


def test_a_namespace_that_is_named_twice_is_moved_once() -> None:
    assert (
        len(plan_moves(b.snapshot_of([*b.two_planes(), *SPACES]), ["shop", "shop"], b.NEW, enroll=False, cluster=""))
        == 1
    )


def test_s2_namespaces_are_moved_by_one_patch_each(api: FakeApi) -> None:
    result = move(api, "shop", "on")
    assert result["changed"]
    assert result["moved"] == ["shop", "on"]
    assert sorted(seen.path for seen in api.writes()) == ["/api/v1/namespaces/on", "/api/v1/namespaces/shop"]
    assert labels(api, "on") == {REV: b.NEW}
    journal = json.loads(api.get("Namespace", "on")["metadata"]["annotations"][JOURNAL])
    assert [(one["before"], one["after"]) for one in journal] == [({INJECTION: "enabled"}, {REV: b.NEW})]
    assert result["diff"]["before"]["on"] == {INJECTION: "enabled", REV: None}


def test_a_second_run_changes_nothing(api: FakeApi) -> None:
    move(api, "shop")
    before = len(api.seen)
    assert move(api, "shop")["changed"] is False
    assert all(seen.method == "GET" for seen in api.seen[before:])


def test_check_mode_returns_exactly_the_moves_of_a_run(api: FakeApi) -> None:
    planned = move(api, "shop", "on", check_mode=True)
    real = move(api, "shop", "on")
    assert (planned["actions"], planned["diff"]) == (real["actions"], real["diff"])


def test_s2_restored_restores_the_previous_labels(api: FakeApi) -> None:
    move(api, "on", "shop")
    result = move(api, "on", "shop", revision=None, state="restored")
    assert result["moved"] == ["on", "shop"]
    assert (labels(api, "on"), labels(api, "shop")) == ({INJECTION: "enabled"}, {REV: b.OLD})
    assert move(api, "on", revision=None, state="restored")["changed"] is False


def test_enroll_adds_a_namespace_to_the_mesh(api: FakeApi) -> None:
    assert move(api, "plain", enroll=True)["changed"]
    assert labels(api, "plain") == {REV: b.NEW}


def test_s3_no_namespace_moves_to_a_revision_that_is_not_ready(api: FakeApi) -> None:
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0
    result = move(api, "shop")
    assert "is not proven to take workloads" in result["msg"]
    assert (result["changed"], labels(api, "shop")) == (False, {REV: b.OLD})


def test_s3_the_revision_of_a_tag_must_be_ready(api: FakeApi) -> None:
    assert move(api, "shop", revision="prod")["revision"] == b.OLD
    assert labels(api, "shop") == {REV: "prod"}


SHOP = "/api/v1/namespaces/shop"


def changed(api: FakeApi, **labels: str) -> Answer:
    """Namespace shop as another client has labelled it."""
    found = copy.deepcopy(api.get("Namespace", "shop"))
    found["metadata"].update(labels=labels, resourceVersion="99")
    return Answer(found)


def test_concurrent_writes_of_controllers_do_not_stop_a_move(api: FakeApi) -> None:
    api.script("PATCH", SHOP, failure(409))
    assert move(api, "shop", "orders")["moved"] == ["shop", "orders"]
    assert labels(api, "shop") == {REV: b.NEW}


def test_a_patch_whose_answer_was_lost_is_not_a_change_by_another_client(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server has stored it, the connection broke, and the second try meets a newer version."""
    monkeypatch.setattr(Lock, "run_id", property(lambda self: "r1", lambda self, value: None), raising=False)
    ours = changed(api, **{REV: b.NEW})
    journal = [{"run": "r1", "before": {REV: b.OLD}, "after": {REV: b.NEW}}]
    ours.body["metadata"]["annotations"] = {JOURNAL: json.dumps(journal)}
    asked = changed(api, **{REV: b.NEW})
    api.script("PATCH", SHOP, asked, failure(409))
    api.script("GET", SHOP, ours)
    assert move(api, "shop")["moved"] == ["shop"]
    assert len([seen for seen in api.writes() if seen.path == SHOP]) == 1


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        pytest.param([failure(409), "labels"], "its labels were changed by another client meanwhile", id="changed"),
        pytest.param([failure(404)], "it was deleted meanwhile", id="deleted"),
        pytest.param([failure(403, "policy says no")], "policy says no", id="refused by a policy"),
        pytest.param(
            [failure(422, "labels are owned by Git")], "labels are owned by Git", id="refused by another policy"
        ),
        pytest.param(["mutated"], "the API server answered that it has istio.io/rev=1-30-3", id="put back by a policy"),
    ],
)
@pytest.mark.parametrize("asked", [True, False], ids=["by the dry run", "by the patch"])
def test_one_refused_namespace_does_not_hold_the_others(
    api: FakeApi, answers: list[t.Any], why: str, asked: bool
) -> None:
    """The dry run of all patches comes first; what it does not show, the answer of the patch does."""
    refusals = [changed(api, **{REV: b.OLD}) if one == "mutated" else one for one in answers if one != "labels"]
    api.script("PATCH", SHOP, *([] if asked else [changed(api, **{REV: b.NEW})]), *refusals)
    if "labels" in answers:
        api.script("GET", SHOP, changed(api, **{REV: "prod"}))
    result = move(api, "shop", "orders")
    assert (result["failed"], result["moved"], labels(api, "orders")) == (True, ["orders"], {REV: b.NEW})
    assert why in result["not_moved"][0]["message"]
    assert f"shop: {why}" in result["msg"] or why in result["msg"]
    assert "The others were moved: orders" in result["msg"]
    assert labels(api, "shop") == {REV: b.OLD}


def test_no_namespace_is_written_before_all_are_asked(api: FakeApi) -> None:
    move(api, "shop", "orders")
    patches = [seen.query.get("dryRun") for seen in api.seen if seen.method == "PATCH" and "/namespaces/" in seen.path]
    assert patches[:2] == ["All", "All"]


def test_a_webhook_that_cannot_be_asked_does_not_refuse_a_move(api: FakeApi) -> None:
    api.script("PATCH", SHOP, failure(400, 'admission webhook "own.example" does not support dry run'))
    assert move(api, "shop")["moved"] == ["shop"]


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "terminating"])
def test_a_namespace_that_goes_is_left_out_and_named(api: FakeApi, gone: bool) -> None:
    if gone:
        api.objects.remove(api.get("Namespace", "shop"))
    else:
        api.get("Namespace", "shop")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    result = move(api, "shop", "orders", skip_missing=True)
    assert (result.get("failed"), result["moved"], result["missing"]) == (None, ["orders"], ["shop"])
    assert "Namespace shop is left out: it " in result["warnings"][0]


def test_s16_namespaces_are_restored_independently(api: FakeApi) -> None:
    move(api, "shop", "orders", "on")
    api.get("Namespace", "shop")["metadata"]["labels"][REV] = "prod"
    api.script("PATCH", "/api/v1/namespaces/orders", failure(403, "policy says no"))
    result = move(api, "shop", "orders", "on", revision=None, state="restored")
    assert result["moved"] == ["on"]
    assert [(one["namespace"], one["failed"]) for one in result["not_restored"]] == [("orders", True), ("shop", False)]
    assert labels(api, "on") == {INJECTION: "enabled"}
    assert labels(api, "shop") == {REV: "prod"}


def test_s16_a_namespace_that_a_policy_keeps_from_being_restored_keeps_its_journal(api: FakeApi) -> None:
    move(api, "shop")
    remembered = api.get("Namespace", "shop")["metadata"]["annotations"][JOURNAL]
    api.script("PATCH", SHOP, changed(api, **{REV: b.NEW}))
    result = move(api, "shop", revision=None, state="restored")
    assert (result["not_restored"][0]["failed"], labels(api, "shop")) == (True, {REV: b.NEW})
    written = [seen.body["metadata"]["annotations"] for seen in api.writes() if seen.path == SHOP]
    assert [one.get(JOURNAL) for one in written] == [remembered, None, remembered]


def test_s16_a_deleted_namespace_does_not_prevent_restoring_the_others(api: FakeApi) -> None:
    move(api, "shop")
    result = move(api, "lost", "shop", revision=None, state="restored")
    assert (result["moved"], result["missing"]) == (["shop"], ["lost"])


def test_s3_s16_a_namespace_is_not_restored_to_a_revision_that_is_not_ready(api: FakeApi) -> None:
    move(api, "shop")
    api.get("Deployment", f"istiod-{b.OLD}")["status"]["readyReplicas"] = 0
    result = move(api, "shop", revision=None, state="restored")
    assert (result["changed"], labels(api, "shop")) == (False, {REV: b.NEW})
    assert "is not proven to take workloads" in result["not_restored"][0]["message"]


def test_a_planned_revision_is_not_queried_in_check_mode() -> None:
    with FakeApi(*b.plane(b.OLD), *SPACES) as api:
        planned = {"revision": b.NEW, "version": b.NEW_VERSION}
        assert move(api, "shop", check_mode=True, planned=planned)["moved"] == ["shop"]
        assert "No injector owns the name '1-31-0'" in move(api, "shop", planned=planned)["msg"]
