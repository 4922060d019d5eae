# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""R25, R27 and R28: what was broken, slow or blocked before an upgrade fails nothing else, and a second run stops."""

from __future__ import annotations

from typing import Any

import pytest

from field.meshes import SHOP, proxies, web
from field.playbooks import canary, changed, play
from integration.objects import until
from integration.support import NEW_VERSION, VERSION, Desk
from integration.workloads import job
from lab import Cluster

Json = dict[str, Any]
FAULT, DELAY = "lab.meshops.dev/fault", "lab.meshops.dev/delay"


def versions(cluster: Cluster, app: str) -> set[str]:
    """The versions of the proxies of one app in namespace shop."""
    images = proxies(cluster)
    return {image.rpartition(":")[2] for name, image in images.items() if name.startswith(f"{SHOP}/{app}-")}


def crashing(cluster: Cluster, app: str) -> bool:
    """Whether a pod of an app crashes again and again."""
    return any(
        (status.get("state", {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"
        for pod in cluster.pods(SHOP)
        if pod["metadata"]["labels"].get("app") == app
        for status in pod.get("status", {}).get("containerStatuses", ())
    )


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_that_was_broken_before_fails_no_other(desk: Desk, based: Cluster, kind: str) -> None:
    based.apply([web("bad", kind=kind, replicas=1, notes={FAULT: "crash-loop"})])
    until(lambda: crashing(based, "bad"), "bad does not crash")
    assert "MU025" in play(desk, based, "precheck").output
    run = canary(desk, based).require_success()
    assert (versions(based, "web"), versions(based, "bad")) == ({NEW_VERSION}, {NEW_VERSION})
    assert crashing(based, "bad")
    assert f"{kind} shop/bad" in run.output
    again = canary(desk, based).require_success()
    assert changed(again, based) == 0


def test_what_was_broken_before_is_left_if_that_is_asked_for(desk: Desk, based: Cluster) -> None:
    based.apply([web("bad", replicas=1, notes={FAULT: "crash-loop"})])
    until(lambda: crashing(based, "bad"), "bad does not crash")
    leave = {"istio_broken_workloads": "leave"}
    run = canary(desk, based, **leave).require_success()
    assert (versions(based, "web"), versions(based, "bad")) == ({NEW_VERSION}, {VERSION})
    last = "1 cluster: incomplete. Not restarted, because they were broken before: Deployment shop/bad."
    assert run.report()["run"]["headline"] == last
    again = canary(desk, based, **leave).require_success()
    assert (changed(again, based), again.report()["run"]["headline"]) == (0, last)
    verified = play(desk, based, "verify", **leave).require_success()
    assert verified.report()["run"]["verdict"] == "incomplete"
    assert play(desk, based, "verify").returncode == 2
    assert "half done" in play(desk, based, "status").output
    canary(desk, based).require_success()
    assert versions(based, "bad") == {NEW_VERSION}


def test_a_slow_stateful_set_gets_its_time(desk: Desk, based: Cluster) -> None:
    based.apply([web("kv", kind="StatefulSet", replicas=12, notes={DELAY: "4s"})])
    based.wait_ready()
    play(desk, based, "precheck").require_success()
    canary(desk, based, istio_batch_timeout=20).require_success()
    assert (versions(based, "web"), versions(based, "kv")) == ({NEW_VERSION}, {NEW_VERSION})
    assert changed(canary(desk, based, istio_batch_timeout=20).require_success(), based) == 0


def pdb(spec: Json) -> Json:
    """A budget with a spec as it is written."""
    metadata = {"name": "guard", "namespace": SHOP}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


DB = {"matchLabels": {"app": "db"}}
#: A Job has no scale: the controller of budgets then cannot count the pods of the budget.
JOB: Json = {**job("db"), "metadata": {"name": "db", "namespace": SHOP}}


@pytest.mark.parametrize(
    ("spec", "reason", "restarted", "more"),
    [
        pytest.param({"selector": DB, "maxUnavailable": "0%"}, "its maxUnavailable is 0%", False, [], id="a: 0 %"),
        pytest.param({"selector": DB}, "neither minAvailable nor maxUnavailable", False, [], id="b: no field"),
        pytest.param(
            {"selector": DB, "maxUnavailable": 1}, "SyncFailed", False, [JOB], id="c: pods that nothing scales"
        ),
        pytest.param({"maxUnavailable": 0}, "", True, [], id="d: without a selector it selects nothing"),
        pytest.param(
            {"selector": {}, "maxUnavailable": 0}, "its maxUnavailable is 0", False, [], id="e: it selects all"
        ),
    ],
)
def test_a_budget_that_never_allows_a_disruption(
    desk: Desk, based: Cluster, spec: Json, reason: str, *, restarted: bool, more: list[Json]
) -> None:
    based.apply([web("db", kind="StatefulSet", replicas=2), *more, pdb(spec)])
    based.wait_ready()
    before = play(desk, based, "precheck")
    assert ("MU023" in before.output) is not restarted, before.output[-3000:]
    assert reason in before.output
    run = canary(desk, based, istio_budget_timeout=5)
    assert (versions(based, "db") == {NEW_VERSION}) is restarted, run.output[-4000:]
    assert restarted or "raise the replicas" not in run.output
    again = canary(desk, based, istio_budget_timeout=5)
    assert again.returncode == run.returncode
    assert (versions(based, "db") == {NEW_VERSION}) is restarted
