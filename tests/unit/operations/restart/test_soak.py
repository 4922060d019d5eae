# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The soak after a batch: its pods stay ready without a restart of their proxies."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gates as gates_module
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import pod_reads
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.gates import fails, restart


@pytest.fixture
def api(quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Two stale Deployments."""
    monkeypatch.setattr(gates_module, "RETRY_SECONDS", 0.02)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), *b.deployed("xeno")) as found:
        yield found


def later(api: FakeApi, change: Callable[[b.Json], None]) -> Callable[[b.Json], None]:
    """A rollout that completes, and something that happens to its pods a moment after."""

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        made = [pod for pod in b.of_kind(api.objects, "Pod") if pod["metadata"]["uid"].startswith("new-")]
        threading.Timer(0.4, lambda: change(made[0])).start()

    return on_patch


def restarts(pod: b.Json) -> None:
    """The proxy restarts."""
    pod["status"]["initContainerStatuses"] = [{"name": "istio-proxy", "restartCount": 1, "ready": True}]


def unready(pod: b.Json) -> None:
    """A pod is no longer ready."""
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(restarts, "pod web-abc-0, Restarted: 1 times", id="a restart"),
        pytest.param(unready, "pod web-abc-0, NotReady", id="unready"),
    ],
)
def test_a_batch_that_does_not_stay_ready(api: FakeApi, change: Callable[[b.Json], None], message: str) -> None:
    api.on_patch = later(api, change)
    failure = fails(api, soak=30)
    assert "batch 1 of 2 did not stay ready for 30 s" in failure
    assert message in failure


def replaced(pod: b.Json) -> None:
    """A pod left, as with its node, and its successor is not ready."""
    pod["metadata"].update(name="web-abc-1", uid="its successor")
    unready(pod)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            restarts, "batch 1 of 2 did not stay ready for 1 s: Deployment shop/web: pod web-abc-0, Restarted"
        ),
        pytest.param(unready, "batch 1 of 2 did not stay ready for 1 s: Deployment shop/web: pod web-abc-0, NotReady"),
        pytest.param(replaced, "batch 1 of 2 made no progress for 1 s: Deployment shop/web: Incomplete"),
    ],
    ids=["a restart", "unready", "replaced"],
)
def test_a_soak_does_not_end_by_the_events_of_a_broken_watch(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, change: Callable[[b.Json], None], message: str
) -> None:
    broken = threading.Event()

    def deaf(heard: Callable[..., None]) -> Callable[..., None]:
        return lambda *given: None if broken.is_set() else heard(*given)

    for name in ("_receive_pod", "_take"):
        monkeypatch.setattr(WorkloadTracker, name, deaf(getattr(WorkloadTracker, name)))

    def unseen(pod: b.Json) -> None:
        broken.set()
        change(pod)
        api.get("Deployment", "web")["status"].update(readyReplicas=0, availableReplicas=0, updatedReplicas=0)

    api.on_patch = later(api, unseen)
    assert message in fails(api, soak=1, batch_timeout=1)


def test_a_soak_does_not_end_without_the_right_to_list_pods(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def list_states(*dummy: t.Any) -> t.Any:
        raise ForbiddenError("May not list pods.", 403)

    monkeypatch.setattr(pod_reads, "list_states", list_states)
    result = restart(api, on_failure="rollback", soak=1)
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("cluster", False)
    assert "May not list pods. No problem of the restarted workloads is known" in result["msg"]


def test_an_application_that_restarts_beside_a_proxy_that_does_not_is_left_alone(api: FakeApi) -> None:
    def change(pod: b.Json) -> None:
        restarts(pod)
        pod["status"]["initContainerStatuses"][0]["restartCount"] = 0
        pod["status"]["containerStatuses"] = [{"name": "app", "restartCount": 1, "ready": True}]
        api.on_patch = api.roll_out

    api.on_patch = later(api, change)
    result = restart(api, soak=1)
    assert (
        "1 workload failed independently of the revision: Deployment shop/web: pod web-abc-0, Restarted: 1 times"
        in result["msg"]
    )
    assert result["failure"]["completed_before"] == ["Deployment shop/xeno"]


def test_a_batch_that_stays_ready(api: FakeApi) -> None:
    assert not restart(api, soak=1).get("failed")
