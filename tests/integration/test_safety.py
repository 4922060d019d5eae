# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unsafe step stops with a sentence, and the mesh works as before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.objects import REV, labels, pods, until
from integration.safety import container, no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
WRONG_ID = "00000000-0000-0000-0000-000000000000"
SHORT = 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "No cluster is named"),
        ({"kubeconfig"}, "Parameter context is missing"),
        ({"context"}, "Parameter kubeconfig is missing"),
        ({"kubeconfig", "context", "host"}, "Parameters kubeconfig and host both name a cluster"),
    ],
)
def test_no_cluster_is_guessed(desk: Desk, calm: Cluster, given: set[str], sentence: str) -> None:
    known = {"kubeconfig": str(calm.kubeconfig), "context": calm.context, "host": calm.server}
    login: Json = {name: known[name] for name in given}
    with no_write(calm):
        result = desk.tool(None, "namespace_revision", namespaces=["shop"], revision="prod", **login)
    assert sentence in refusal(result, "ParameterError")


def test_a_host_without_a_context_stops_the_playbook(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        play = desk.play([calm], hosts={calm.name: {"istio_context": None}})
    assert play.returncode == 2
    assert f"Cluster {calm.name} has no istio_context" in play.failure(calm)


def test_another_cluster_than_the_expected_one_is_left_alone(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        play = desk.play([calm], istio_expected_cluster_id=WRONG_ID)
    assert play.returncode == 2
    message = play.failure(calm)
    assert f"Cluster {calm.name} is not the expected one" in message
    assert f"{calm.uid}, but expected_cluster_id is {WRONG_ID}" in message
    assert not desk.tool(calm, "istio_info", expected_cluster_id=calm.uid).get("failed")


@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        ("namespace_revision", {"namespaces": ["shop"], "revision": "prod"}),
        ("rollout_restart", {"namespaces": ["shop"], "scope": "all"}),
        ("istio_tag", {"name": "default", "state": "absent"}),
        ("istio_revision", {"revision": REVISION, "state": "absent"}),
        ("istio_revision", {"revision": NEW_REVISION, "version": NEW_VERSION}),
    ],
)
def test_no_module_writes_to_another_cluster(desk: Desk, calm: Cluster, module: str, parameters: Json) -> None:
    with no_write(calm):
        result = desk.tool(calm, module, expected_cluster_id=WRONG_ID, **parameters)
    assert "Nothing was written." in refusal(result, "ClusterError")
    assert result["changed"] is False


@pytest.mark.parametrize("target", ["1-99-0", "canary"])
def test_a_label_that_no_injector_owns_is_never_set(desk: Desk, calm: Cluster, target: str) -> None:
    with no_write(calm):
        result = desk.tool(calm, "namespace_revision", namespaces=["shop", "catalog"], revision=target)
    message = refusal(result, "SafetyError")
    assert f"No injector owns the name '{target}'" in message
    assert "Existing revisions and tags: 1-30-3, default, prod." in message


def test_a_namespace_outside_the_mesh_is_not_pulled_in(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        result = desk.tool(calm, "namespace_revision", namespaces=["shop", "legacy"], revision="prod")
    assert "Namespaces legacy are not in the mesh" in refusal(result, "SafetyError")


def test_a_hop_of_three_minors_is_refused(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        result = desk.tool(calm, "istio_precheck", version="1.33.0", revision="1-33-0")
    assert result["failed"]
    assert "MU001" in result["msg"]
    assert "skips too many minor versions: strategy canary upgrades by at most 2" in result["msg"]
    assert not desk.tool(calm, "istio_precheck", version="1.32.0", revision="1-32-0").get("failed")


@pytest.fixture
def unready(desk: Desk, meshes: list[Cluster]) -> Iterator[Any]:
    """The playbook towards a revision whose istiod never gets ready."""
    cluster = meshes[0]
    labelled, running = labels(cluster), pods(cluster)
    cluster.fault("never-ready", revision=NEW_REVISION)
    yield desk.play([cluster], istio_timeout=SHORT), labelled, running
    cluster.clear_fault()
    assert desk.tool(cluster, "istio_revision", revision=NEW_REVISION, state="absent")["changed"]


def test_an_istiod_that_never_gets_ready_gets_no_workloads(desk: Desk, calm: Cluster, unready: Any) -> None:
    play, labelled, running = unready
    assert play.returncode == 2
    assert play.of(calm, "namespace_revision") == []
    message = play.failure(calm)
    assert f"Revision {NEW_REVISION} ({NEW_VERSION}) on cluster {calm.name} did not come up" in message
    assert "0 of 1 replicas are ready" in message
    assert "Nothing was moved to it" in message
    assert labels(calm) == labelled
    assert {key: pods(calm).get(key) for key in running} == running
    with no_write(calm):
        moved = desk.tool(calm, "namespace_revision", namespaces=["shop"], revision=NEW_REVISION)
        tagged = desk.tool(calm, "istio_tag", name="prod", revision=NEW_REVISION)
        default = desk.tool(calm, "istio_tag", name="default", revision=NEW_REVISION)
    for result in (moved, tagged, default):
        message = refusal(result, "ProofError")
        assert f"Revision {NEW_REVISION} on cluster {calm.name} is not proven to take workloads" in message
        assert "0 of 1 replicas are ready" in message
        assert "Nothing was moved to it." in message


def test_an_image_that_does_not_exist_gets_no_workloads(desk: Desk, calm: Cluster) -> None:
    bad = "bad-image"
    result = desk.tool(calm, "istio_revision", revision=bad, version=NEW_VERSION, tag="9.9.9", timeout=SHORT)
    message = refusal(result, "ProofError")
    assert f"Revision {bad} ({NEW_VERSION}) on cluster {calm.name} did not come up" in message
    assert "container discovery: ImagePullBackOff" in message
    assert "Nothing was moved to it" in message
    assert result["changed"] is True
    with no_write(calm):
        moved = desk.tool(calm, "namespace_revision", namespaces=["shop"], revision=bad)
    assert f"Revision {bad} on cluster {calm.name} is not proven" in refusal(moved, "ProofError")
    fixed = desk.tool(calm, "istio_revision", revision=bad, version=NEW_VERSION)
    assert fixed["changed"], fixed
    assert not fixed.get("failed"), fixed
    removed = desk.tool(calm, "istio_revision", revision=bad, state="absent")
    assert removed["changed"], removed


def tight() -> list[Json]:
    """A Deployment whose rollout takes down one pod, and a budget that lets none go."""
    place = {"name": "tight", "namespace": "tight"}
    selector = {"matchLabels": {"app": "tight"}}
    template = {"metadata": {"labels": {"app": "tight"}}, "spec": container()}
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    spec = {"replicas": 2, "selector": selector, "template": template, "strategy": strategy}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tight", "labels": {REV: REVISION}}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": place, "spec": spec},
        budget(2),
    ]


def budget(available: int) -> Json:
    """A budget for the tight Deployment."""
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": "tight"}}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "tight", "namespace": "tight"},
        "spec": spec,
    }


def test_a_budget_that_never_has_room_is_known_before_and_one_that_has_lets_it_go(desk: Desk, calm: Cluster) -> None:
    calm.apply(tight())
    calm.wait_ready(["tight"])
    before = pods(calm, ["tight"])
    with no_write(calm):
        told = desk.tool(calm, "rollout_restart", namespaces=["tight"], scope="all", budget_timeout=60)
    assert (told["restarted"], [row["code"] for row in told["unrestartable"]]) == ([], ["no_room"]), told
    assert told["seconds"] < 30
    assert pods(calm, ["tight"]) == before
    calm.apply([budget(1)])
    path = "/apis/policy/v1/namespaces/tight/poddisruptionbudgets/tight"
    until(lambda: calm.request("GET", path)["status"]["desiredHealthy"] == 1, "the budget is not looked at")
    result = desk.tool(calm, "rollout_restart", namespaces=["tight"], scope="all", budget_timeout=30)
    assert result["restarted"] == ["Deployment tight/tight"], result
    assert not {one.uid for one in pods(calm, ["tight"]).values()} & {one.uid for one in before.values()}
