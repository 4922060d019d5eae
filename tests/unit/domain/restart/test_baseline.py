# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods that were down before a restart are recognized after it (S5)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import Down, read_down, still_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Trouble, read_pod_state
from unit.support import builders as b


def state(name: str, *, node: str = "a", ready: bool = False, app: str = "", proxy: bool = True) -> t.Any:
    """A pod whose application waits for a reason, or which is ready."""
    raw = b.pod(name, ready=ready)
    raw["spec"]["nodeName"] = node
    waiting = {"waiting": {"reason": app}} if app else {"running": {}}
    raw["status"]["initContainerStatuses"] = [{"name": "istio-proxy", "ready": proxy, "state": {"running": {}}}]
    raw["status"]["containerStatuses"] = [{"name": "app", "ready": ready, "state": waiting}]
    return read_pod_state(raw)


DOWN = Down("web-1", "a", Trouble("CrashLoopBackOff", container="app", own=True))


@pytest.mark.parametrize(
    ("before", "pods", "done"),
    [
        pytest.param([DOWN], [("x", {"app": "CrashLoopBackOff"})], True, id="it crashes as before"),
        pytest.param([DOWN], [("x", {})], True, id="it is not ready, between two crashes"),
        pytest.param([], [("x", {"app": "CrashLoopBackOff"})], False, id="it did not crash before"),
        pytest.param([DOWN], [("x", {"proxy": False})], False, id="its proxy is not ready now"),
        pytest.param([DOWN], [("x", {}), ("y", {})], False, id="more of them than before"),
        pytest.param([DOWN], [("x", {"ready": True})], False, id="it is up: nothing is down as before"),
        pytest.param([DOWN], [], False, id="there is no new pod"),
    ],
)
def test_pods_that_are_down_as_before(before: list[Down], pods: list[tuple[str, t.Any]], done: bool) -> None:
    obj = b.workload(replicas=len(pods) or 1)
    made = [(state(name, **given), True) for name, given in pods]
    assert bool(still_down("Deployment", obj, made, before)) is done


def test_an_old_pod_that_stays_is_more_to_wait_for() -> None:
    obj, made = b.workload(), (state("x", app="CrashLoopBackOff"), True)
    assert still_down("Deployment", obj, [made], [DOWN])
    assert not still_down("Deployment", obj, [made, (state("old"), False)], [DOWN])
    obj["metadata"]["generation"] = 9
    assert not still_down("Deployment", obj, [made], [DOWN])


def test_which_pods_count_as_down_before() -> None:
    assert read_down(state("x", ready=True)) is None
    found = read_down(state("x", app="CrashLoopBackOff"))
    assert (found and found.trouble.reason) == "CrashLoopBackOff"


@pytest.mark.parametrize(("replicas", "done"), [(1, True), (2, False)])
def test_a_deployment_keeps_a_pod_above_its_replicas_while_new_pods_are_down(replicas: int, *, done: bool) -> None:
    made = [(state(name, app="CrashLoopBackOff"), True) for name in ("x", "recreated")]
    assert bool(still_down("Deployment", b.workload(replicas=replicas), made, [DOWN])) is done
    assert not still_down("StatefulSet", b.workload("StatefulSet", replicas=replicas), made, [DOWN])
