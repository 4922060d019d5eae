# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of a restart (S5)."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import server_clock
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.batch import CLUSTER, CRASH, Batch, edit, new_pod
from unit.support.fake_api import FakeApi


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """A Deployment and a StatefulSet whose rollouts do not end."""
    with FakeApi(*CLUSTER) as found:
        found.on_patch = lambda obj: obj["status"].update(updatedReplicas=0)
        yield found


def test_a_change_by_another_client_is_not_rolled_back(api: FakeApi) -> None:
    broken = new_pod("web-abc-9", ("ReplicaSet", "web-def"), containerStatuses=[CRASH])

    def on_patch(obj: b.Json) -> None:
        threading.Timer(0.2, lambda: (edit(obj), api.objects.append(broken))).start()

    api.on_patch = on_patch
    batch = Batch(api, "web", timeout=60)
    batch.fails()
    before = len(api.writes())
    assert batch.back() == ["Deployment shop/web was changed by kubectl-set meanwhile and is left as it is"]
    assert len(api.writes()) == before


def test_s5_an_undo_restores_the_previous_template(api: FakeApi) -> None:
    before = {RESTARTED_AT: "yesterday"}
    batch = Batch(api, "web", restarted_at="yesterday")
    batch.fails()
    api.on_patch = api.roll_out
    assert batch.back() == []
    assert api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"] == before


def test_two_restarts_within_a_second_are_two(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one, as of a wave that is undone immediately, would change nothing with the stamp of the first."""
    now = datetime.datetime(2026, 3, 1, 2, 0, 1, tzinfo=datetime.UTC)
    monkeypatch.setattr(server_clock, "server_now", lambda dummy: now)
    batch = Batch(api, "web", restarted_at="2026-03-01T02:00:01Z")
    batch.fails()
    found = api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"]
    assert found == {RESTARTED_AT: "2026-03-01T02:00:02Z"}


def test_only_restarted_workloads_are_undone(api: FakeApi) -> None:
    before = len(api.writes())
    assert Batch(api, "web").back() == []
    assert len(api.writes()) == before


def test_a_stateful_set_gets_rid_of_its_broken_pod(api: FakeApi) -> None:
    """The StatefulSet never replaces the pod (Kubernetes documentation, Forced rollback)."""
    batch = Batch(api, "ledger", "web")
    batch.fails()
    api.on_patch = api.roll_out
    api.objects += [new_pod("ledger-0", ("StatefulSet", "ledger")), new_pod("web-9", ("ReplicaSet", "web-abc"))]
    api.objects.remove(next(obj for obj in api.objects if obj["metadata"].get("uid") == "uid-shop-ledger-0"))
    batch.back()
    assert [seen.path.rpartition("/")[2] for seen in api.writes() if seen.method == "DELETE"] == ["ledger-0"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(failure(404, "gone"), "", id="another client was faster"),
        pytest.param(failure(409, "another uid"), "", id="its successor has the same name"),
        pytest.param(failure(403, "not yours"), "not yours", id="not allowed"),
    ],
)
def test_a_broken_pod_that_cannot_be_deleted_does_not_end_the_undo(api: FakeApi, answer: Answer, problem: str) -> None:
    batch = Batch(api, "ledger", "web")
    batch.fails()
    api.on_patch = api.roll_out
    api.objects.append(new_pod("ledger-1", ("StatefulSet", "ledger")))
    api.script("DELETE", "/api/v1/namespaces/shop/pods/ledger-1", answer)
    sentences = batch.back()
    assert [problem in sentence for sentence in sentences] == [True] * bool(problem), sentences
    assert RESTARTED_AT not in api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"]
    asked = next(seen for seen in api.writes() if seen.method == "DELETE")
    assert asked.body["preconditions"] == {"uid": "new-ledger-1"}


def test_problems_of_the_undo_are_listed_and_the_rest_is_still_undone(api: FakeApi) -> None:
    batch = Batch(api, "web", "ledger")
    batch.fails()
    api.on_patch = api.roll_out
    api.script("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", failure(403, "not any more"))
    problems = batch.back()
    assert "not any more" in problems[0]
    assert RESTARTED_AT not in api.get("StatefulSet", "ledger")["spec"]["template"]["metadata"]["annotations"]
