# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence of a failing batch, and what it takes to go back (S5)."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils import _restart
from ansible_collections.meshops.istio.plugins.module_utils._errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils._restart import Restarter
from ansible_collections.meshops.istio.plugins.module_utils._tool_rollout_restart import TOOL
from ansible_collections.meshops.istio.plugins.module_utils._tracker import Tracker
from ansible_collections.meshops.istio.plugins.module_utils._workloads import RESTARTED_AT, Workload
from unit.module_utils import builders as b
from unit.module_utils.fake_api import FakeApi, failure, stream
from unit.module_utils.running import run_of

SET_POD = b.pod("ledger-0", labels={"app": "ledger"}, owner=("StatefulSet", "ledger"))
CLUSTER = [*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), b.workload("StatefulSet", "ledger"), SET_POD]
CRASH = {"name": "istio-proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


@pytest.fixture
def api(quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A Deployment and a StatefulSet whose rollouts do not end; broken pods are looked for at once."""
    monkeypatch.setattr(_restart, "POD_CHECK_SECONDS", 0.0)
    with FakeApi(*CLUSTER) as found:
        found.on_patch = lambda obj: obj["status"].update(updatedReplicas=0)
        yield found


class Batch:
    """A restart of some workloads."""

    def __init__(self, api: FakeApi, *names: str, timeout: float = 0.1) -> None:
        run = run_of(api, TOOL, namespaces=["shop"])
        run.params = {**run.params, "batch_timeout": timeout}
        snapshot = b.snapshot_of(CLUSTER)
        self.workloads: list[Workload] = [found for found in snapshot.workloads.values() if found.name in names]
        self.tracker = Tracker(run.client, {workload.key for workload in self.workloads})
        self.restarter = Restarter(run, snapshot, self.tracker)

    def fails(self) -> RolloutError:
        """The failure of the batch."""
        with self.tracker, pytest.raises(RolloutError) as failed:
            self.restarter.batch("batch 1 of 1", self.workloads)
        return failed.value

    def back(self) -> list[str]:
        """Roll back; returns problems."""
        with self.tracker:
            return self.restarter.roll_back(self.workloads)


def new_pod(name: str, owner: tuple[str, str] | None, **status: t.Any) -> b.Json:
    """A pod that a rollout made."""
    made = b.pod(name, revision=b.NEW, owner=owner, ready=False, phase="Pending")
    made["metadata"]["uid"] = f"new-{name}"
    made["status"].update(status)
    return made


def test_s5_a_broken_new_pod_ends_the_batch_before_its_timeout(api: FakeApi) -> None:
    api.objects.append(new_pod("web-abc-9", ("ReplicaSet", "web-def"), initContainerStatuses=[CRASH]))
    said = Batch(api, "web", timeout=60).fails().message
    assert "Deployment shop/web: pod web-abc-9, container istio-proxy: CrashLoopBackOff" in said


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param({**SET_POD, "status": {"containerStatuses": [CRASH]}}, id="an old one"),
        pytest.param(new_pod("x", ("ReplicaSet", "website-abc"), containerStatuses=[CRASH]), id="of another workload"),
        pytest.param(new_pod("x", ("DaemonSet", "web"), containerStatuses=[CRASH]), id="of another kind"),
        pytest.param(new_pod("x", None, containerStatuses=[CRASH]), id="that nobody owns"),
        pytest.param(new_pod("x", ("ReplicaSet", "web-abc")), id="one that only starts"),
    ],
)
def test_other_pods_are_no_evidence(api: FakeApi, pod: b.Json) -> None:
    api.objects.append(pod)
    assert "did not complete within 0 s" in Batch(api, "web", "ledger").fails().message


def test_a_workload_that_is_deleted_meanwhile_is_evidence(api: FakeApi) -> None:
    event = {"type": "DELETED", "object": api.get("Deployment", "web")}
    batch = Batch(api, "web", timeout=60)
    api.on_patch = lambda dummy: api.script("GET", "/apis/apps/v1/deployments", stream(event))
    assert "Deployment shop/web: it was deleted meanwhile" in batch.fails().message


def test_s5_going_back_restores_the_template_of_before(api: FakeApi) -> None:
    before = {RESTARTED_AT: "yesterday"}
    batch = Batch(api, "web")
    batch.workloads = [dataclasses.replace(workload, template_annotations=before) for workload in batch.workloads]
    batch.fails()
    api.on_patch = api.roll_out
    assert batch.back() == []
    assert api.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"] == before


def test_only_what_was_restarted_goes_back(api: FakeApi) -> None:
    before = len(api.writes())
    assert Batch(api, "web").back() == []
    assert len(api.writes()) == before


def test_a_stateful_set_gets_rid_of_its_broken_pod(api: FakeApi) -> None:
    """It never replaces it by itself (Kubernetes documentation, Forced rollback)."""
    batch = Batch(api, "ledger", "web")
    batch.fails()
    api.on_patch = api.roll_out
    api.objects += [new_pod("ledger-0", ("StatefulSet", "ledger")), new_pod("web-9", ("ReplicaSet", "web-abc"))]
    api.objects.remove(next(obj for obj in api.objects if obj["metadata"].get("uid") == "uid-shop-ledger-0"))
    batch.back()
    assert [seen.path.rpartition("/")[2] for seen in api.writes() if seen.method == "DELETE"] == ["ledger-0"]


def test_problems_on_the_way_back_are_listed_and_the_rest_still_goes_back(api: FakeApi) -> None:
    batch = Batch(api, "web", "ledger")
    batch.fails()
    api.on_patch = api.roll_out
    api.script("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", failure(403, "not any more"))
    problems = batch.back()
    assert "not any more" in problems[0]
    assert RESTARTED_AT not in api.get("StatefulSet", "ledger")["spec"]["template"]["metadata"]["annotations"]
