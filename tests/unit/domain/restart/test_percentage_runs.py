# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canary percentage on a cluster: there and back, beside other clients, and after a killed run."""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.percentage import FREE, OLD, TRUE, change, names, written
from unit.support.running import task

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two Deployments that select their revision by pod labels."""
    with FakeApi(
        *FREE, *b.namespaces(other=b.OLD), *b.deployed(pod_labels=OLD), *b.deployed("cart", pod_labels=TRUE)
    ) as found:
        yield found


def move(api: FakeApi, percent: int, **options: t.Any) -> b.Json:
    """The result of a restart of namespace shop with a percentage."""
    given = {"namespaces": ["shop"], "revision": b.NEW, "percent": percent, "batch_timeout": 1, "budget_timeout": 0}
    return task(api, CORE, **{**given, **options})


def workloads(api: FakeApi) -> dict[str, tuple[b.Json, b.Json]]:
    """The annotations and the template of each workload of the namespace."""
    found = (one for one in b.of_kind(api.objects, "Deployment") if one["metadata"]["namespace"] == "shop")
    return {
        one["metadata"]["name"]: (
            one["metadata"].get("annotations") or {},
            copy.deepcopy(one["spec"]["template"]),
        )
        for one in found
    }


def test_there_and_back_with_a_plan(api: FakeApi) -> None:
    before = workloads(api)
    planned = move(api, 100, check_mode=True)
    result = move(api, 100)
    assert [planned[name] for name in ("actions", "diff", "movable_workloads")] == [
        result[name] for name in ("actions", "diff", "movable_workloads")
    ]
    assert result["actions"] == [
        "move Deployment shop/cart: no label istio.io/rev -> istio.io/rev=1-31-0 (1 pod)",
        "move Deployment shop/web: istio.io/rev=1-30-3 -> istio.io/rev=1-31-0 (1 pod)",
    ]
    notes = {name: json.loads(notes[JOURNAL]) for name, (notes, dummy) in workloads(api).items()}
    run = notes["cart"][0]["run"]
    assert notes == {"cart": [change(run, None, b.NEW)], "web": [change(run, b.OLD, b.NEW)]}
    assert move(api, 100)["changed"] is False
    assert len(move(api, 0, revision=None)["moved"]) == 2
    assert workloads(api) == before


def test_stale_workloads_outside_of_the_percentage_are_left_alone(api: FakeApi) -> None:
    stale = b.deployed("old", pod_labels=OLD, image=b.proxy("1.29.0"))
    api.objects += stale
    assert move(api, 0)["changed"] is False
    assert len(move(api, 34)["moved"]) == 2


def test_writes_of_controllers_meanwhile_do_not_stop_the_move(api: FakeApi) -> None:
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    assert not move(api, 100).get("failed")
    assert names(("", "", name) for name, (notes, dummy) in workloads(api).items() if notes) == {"cart", "web"}


def test_a_change_of_another_client_is_not_overwritten(api: FakeApi) -> None:
    web = next(one for one in api.objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "web")
    theirs = copy.deepcopy(web)
    theirs["spec"]["template"]["metadata"]["labels"][REV] = "prod"
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    api.script("GET", WEB, Answer(theirs))
    result = move(api, 100)
    assert "Deployment shop/web: Changed: another client changed it meanwhile" in result["msg"]
    assert result["failure"]["failed_workloads"] == ["Deployment shop/web"]
    assert {name for name, (notes, dummy) in workloads(api).items() if notes} == {"cart"}


def test_a_lost_answer_is_not_a_change_of_another_client(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    web = next(one for one in api.objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "web")
    ours = copy.deepcopy(web)
    ours["spec"]["template"]["metadata"]["labels"][REV] = b.NEW
    ours["metadata"]["annotations"] = {JOURNAL: written(change("r1", b.OLD, b.NEW))}
    monkeypatch.setattr(Lock, "run_id", property(lambda self: "r1", lambda self, value: None), raising=False)
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    api.script("GET", WEB, Answer(ours))
    result = move(api, 100, scope="stale")
    assert "another client changed it" not in str(result.get("msg"))


def test_the_move_of_a_killed_run_is_undone_when_it_fails(api: FakeApi) -> None:
    move(api, 100)
    web = api.get("Deployment", "web")
    for one in b.of_kind(api.objects, "Pod"):
        if one["metadata"]["labels"].get("app") == "web":
            one["metadata"]["labels"][REV] = b.OLD
    web["status"]["updatedReplicas"] = 0
    result = move(api, 100)
    assert result["failure"]["rolled_back"] is True, result
    assert workloads(api)["web"][0] == {}
    assert workloads(api)["web"][1]["metadata"]["labels"][REV] == b.OLD
    assert json.loads(workloads(api)["cart"][0][JOURNAL])[0]["after"] == {REV: b.NEW}, (
        "a move that an earlier run had finished stays"
    )
