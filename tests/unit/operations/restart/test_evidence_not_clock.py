# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A batch fails by evidence, not by a clock, by failed reads, or by pods that were down before (S5)."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import read_retries
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.running import task

PLACE = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two planes and a moved namespace without workloads."""
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW)) as found:
        yield found


def restart(api: FakeApi, **options: t.Any) -> b.Json:
    """The result of a restart of namespace shop."""
    return task(api, CORE, **{"namespaces": ["shop"], "batch_timeout": 1, "budget_timeout": 0, **options})


def ledger(pods: int) -> list[b.Json]:
    """A StatefulSet with some stale pods."""
    owner = ("StatefulSet", "ledger")
    made = [b.pod(f"ledger-{at}", labels={"app": "ledger"}, owner=owner) for at in range(pods)]
    return [b.workload("StatefulSet", "ledger", replicas=pods), *made]


def one_by_one(api: FakeApi, seconds: float, until: int) -> Callable[[b.Json], None]:
    """A rollout of a StatefulSet that takes some seconds for each pod, and stops at one."""
    pods = b.of_kind(api.objects, "Pod")

    def on_patch(obj: b.Json) -> None:
        obj["status"].update(updatedReplicas=0, currentRevision="a", updateRevision="b")
        obj["status"]["observedGeneration"] = obj["metadata"]["generation"]

        def go() -> None:
            for at, old in enumerate(pods[:until], 1):
                # The tests shorten time.sleep.
                threading.Event().wait(seconds)
                new = b.pod(
                    old["metadata"]["name"], revision=b.NEW, labels={"app": "ledger"}, owner=("StatefulSet", "ledger")
                )
                new["metadata"]["uid"] = f"new-{at}"
                api.objects[api.objects.index(old)] = new
                obj["status"]["updatedReplicas"] = at
            if until == len(pods):
                obj["status"]["currentRevision"] = "b"

        threading.Thread(target=go, daemon=True).start()

    return on_patch


@pytest.mark.parametrize(("until", "failed"), [(6, None), (4, True)])
def test_a_rollout_that_makes_progress_has_the_time_that_it_needs(
    api: FakeApi, until: int, failed: bool | None
) -> None:
    """Six pods of 0.3 seconds each take longer than the timeout; a rollout that stops makes no progress."""
    api.objects += ledger(6)
    api.on_patch = one_by_one(api, 0.3, until)
    result = restart(api, on_failure="hold")
    assert result.get("failed") is failed, result
    assert not failed or "batch 1 of 1 made no progress for 1 s: StatefulSet shop/ledger" in result["msg"]


def test_a_pod_may_take_as_long_as_before_and_as_long_again(api: FakeApi) -> None:
    """The plan expects two seconds for a pod, so a timeout of one second is not evidence."""
    objects = b.deployed()
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:02Z"}
    objects[-1]["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    objects[-1]["status"]["conditions"] = [ready]
    api.objects += objects

    def on_patch(obj: b.Json) -> None:
        obj["status"]["updatedReplicas"] = 0
        threading.Timer(2.5, lambda: api.roll_out(obj)).start()

    api.on_patch = on_patch
    [row] = restart(api, check_mode=True)["plan"]
    assert row["expected_seconds"] == 2
    assert not restart(api).get("failed")


def agent(node: str, *, new: bool, ready: bool = True, leaving: bool = False) -> b.Json:
    """A pod of a DaemonSet."""
    revision = b.NEW if new else b.OLD
    pod = b.pod(f"agent-{node}", revision=revision, labels={"app": "agent"}, owner=("DaemonSet", "agent"), ready=ready)
    pod["spec"]["nodeName"] = node
    pod["metadata"]["uid"] = f"{'new' if new else 'old'}-{node}"
    if leaving:
        pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30)
    return pod


def rolled(api: FakeApi, changed: tuple[str, ...], dead: list[b.Json], **status: int) -> Callable[[b.Json], None]:
    """A rollout of the DaemonSet on some nodes, and the pods of the others."""

    def on_patch(obj: b.Json) -> None:
        pods = [agent(node, new=True) for node in changed] + dead
        api.objects = [one for one in api.objects if one["kind"] != "Pod"] + pods
        obj["status"].update(observedGeneration=obj["metadata"]["generation"], **status)

    return on_patch


@pytest.mark.parametrize(
    ("dead", "updated", "pod"),
    [
        pytest.param([agent("n3", new=False, ready=False, leaving=True)], 3, "agent-n3", id="its old pod does not go"),
        pytest.param([agent("n3", new=True, ready=False)], 4, "agent-n3", id="its new pod does not come"),
        pytest.param([], 3, "agent-n3", id="it has none"),
    ],
)
def test_a_daemon_set_with_a_pod_on_a_dead_node(api: FakeApi, dead: list[b.Json], updated: int, pod: str) -> None:
    """It never completes, on no run; the pod is named, and nothing says that it was looked at."""
    nodes = ("n0", "n1", "n2")
    before = [*(agent(node, new=False) for node in nodes), agent("n3", new=False, ready=False)]
    api.objects += [b.workload("DaemonSet", "agent", replicas=4), *before]
    api.on_patch = rolled(api, nodes, dead, updatedNumberScheduled=updated, numberAvailable=3)
    result = restart(api, batch_timeout=30, gates={"connected": True, "soak": 1})
    assert not result.get("failed"), result
    [row] = result["still_unavailable"]
    assert row["workload"] == "DaemonSet shop/agent"
    assert [text.startswith(f"pod {pod} on node n3, ") for text in row["pods"]] == [True]
    assert any("are not ready, as before" in line for line in result["warnings"])


#: Every read between the first patch of a batch and its end, by its subject.
READINGS: dict[str, tuple[str, b.Json]] = {
    "budgets before the next batch": ("/apis/policy/v1/poddisruptionbudgets", {}),
    "pods whose proxies are suspected": (f"{PLACE}/pods", {"gone": True}),
    "a workload that seems to stand still": (f"{APPS}/deployments/web", {"silent": True}),
}


def two_batches(api: FakeApi, path: str, answers: int, *, gone: bool = False, silent: bool = False) -> None:
    """Two batches; once the first is patched, a path cannot be read for some requests."""
    api.objects += [*b.deployed("cart"), *b.deployed("web")]

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        if obj["metadata"]["name"] != ("web" if silent else "cart"):
            return
        api.script("GET", path, *[failure(500, "leader changed")] * answers)
        if gone:
            # The watch does not report the pods that the rollout made.
            obj["status"]["availableReplicas"] = 1
            api.objects[:] = [one for one in api.objects if one["metadata"].get("labels", {}).get("app") != "cart"] + [
                obj
            ]
        if silent:
            obj["status"]["updatedReplicas"] = 0

    api.on_patch = on_patch


@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("name", READINGS)
def test_a_failed_read_is_not_a_problem_of_the_rollout(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, name: str, passes: bool
) -> None:
    """A failed read is repeated; if it keeps failing, the run stops and undoes nothing that is healthy."""
    monkeypatch.setattr(read_retries, "PAUSE_SECONDS", 0.01)
    path, how = READINGS[name]
    two_batches(api, path, 1 if passes else 500, **how)
    result = restart(api, batch_size="1", budget_timeout=1, gates={"timeout": 1}, batch_timeout=1)
    writes = [seen.path.rpartition("/")[2] for seen in api.writes() if seen.method == "PATCH"]
    if passes and how.get("silent"):
        # The workload can be read again, and makes no progress.
        assert "batch 2 of 2 made no progress for 1 s: Deployment shop/web" in result["msg"]
        assert result["failure"]["caused_by"] == "revision"
        return
    if passes:
        assert (result.get("failed"), writes) == (None, ["cart", "web"]), result
        return
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("cluster", False), result
    assert "No problem of the restarted workloads is known" in result["msg"]
    assert writes == (["cart", "web"] if how.get("silent") else ["cart"])


def never(name: str, *, allowed: int, expected: int, healthy: int, generation: int = 1) -> b.Json:
    """A budget as its controller keeps it."""
    found = b.budget(name, {"matchLabels": {"app": name}}, allowed)
    found["metadata"]["generation"] = 1
    found["status"].update(expectedPods=expected, desiredHealthy=healthy, observedGeneration=generation)
    return found


@pytest.mark.parametrize(
    ("budget", "left_out"),
    [
        pytest.param(never("ledger", allowed=0, expected=1, healthy=1), True, id="one replica, one of it available"),
        pytest.param(never("ledger", allowed=0, expected=3, healthy=3), True, id="all have to be available"),
        pytest.param(never("ledger", allowed=1, expected=3, healthy=2), False, id="there is room"),
        pytest.param(never("ledger", allowed=0, expected=3, healthy=2), False, id="there may be later"),
        pytest.param(never("ledger", allowed=0, expected=0, healthy=0), False, id="its controller saw no pods"),
        pytest.param(never("ledger", allowed=0, expected=1, healthy=1, generation=0), False, id="its status is old"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_workload_that_can_never_have_room_is_reported_before_the_first_patch(
    budget: b.Json, left_out: bool, check_mode: bool
) -> None:
    """It is in the plan and in the result with its remedy, and keeps no other workload from its restart."""
    objects = [*ledger(1), *b.deployed("web"), budget]
    lines: list[str] = []
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *objects) as api:
        result = restart(api, check_mode=check_mode, progress=lines.append, batch_size="1")
    rows = {row["name"]: row["code"] for row in result.get("unrestartable", [])}
    if left_out:
        assert (result.get("failed"), result["restarted"], rows) == (
            None,
            ["Deployment shop/web"],
            {"ledger": "no_room"},
        )
        assert ("cannot be restarted: StatefulSet shop/ledger: budget shop/ledger" in "\n".join(lines)) is check_mode
    else:
        assert rows == {}


@pytest.mark.parametrize(
    ("selector", "counts"), [(None, False), ({}, True), ({"matchLabels": {"app": "ledger"}}, True)]
)
def test_a_budget_without_a_selector_is_for_no_pod(selector: b.Json | None, counts: bool) -> None:
    """Kubernetes API reference, policy/v1: a null selector matches no pods, an empty one all of its namespace."""
    found = b.budget("old", selector or {}, 0)
    found["spec"]["selector"] = selector
    snapshot = b.snapshot_of([*b.two_planes(), *b.namespaces(shop=b.NEW), *ledger(1), found])
    workload = snapshot.workloads[("shop", "StatefulSet", "ledger")]
    assert bool(snapshot.budgets_of(workload)) is counts
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *ledger(1), found) as api:
        assert bool(restart(api, on_failure="hold").get("failed")) is counts
