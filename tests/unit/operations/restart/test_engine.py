# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence of a failing batch (S5)."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads import pod_status
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import rollout_checks
from unit.support import builders as b
from unit.support.api_answers import failure, stream
from unit.support.batch import CLUSTER, CRASH, SET_POD, Batch, edit, new_pod
from unit.support.fake_api import FakeApi


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """A Deployment and a StatefulSet whose rollouts do not end."""
    with FakeApi(*CLUSTER) as found:
        found.on_patch = lambda obj: obj["status"].update(updatedReplicas=0)
        yield found


def brings(api: FakeApi, *pods: b.Json, **status: t.Any) -> Callable[[b.Json], None]:
    """The effect of a patch: pods, and a status of the rollout."""

    def on_patch(obj: b.Json) -> None:
        obj["status"].update({"updatedReplicas": 0, "observedGeneration": obj["metadata"]["generation"], **status})
        api.objects += [pod for pod in pods if pod not in api.objects]

    return on_patch


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


def test_a_change_by_another_client_is_waited_for_and_named(api: FakeApi) -> None:
    def on_patch(obj: b.Json) -> None:
        threading.Timer(0.2, lambda: (edit(obj), api.roll_out(obj))).start()

    api.on_patch = on_patch
    batch = Batch(api, "web", timeout=60)
    batch.restart()
    assert batch.state.foreign_change_phrases == ["Deployment shop/web, by kubectl-set"]


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
