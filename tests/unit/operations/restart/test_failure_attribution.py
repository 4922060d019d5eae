# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cause of a failed restart, and its effect on the workload and on the others (S5).

The kind: the smallest unit that fails is the wave.
"""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.failure_attribution import too_many
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    BROKEN,
    RAN,
    read_pod_state,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import rollout_checks
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.trouble import NAMES, NO_PROXY, SICK, Change, container, of_pod, restart, stamped, up


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Five stale Deployments, so that a single failure is not too many."""
    objects = [one for name in NAMES for one in b.deployed(name)]
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *objects) as found:
        yield found


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
