# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence of a failing batch, and the undo of a restart (S5)."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.plan import plan_restart
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads import pod_status
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock import server_clock
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import fetch_pods
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import rollout_checks
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.engine import restart_batch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.progress import Progress
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.undo import undo_restart
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from unit.support import builders as b
from unit.support.fake_api import Answer, FakeApi, failure, stream
from unit.support.running import run_of

SET_POD = b.pod("ledger-0", labels={"app": "ledger"}, owner=("StatefulSet", "ledger"))
CLUSTER = [*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), b.workload("StatefulSet", "ledger"), SET_POD]
CRASH = {"name": "istio-proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """A Deployment and a StatefulSet whose rollouts do not end."""
    with FakeApi(*CLUSTER) as found:
        found.on_patch = lambda obj: obj["status"].update(updatedReplicas=0)
        yield found


class Batch:
    """A restart of some workloads."""

    def __init__(self, api: FakeApi, *names: str, timeout: float = 0.1, restarted_at: str | None = None) -> None:
        task = run_of(api, CORE, namespaces=["shop"], names=list(names), on_workload_failure="stop")
        now = datetime.datetime.now(datetime.UTC)
        options = dataclasses.replace(
            RestartOptions.from_params(task.params, now), batch_timeout=t.cast("int", timeout)
        )
        plan = plan_restart(b.snapshot_of(CLUSTER), options, now)
        [workloads] = plan.batches
        if restarted_at:
            annotations = {RESTARTED_AT: restarted_at}
            workloads = [dataclasses.replace(w, template_annotations=annotations) for w in workloads]
            plan = dataclasses.replace(plan, batches=[workloads])
        self.workloads = workloads
        self.tracker = WorkloadTracker(task.client, {w.ref for w in workloads}, fetch_pods(task.client)[1])
        progress = Progress(task.progress, plan.replaced_pods)
        self.context = RestartContext(task, options, plan, self.tracker, progress)
        self.state = self.context.state

    def restart(self) -> None:
        """Restart the batch, which succeeds."""
        with self.tracker:
            restart_batch(self.context, "batch 1 of 1", self.workloads)

    def fails(self) -> RolloutError:
        """The failure of the batch."""
        with self.tracker, pytest.raises(RolloutError) as failed:
            restart_batch(self.context, "batch 1 of 1", self.workloads)
        return failed.value

    def back(self) -> list[str]:
        """Undo the restart; returns problems."""
        with self.tracker:
            return undo_restart(self.context)


def brings(api: FakeApi, *pods: b.Json, **status: t.Any) -> Callable[[b.Json], None]:
    """The effect of a patch: pods, and a status of the rollout."""

    def on_patch(obj: b.Json) -> None:
        obj["status"].update({"updatedReplicas": 0, "observedGeneration": obj["metadata"]["generation"], **status})
        api.objects += [pod for pod in pods if pod not in api.objects]

    return on_patch


def new_pod(name: str, owner: tuple[str, str] | None, **status: t.Any) -> b.Json:
    """A pod that a rollout made."""
    made = b.pod(name, revision=b.NEW, owner=owner, ready=False, phase="Pending")
    made["metadata"]["uid"] = f"new-{name}"
    made["status"].update(status)
    return made


def test_s5_a_broken_new_pod_ends_the_batch_before_its_timeout(api: FakeApi) -> None:
    api.on_patch = brings(api, new_pod("web-abc-9", ("ReplicaSet", "web-def"), initContainerStatuses=[CRASH]))
    message = Batch(api, "web", timeout=60).fails().message
    assert "Deployment shop/web: pod web-abc-9, container istio-proxy: CrashLoopBackOff" in message


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param({**SET_POD, "status": {"containerStatuses": [CRASH]}}, id="an old one"),
        pytest.param(new_pod("x", ("ReplicaSet", "website-abc"), containerStatuses=[CRASH]), id="of another workload"),
        pytest.param(new_pod("x", ("DaemonSet", "web"), containerStatuses=[CRASH]), id="of another kind"),
        pytest.param(new_pod("x", None, containerStatuses=[CRASH]), id="without an owner"),
        pytest.param(new_pod("x", ("ReplicaSet", "web-abc")), id="one that only starts"),
    ],
)
def test_other_pods_are_no_evidence(api: FakeApi, pod: b.Json) -> None:
    api.on_patch = brings(api, pod)
    assert "made no progress for 0 s" in Batch(api, "web", "ledger").fails().message


def test_a_deleted_workload_is_waited_for_no_longer(api: FakeApi) -> None:
    event = {"type": "DELETED", "object": api.get("Deployment", "web")}
    batch = Batch(api, "web", timeout=60)

    def on_patch(obj: b.Json) -> None:
        api.objects.remove(obj)
        api.script("GET", "/apis/apps/v1/deployments", stream(event))

    api.on_patch = on_patch
    batch.restart()
    assert list(batch.state.deleted) == [("shop", "Deployment", "web")]
    assert (batch.state.completed, batch.state.problems) == ([], [])


def terminating(name: str, owner: tuple[str, str], grace: int) -> b.Json:
    """A pod on its way out."""
    pod = new_pod(name, owner)
    pod["metadata"].update(deletionTimestamp="now", deletionGracePeriodSeconds=grace)
    return pod


def test_a_pod_that_does_not_end_fails_the_batch_before_its_timeout(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_status, "LATE_SECONDS", 0.3)
    api.on_patch = brings(api, terminating("ledger-0", ("StatefulSet", "ledger"), 0))
    message = Batch(api, "ledger", timeout=60).fails().message
    assert "batch 1 of 1 failed: StatefulSet shop/ledger: pod ledger-0, Terminating: for" in message


def warning(kind: str, name: str, **over: t.Any) -> b.Json:
    """An event of a workload whose pods are refused."""
    about = {"kind": kind, "namespace": "shop", "name": name}
    found = {"kind": "Event", "metadata": {"name": f"{name}.1", "namespace": "shop"}, "involvedObject": about}
    return {**found, "type": "Warning", "reason": "FailedCreate", "message": "exceeded quota", **over}


def test_refused_pods_of_a_stateful_set_are_found_by_events_only(api: FakeApi) -> None:
    api.on_patch = brings(api, warning("StatefulSet", "ledger"))
    failed = Batch(api, "ledger", timeout=60).fails()
    assert "Deployment" not in failed.message
    assert "batch 1 of 1 failed: StatefulSet shop/ledger: FailedCreate: exceeded quota." in failed.message
    assert failed.details["evidence"][0]["events"] == ["FailedCreate: exceeded quota"]


def test_events_of_others_and_of_before_do_not_count(api: FakeApi) -> None:
    api.objects.append(warning("StatefulSet", "ledger"))
    api.on_patch = brings(api, warning("StatefulSet", "other"))
    assert "made no progress for 0 s" in Batch(api, "ledger").fails().message


def test_without_the_right_to_read_events_only_the_timeout_ends_the_batch(api: FakeApi) -> None:
    api.script("GET", "/api/v1/namespaces/shop/events", failure(403))
    api.on_patch = brings(api, warning("StatefulSet", "ledger"))
    assert "made no progress for 0 s" in Batch(api, "ledger").fails().message


def test_a_refusal_has_to_last(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook may be away for a moment."""
    monkeypatch.setattr(rollout_checks, "PATIENCE_SECONDS", 60.0)
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no webhook"}
    api.on_patch = brings(api, conditions=[refused])
    assert "made no progress for 0 s" in Batch(api, "web").fails().message


def edit(obj: b.Json) -> None:
    """Another client changes a template."""
    obj["metadata"]["generation"] += 1
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    fields = [("meshops.istio", "3", "f:spec"), ("kubectl-set", "2", "f:spec"), ("controller", "9", "f:metadata")]
    obj["metadata"]["managedFields"] = [
        {"manager": name, "time": at, "fieldsV1": {field: {}}} for name, at, field in fields
    ]


def test_a_change_by_another_client_is_waited_for_and_named(api: FakeApi) -> None:
    def on_patch(obj: b.Json) -> None:
        threading.Timer(0.2, lambda: (edit(obj), api.roll_out(obj))).start()

    api.on_patch = on_patch
    batch = Batch(api, "web", timeout=60)
    batch.restart()
    assert batch.state.foreign_change_phrases == ["Deployment shop/web, by kubectl-set"]


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


def test_a_change_of_the_number_of_replicas_is_no_change_of_the_template(api: FakeApi) -> None:
    def on_patch(obj: b.Json) -> None:
        obj["metadata"]["generation"] += 1
        api.roll_out(obj)

    api.on_patch = on_patch
    batch = Batch(api, "web", timeout=60)
    batch.restart()
    assert batch.state.foreign_change_phrases == []


def test_a_paused_rollout_is_evidence(api: FakeApi) -> None:
    api.on_patch = lambda obj: obj["spec"].update(paused=True)
    assert (
        "Deployment shop/web: Paused: its rollout was paused meanwhile" in Batch(api, "web", timeout=60).fails().message
    )


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
