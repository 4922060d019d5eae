# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cause of a failed restart, and its effect on the workload and on the others (S5).

The kind: the smallest unit that fails is the wave.
"""

from __future__ import annotations

import copy
import threading
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.failure_attribution import too_many
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    BROKEN,
    RAN,
    read_pod_state,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import rollout_checks
from unit.support import builders as b
from unit.support.fake_api import Answer, FakeApi, failure
from unit.support.running import task

NAMES = ("api", "cart", "mail", "shop", "web")
SICK, PATH = "Deployment shop/cart", "/apis/apps/v1/namespaces/shop/deployments/cart"
Change = Callable[[FakeApi, b.Json], None]


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Five stale Deployments, so that a single failure is not too many."""
    objects = [one for name in NAMES for one in b.deployed(name)]
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *objects) as found:
        yield found


def container(name: str, reason: str = "", *, ready: bool = False, restarts: int = 9) -> b.Json:
    """The status of a container."""
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


PROXY, NO_PROXY = container("istio-proxy", ready=True), container("istio-proxy")


def of_pod(app: b.Json | None = None, proxy: b.Json | None = None, *more: b.Json, **conditions: str) -> Change:
    """The rollout made a pod like this, and does not complete."""

    def change(api: FakeApi, obj: b.Json) -> None:
        obj["status"].update(updatedReplicas=1, availableReplicas=0)
        pod = next(one for one in b.of_kind(api.objects, "Pod") if one["metadata"]["labels"]["app"] == "cart")
        pod["status"] = {
            "phase": "Pending",
            "conditions": [
                {"type": "Ready", "status": "False"},
                *({"type": k, "status": v} for k, v in conditions.items()),
            ],
            "initContainerStatuses": [*more, PROXY if proxy is None else proxy],
            "containerStatuses": [app] if app else [],
        }

    return change


def of_workload(**status: t.Any) -> Change:
    """The status of the rollout shows that it does not complete."""

    def change(api: FakeApi, obj: b.Json) -> None:
        obj["status"].update(updatedReplicas=0, **status)

    return change


def condition(kind: str, reason: str) -> b.Json:
    """A condition of a Deployment."""
    status = "False" if kind == "Progressing" else "True"
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": "no"}]}


def paused(api: FakeApi, obj: b.Json) -> None:
    """Another client pauses it."""
    obj["status"].update(updatedReplicas=0)
    obj["spec"]["paused"] = True


def deleted(api: FakeApi, obj: b.Json) -> None:
    """Another client deletes it."""
    obj["status"].update(updatedReplicas=0)
    api.objects.remove(obj)


def without_proxy(change: Change) -> Change:
    """Injection did not happen, so that the application fails."""

    def both(api: FakeApi, obj: b.Json) -> None:
        change(api, obj)
        pod = next(one for one in b.of_kind(api.objects, "Pod") if one["metadata"]["labels"]["app"] == "cart")
        pod["spec"] = {"containers": [{"name": "app", "image": "app:1"}]}
        pod["metadata"]["annotations"] = {}
        pod["status"].pop("initContainerStatuses")

    return both


def ready_with(version: str) -> Change:
    """The rollout completes with a proxy of some version."""

    def change(api: FakeApi, obj: b.Json) -> None:
        pod = next(one for one in b.of_kind(api.objects, "Pod") if one["metadata"]["labels"]["app"] == "cart")
        pod["spec"]["initContainers"] = [{"name": "istio-proxy", "image": b.proxy(version)}]

    return change


def up(api: FakeApi, obj: b.Json) -> None:
    """A rollout that completes."""
    obj["status"].update(availableReplicas=1)
    api.roll_out(obj)


CRASH = container("app", "CrashLoopBackOff")
DEADLINE = condition("Progressing", "ProgressDeadlineExceeded")
OWN, REVISION, GONE, FINE = "workloads", "revision", "gone", "fine"
TROUBLES: list[tuple[str, Change, str]] = [
    ("its application crashes beside a proxy that is ready", of_pod(CRASH), OWN),
    ("its application crashes beside a proxy that is not", of_pod(CRASH, NO_PROXY), REVISION),
    ("its application crashes without the proxy that it should have", without_proxy(of_pod(CRASH)), REVISION),
    ("its image cannot be pulled", of_pod(container("app", "ImagePullBackOff"), NO_PROXY), OWN),
    ("its Secret is missing", of_pod(container("app", "CreateContainerConfigError"), NO_PROXY), OWN),
    ("the image of the proxy cannot be pulled", of_pod(None, container("istio-proxy", "ErrImagePull")), REVISION),
    ("the proxy crashes", of_pod(None, container("istio-proxy", "CrashLoopBackOff")), REVISION),
    ("both crash", of_pod(CRASH, container("istio-proxy", "CrashLoopBackOff")), REVISION),
    ("istio-init crashes", of_pod(None, NO_PROXY, container("istio-init", "CrashLoopBackOff")), REVISION),
    ("its application does not get ready", of_pod(container("app")), OWN),
    ("its proxy does not get ready", of_pod(container("app", ready=True), NO_PROXY), REVISION),
    ("no node takes it", of_pod(None, NO_PROXY, PodScheduled="False"), OWN),
    ("nothing happens", of_workload(), REVISION),
    ("its pods are refused", of_workload(**condition("ReplicaFailure", "FailedCreate")), REVISION),
    ("its deadline is over, and no pod has a reason", of_workload(**DEADLINE), REVISION),
    ("it is paused", paused, OWN),
    ("it is deleted", deleted, GONE),
    ("it gets the proxy of another revision", ready_with(b.OLD_VERSION), REVISION),
    ("nothing at all", lambda api, obj: None, FINE),
]  # fmt: skip


def restart(api: FakeApi, *changes: Change, sick: tuple[str, ...] = ("cart",), **options: t.Any) -> b.Json:
    """The result of a restart that brings trouble to some workloads until they go back."""

    def on_patch(obj: b.Json) -> None:
        up(api, obj)
        if obj["metadata"]["name"] in sick and RESTARTED_AT in obj["spec"]["template"]["metadata"]["annotations"]:
            for change in changes:
                change(api, obj)

    api.on_patch = on_patch
    given: b.Json = {"batch_timeout": 1, "budget_timeout": 0, "batch_size": "5", **options}
    return task(api, CORE, namespaces=["shop"], **given)


def stamped(api: FakeApi) -> set[str]:
    """The workloads cause restart was not undone."""
    found = [one for one in b.of_kind(api.objects, "Deployment") if one["metadata"]["name"] in NAMES]
    return {
        one["metadata"]["name"] for one in found if RESTARTED_AT in one["spec"]["template"]["metadata"]["annotations"]
    }


@pytest.mark.parametrize(("change", "cause"), [pytest.param(*row, id=name) for name, *row in TROUBLES])
def test_cause_of_a_failure(api: FakeApi, change: Change, cause: str) -> None:
    """A failure of one workload alone undoes that workload, any other one all; a deleted workload is not a failure."""
    result = restart(api, change)
    others = {*NAMES} - {"cart"}
    if cause in (GONE, FINE):
        assert (result.get("failed"), result["deleted_meanwhile"]) == (None, [SICK] if cause == GONE else []), result
        assert (SICK in result["restarted"]) is (cause == FINE)
        assert stamped(api) >= others
        return
    found = result["failure"]
    assert (result["failed"], found["caused_by"]) == (True, cause), result
    assert found["evidence"][0]["workload"] == SICK
    assert (found["rolled_back"], found["rollback_problems"]) == (True, []), result
    assert stamped(api) == (others if cause == OWN else set())
    done = {f"Deployment shop/{name}" for name in others}
    assert (set(found["completed_before"]), found["failed_workloads"]) == (
        (done, [SICK]) if cause == OWN else (set(), [])
    )


@pytest.mark.parametrize(
    ("options", "left"),
    [
        pytest.param({}, {*NAMES} - {"cart"}, id="the default"),
        pytest.param({"on_workload_failure": "rollback"}, {*NAMES} - {"cart"}, id="rollback"),
        pytest.param({"on_workload_failure": "rollback", "on_failure": "hold"}, {*NAMES} - {"cart"}, id="only it"),
        pytest.param({"on_workload_failure": "hold"}, {*NAMES}, id="hold"),
        pytest.param({"on_failure": "hold"}, {*NAMES}, id="as a failed batch"),
        pytest.param({"on_workload_failure": "stop"}, set(), id="stop"),
        pytest.param({"on_workload_failure": "stop", "on_failure": "hold"}, {*NAMES}, id="stop and hold"),
    ],
)
def test_what_happens_to_a_workload_that_fails_alone(api: FakeApi, options: b.Json, left: set[str]) -> None:
    result = restart(api, of_pod(container("app", "CrashLoopBackOff")), **options)
    assert (result["failed"], stamped(api)) == (True, left)
    assert SICK in result["msg"]


def test_later_batches_continue_and_the_task_fails_at_its_end(api: FakeApi) -> None:
    lines: list[str] = []
    result = restart(api, of_pod(container("app", "CrashLoopBackOff")), batch_size="2", progress=lines.append)
    assert "batch 1 of 3 failed, continuing without: Deployment shop/cart: pod cart-abc-0, container app" in "\n".join(
        lines
    )
    assert result["msg"].startswith(
        "1 workload failed independently of the revision: Deployment shop/cart: pod cart-abc-0, "
    )
    assert "Restarts that failed were undone; successful restarts are kept." in result["msg"]
    assert stamped(api) == {*NAMES} - {"cart"}
    assert (result["failure"]["stopped_early"], result["failure"]["remaining"]) == (False, [])


def of_each(reason: str) -> Change:
    """The application of every workload that is patched crashes."""

    def change(api: FakeApi, obj: b.Json) -> None:
        obj["status"].update(availableReplicas=0)
        for pod in b.of_kind(api.objects, "Pod"):
            if pod["metadata"]["labels"]["app"] == obj["metadata"]["name"]:
                pod["status"] = {
                    "phase": "Running",
                    "initContainerStatuses": [PROXY],
                    "containerStatuses": [container("app", reason)],
                }

    return change


@pytest.mark.parametrize("size", ["5", "1"])
def test_many_failures_at_the_same_time_are_attributed_to_the_revision(api: FakeApi, size: str) -> None:
    """A proxy can break applications too, as by their probes."""
    result = restart(api, of_each("CrashLoopBackOff"), sick=("api", "cart"), batch_size=size)
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("revision", True), result
    assert "are too many to be a coincidence" in result["msg"]
    assert stamped(api) == set()


@pytest.mark.parametrize(
    ("failed", "restarted", "expected"),
    [(0, 1, False), (1, 1, False), (2, 2, True), (2, 7, True), (2, 8, False), (3, 11, True), (3, 12, False)],
)
def test_how_many_are_too_many(failed: int, restarted: int, expected: bool) -> None:
    assert too_many(failed, restarted) is expected


@pytest.mark.parametrize("name", ["app", "istio-proxy"])
@pytest.mark.parametrize("reason", sorted(BROKEN))
def test_every_reason_is_attributed(name: str, reason: str) -> None:
    """A container that never ran has a reason of the workload; later the proxy beside it decides."""
    for fine in (True, False):
        raw = b.pod(ready=False)
        proxy = container("istio-proxy", ready=fine)
        broken = container(name, reason)
        raw["status"].update(initContainerStatuses=[broken if name == "istio-proxy" else proxy])
        raw["status"].update(containerStatuses=[broken] if name == "app" else [])
        found = read_pod_state(raw).broken
        assert found is not None
        assert found.own is (name == "app" and (fine or reason not in RAN))


@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "ErrImagePull"])
@pytest.mark.parametrize("name", ["app", "istio-proxy"])
def test_trouble_that_passes_does_not_count(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    """An application that starts before its database, or a registry that is busy for a moment."""
    monkeypatch.setattr(rollout_checks, "LASTS_SECONDS", 30.0)
    first = container(name, reason, restarts=1)

    def change(api: FakeApi, obj: b.Json) -> None:
        (of_pod(first) if name == "app" else of_pod(None, first))(api, obj)
        threading.Timer(1.3, lambda: up(api, obj)).start()

    assert not restart(api, change, batch_timeout=20).get("failed")


@pytest.mark.parametrize(("lasts", "restarts"), [(0.0, 1), (30.0, 3)])
def test_trouble_that_lasts_or_was_tried_often_counts(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, lasts: float, restarts: int
) -> None:
    monkeypatch.setattr(rollout_checks, "LASTS_SECONDS", lasts)
    change = of_pod(container("app", "CrashLoopBackOff", restarts=restarts))
    assert restart(api, change, batch_timeout=60)["failure"]["failed_workloads"] == [SICK]


WRITES_AGAIN = {
    "the patch meets a writer": ("PATCH", failure(409, "modified")),
    "the patch meets a change of the leader of etcd": ("PATCH", failure(503, "leader changed")),
}


@pytest.mark.parametrize("name", WRITES_AGAIN)
def test_writes_that_are_repeated(api: FakeApi, name: str) -> None:
    method, answer = WRITES_AGAIN[name]
    api.script(method, PATH, answer)
    result = restart(api)
    assert (result.get("failed"), stamped(api)) == (None, {*NAMES})


def test_a_namesake_is_left_alone(api: FakeApi) -> None:
    other = copy.deepcopy(api.get("Deployment", "cart"))
    other["metadata"]["uid"] = "another"
    other["spec"]["template"]["metadata"]["labels"][REV] = "x"
    api.script("PATCH", PATH, failure(409, "another uid"))
    api.script("GET", PATH, Answer(other))
    assert restart(api)["deleted_meanwhile"] == [SICK]
