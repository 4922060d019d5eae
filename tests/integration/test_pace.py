# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts go at the pace that was asked for: what, in which order, how much at once, and until when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.objects import REV, labels, pods, until
from integration.pace import (
    PLACE,
    RECREATE,
    RESTARTED_AT,
    Watcher,
    acted_controller,
    deployment,
    flat,
    labelled_later,
    patched,
)
from integration.safety import no_write, refusal
from integration.support import NEW_REVISION, REVISION, VERSION, Desk
from integration.workloads import ARGO, ROLLOUTS, owned
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def place(desk: Desk) -> Iterator[Cluster]:
    """A cluster with Istio 1.30.3, the population, and a namespace with workloads of several sizes."""
    cluster = desk.lab.clusters[0]
    desk.fresh([cluster])
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {REV: REVISION}}},
            deployment("a-gateway", 1, gateway=True),
            deployment("big", 4, order="-5"),
            deployment("down-1", 2, strategy=RECREATE),
            deployment("down-2", 2, strategy=RECREATE),
            deployment("small", 1, order="7"),
        ]
    )
    cluster.wait_ready([PLACE])
    yield cluster
    desk.state = ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            {"order": "smallest", "batch_size": "40%"},
            [["small", "down-1"], ["down-2", "big"], ["a-gateway"]],
            id="a share, smallest first",
        ),
        pytest.param(
            {"order": "annotation"}, [["big"], ["down-1", "down-2"], ["small"], ["a-gateway"]], id="ordered by hand"
        ),
        pytest.param({"max_pods": 3}, [["big"], ["down-1"], ["down-2", "small"], ["a-gateway"]], id="a cap on pods"),
        pytest.param(
            {"max_unavailable": "30%"},
            [["big", "down-1"], ["down-2", "small"], ["a-gateway"]],
            id="a share of pods down",
        ),
        pytest.param({"label_selector": "tier notin (edge)", "names": ["down-*"]}, [["down-1", "down-2"]], id="chosen"),
    ],
)
def test_check_mode_tells_the_batches(desk: Desk, place: Cluster, options: Json, expected: list[list[str]]) -> None:
    with no_write(place):
        found = desk.tool(place, "rollout_restart", check=True, namespaces=[PLACE], scope="all", **options)
    assert flat([batch["workloads"] for batch in found["plan"]]) == expected, found
    assert flat(found["batches"]) == expected


def test_a_real_run_keeps_the_order_and_the_limits(desk: Desk, place: Cluster) -> None:
    options: Json = {"order": "smallest", "max_unavailable": 3, "batch_size": 3, "pause": 1}
    planned = desk.tool(place, "rollout_restart", check=True, namespaces=[PLACE], scope="all", **options)
    with patched(place) as names, Watcher(place) as seen:
        found = desk.tool(place, "rollout_restart", namespaces=[PLACE], scope="all", **options)
    assert found["batches"] == planned["batches"], found
    assert flat(found["batches"]) == [["small", "down-1"], ["down-2", "big"], ["a-gateway"]]
    done = [sorted(names[:2]), sorted(names[2:4]), names[4:]]
    assert done == [sorted(batch) for batch in flat(found["batches"])]
    # both at once would leave none; how many pods of one workload were down at a sample is chance
    assert 0 < seen.least < 4
    assert found["seconds"] >= 2


def test_a_deadline_leaves_what_is_done_and_names_the_rest(desk: Desk, place: Cluster) -> None:
    options: Json = {
        "batch_size": 1,
        "pause": 600,
        "deadline": 300,
        "kinds": ["Deployment"],
        "label_selector": "tier=back",
    }
    before = pods(place, [PLACE])
    with patched(place) as names:
        found = desk.tool(place, "rollout_restart", namespaces=[PLACE], scope="all", **options)
    message = refusal(found, "RolloutError")
    assert "Batch 2 of 4 would not start within the deadline of 300 s: 3 workloads were not restarted" in message
    assert names == ["big"]
    assert found["failure"]["remaining"] == [f"Deployment {PLACE}/{name}" for name in ("down-1", "down-2", "small")]
    gone = {name.rsplit("-", 2)[0] for (dummy, name) in before.keys() - pods(place, [PLACE]).keys()}
    assert gone == {"big"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"names": ["Deployment/bag"]}, "no workload in pace is called Deployment/bag"),
        ({"names": ["Pod/big"]}, "'Pod/big' is neither the name of a workload"),
        ({"label_selector": "tier in back"}, "has 'back' at position 9, where '(' should be"),
        ({"batch_size": "0%"}, "Parameter batch_size: '0%' is neither"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, place: Cluster, options: Json, sentence: str) -> None:
    with no_write(place):
        found = desk.tool(place, "rollout_restart", namespaces=[PLACE], **options)
    assert sentence in refusal(found, "ParameterError")


def test_a_killed_run_is_continued_and_nothing_is_restarted_twice(desk: Desk, place: Cluster) -> None:
    slow = {
        "lab.meshops.dev/fault": "slow-start",
        "lab.meshops.dev/delay": "10s",
        "lab.meshops.dev/fault-proxy": VERSION,
    }

    def make() -> None:
        found = [deployment(name, 2) for name in ("one", "two")]
        for one in found:
            one["metadata"]["namespace"] = "again"
            one["spec"]["template"]["metadata"]["annotations"] = slow
        place.apply(found)

    labelled_later(place, "again", make)
    options: Json = {"namespaces": ["again"], "batch_size": "1"}
    login = {"kubeconfig": str(place.kubeconfig), "context": place.context}
    task = {"meshops.istio.rollout_restart": options | login}
    playbook = desk.folder / "restart.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    with patched(place) as names:
        running = desk.start([place], playbook=str(playbook))
        path = "/apis/apps/v1/namespaces/again/deployments/one"
        until(lambda: RESTARTED_AT in str(place.request("GET", path)["spec"]["template"]), "nothing was restarted")
        running.kill()
        assert any(not pod.image for pod in pods(place, ["again"]).values())
        found = desk.tool(place, "rollout_restart", **options)
    assert (found.get("resumed"), found.get("restarted")) == (["Deployment again/one"], ["Deployment again/two"]), found
    assert names == ["one", "two"]
    assert {pod.version for pod in pods(place, ["again"]).values()} == {VERSION}


def test_an_argo_rollout_is_restarted_by_its_own_field(desk: Desk, place: Cluster) -> None:
    """With its CRD, and a test in the role of its controller, which the lab does not have."""
    path = f"/apis/{ARGO}/v1alpha1/namespaces/argo/rollouts"

    def make() -> None:
        crd = deepcopy(ROLLOUTS)
        crd["spec"]["versions"][0]["subresources"] = {"status": {}}
        place.apply([crd])
        until(lambda: ARGO in {one["name"] for one in place.request("GET", "/apis")["groups"]}, "the CRD is not served")
        spec = deployment("api", 2)["spec"]
        body = {"apiVersion": f"{ARGO}/v1alpha1", "kind": "Rollout", "metadata": {"name": "api"}, "spec": spec}
        rollout = place.request("POST", path, body)
        replicas = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "api-7f", "namespace": "argo"}}
        place.apply([owned({**replicas, "spec": spec}, rollout)])

    labelled_later(place, "argo", make)
    assert [row["code"] for row in desk.tool(place, "rollout_restart", namespaces=["argo"])["unrestartable"]] == [
        "argo_rollout"
    ]
    with acted_controller(place, f"{path}/api", "argo"):
        found = desk.tool(place, "rollout_restart", namespaces=["argo"], names=["Rollout/api"])
        assert found.get("restarted") == ["Rollout argo/api"], found
        assert {pod.version for pod in pods(place, ["argo"]).values()} == {VERSION}
        assert desk.tool(place, "rollout_restart", namespaces=["argo"])["changed"] is False
    # in this order, as the garbage collector leaves what belongs to a kind that is no longer served
    place.delete("/apis/apps/v1/namespaces/argo/replicasets/api-7f")
    until(lambda: not pods(place, ["argo"]), "the pods of the Rollout do not go")
    place.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.{ARGO}")


def test_after_the_window_the_playbook_moves_nothing_and_the_next_run_goes_on(desk: Desk, place: Cluster) -> None:
    labelled, running = labels(place), pods(place)
    late = desk.play([place], istio_not_after="2026-01-01T00:00:00Z").require_success()
    assert labels(place) == labelled
    assert {key: pods(place).get(key) for key in running} == running
    assert "The maintenance window ended at 2026-01-01T00:00:00Z" in late.output
    assert not any("verify" in one.task.lower() for one in late.results)
    # the pause would last longer than the window, so the first wave ends after its first batch
    end = (datetime.now(UTC) + timedelta(seconds=400)).isoformat()
    waves = [[PLACE], ["shop"]]
    short = desk.play(
        [place], istio_not_after=end, istio_pause=900, istio_order="smallest", istio_batch_size="20%", istio_waves=waves
    ).require_success()
    stopped = short.of(place, "rollout_restart")[-1]
    assert (stopped["stopped_early"], flat([stopped["restarted"]])) == (True, [["small"]])
    assert len(stopped["remaining"]) == 4
    assert labels(place)["shop"] == labelled["shop"]
    rest = desk.play([place], istio_batch_size="50%", istio_max_pods="6").require_success()
    assert labels(place)[PLACE][REV] == labels(place)["shop"][REV] == NEW_REVISION
    again = [one for found in rest.of(place, "rollout_restart") for one in found["restarted"]]
    assert len(again) == len(set(again))
    assert f"Deployment {PLACE}/small" not in again
    assert {f"Deployment {PLACE}/{name}" for name in ("big", "down-1", "down-2", "a-gateway")} <= set(again)
