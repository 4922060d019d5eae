# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies that depend on a revision: those that terminate (F6), and those that its istiod lists (F5)."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.terminating_proxies import OVERDUE
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import remove_revision
from unit.support import builders as b
from unit.support.dependents import proxy, syncz
from unit.support.removal import Remover


def later(seconds: float) -> str:
    """A time as the API server writes it."""
    return f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def leaves(seconds: float, **more: t.Any) -> b.Json:
    """A pod of the old revision that has to be gone in some seconds."""
    found = b.pod("old", owner=None, gone_at=later(seconds))
    found["spec"] |= more
    return found


def test_f6_a_pod_that_is_gone_soon_is_waited_for(remover: Remover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove_revision, "LONGEST_PAUSE", 0)
    pod = leaves(20)
    remover.api.objects.append(pod)
    looks: list[str] = []

    def goes(run: t.Any, found: t.Any) -> bool:
        looks.append(found.name)
        if len(looks) == 3:
            remover.api.objects = [obj for obj in remover.api.objects if obj["metadata"]["name"] != "old"]
        return pod_exists(run, found)

    pod_exists = remove_revision._pod_exists
    monkeypatch.setattr(remove_revision, "_pod_exists", goes)
    said: list[str] = []
    result = remover.run(progress=said.append)
    assert (result["changed"], result["overridden"], looks) == (True, [], ["old"] * 3)
    assert any(line.startswith("waiting until terminating pods are gone, at the latest at") for line in said)


def test_f6_check_mode_does_not_wait(remover: Remover) -> None:
    remover.api.objects.append(leaves(20))
    assert remover.run(check_mode=True)["changed"]


@pytest.mark.parametrize(
    ("seconds", "remedy"),
    [
        pytest.param(7200, "wait until {due}, when it is gone at the latest", id="a game server"),
        pytest.param(-OVERDUE - 60, "it had to be gone at {due}: check node dead", id="a dead node"),
    ],
)
def test_f6_a_pod_that_is_not_gone_soon_is_a_blocker(remover: Remover, seconds: float, remedy: str) -> None:
    pod = leaves(seconds, nodeName="dead")
    remover.api.objects.append(pod)
    [blocker] = remover.run()["failure"]["blockers"]
    assert blocker["remedy"].startswith(remedy.format(due=pod["metadata"]["deletionTimestamp"]))


def test_f5_a_proxy_that_has_just_disconnected_is_not_a_blocker(remover: Remover) -> None:
    answers = [[proxy("old-1.shop")], []]
    remover.api.syncz = lambda dummy: json.dumps(answers.pop(0)).encode()  # type: ignore[method-assign]
    assert remover.run()["changed"]
    assert answers == []


def test_f5_hints_name_machines_and_clusters(remover: Remover) -> None:
    secret = {
        "kind": "Secret",
        "metadata": b.meta("istio-remote-secret-west", b.SYSTEM, {"istio/multiCluster": "true"}),
    }
    group = b.configuration("WorkloadGroup", "legacy", "vms", None)
    entry = b.configuration("WorkloadEntry", "legacy-10.0.0.1", "vms", None)
    remover.api.objects += [secret, group, entry]
    syncz(remover.api, proxy("vm1.vms"), proxy("cart.shop", cluster_id="west"))
    messages = [one["message"] + one["remedy"] for one in remover.run()["failure"]["blockers"]]
    known = "known here: WorkloadGroup vms/legacy, WorkloadEntry vms/legacy-10.0.0.1, cluster west"
    assert [known in message for message in messages] == [True, True]


def test_f5_an_istiod_that_never_ran_has_no_proxies(remover: Remover) -> None:
    remover.api.get("Deployment", f"istiod-{b.OLD}")["status"]["readyReplicas"] = 0
    assert remover.run()["changed"]


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        pytest.param({"phase": "Running"}, True, id="not ready"),
        pytest.param({"phase": "Running", "containerStatuses": [{"state": {"waiting": {}}}]}, False, id="it crashes"),
        pytest.param({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, True, id="it runs"),
        pytest.param({"phase": "Pending"}, False, id="it never started"),
    ],
)
def test_f5_an_istiod_that_runs_has_to_answer_ready_or_not(remover: Remover, status: b.Json, asked: bool) -> None:
    labels = {"app": "istiod", REV: b.OLD}
    pod = {"kind": "Pod", "metadata": b.meta(f"istiod-{b.OLD}-1", b.SYSTEM, labels), "status": status, "spec": {}}
    remover.api.objects.append(pod)
    remover.run(check_mode=True)
    asked_for = {seen.path for seen in remover.api.seen if seen.path.endswith("/portforward")}
    assert (f"/api/v1/namespaces/istio-system/pods/istiod-{b.OLD}-1/portforward" in asked_for) is asked
