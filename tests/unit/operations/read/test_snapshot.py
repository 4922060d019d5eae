# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One snapshot over HTTP is what the pure functions read from the same objects."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import CRDS
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError, ForbiddenError
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import (
    fetch_budgets,
    fetch_pods,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import fetch_snapshot
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

CLUSTER = [
    *b.two_planes(),
    *b.namespaces(shop=b.OLD, orders=None),
    *b.deployed(pods=2),
    b.workload("StatefulSet", "ledger"),
    b.workload("DaemonSet", "agent"),
    b.owned("Job", "nightly-1", ("CronJob", "nightly")),
    b.owned("Job", "once", None),
    b.pod("nightly-1-x", owner=("Job", "nightly-1")),
    b.budget("web", {"matchLabels": {"app": "web"}}, 1),
]


def test_a_snapshot_holds_everything() -> None:
    with FakeApi(*CLUSTER) as api:
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=True, precheck_inputs=True)
    expected = b.snapshot_of(CLUSTER)
    other = ("workloads", "admission")
    same = [field.name for field in dataclasses.fields(expected) if field.compare and field.name not in other]
    assert {name: getattr(found, name) for name in same} == {name: getattr(expected, name) for name in same}
    assert set(found.workloads) - {(b.SYSTEM, "Deployment", f"istiod-{rev}") for rev in (b.OLD, b.NEW)} == set(
        expected.workloads
    )


VERTICAL = "/apis/autoscaling.k8s.io/v1"


def autoscalers() -> list[Answer]:
    """The answer to a list of VerticalPodAutoscalers."""
    spec = {"targetRef": {"kind": "Deployment", "name": "web"}}
    return [Answer({"metadata": {}, "items": [{"metadata": b.meta("web", "shop"), "spec": spec}]})]


@pytest.mark.parametrize(
    ("api_answers", "list_answers", "read", "unread"),
    [
        pytest.param([], [], [], False, id="the kind is not served, so it is not listed"),
        pytest.param([Answer({})], autoscalers(), ["web"], False, id="it is served"),
        pytest.param([Answer({})], [failure(403, "no", "Forbidden")] * 9, [], True, id="it may not be listed"),
        pytest.param([Answer({})], [failure(404, "no", "NotFound")], [], False, id="its definition is gone meanwhile"),
    ],
)
def test_vertical_autoscalers_are_listed_only_where_they_are_served(
    api_answers: list[Answer], list_answers: list[Answer], read: list[str], unread: bool
) -> None:
    with FakeApi(*CLUSTER) as api:
        api.script("GET", VERTICAL, *api_answers)
        api.script("GET", f"{VERTICAL}/verticalpodautoscalers", *list_answers)
        inputs = fetch_snapshot(api.client(), b.SYSTEM, pods=True, precheck_inputs=True).precheck_inputs
        listed = [seen.path for seen in api.seen if seen.path.startswith(f"{VERTICAL}/")]
    assert [autoscaler.ref.name for autoscaler in inputs.vertical_autoscalers] == read
    assert ("vertical_autoscalers" in inputs.unread) is unread
    assert bool(listed) is bool(list_answers)


def test_without_pods_only_what_is_needed_is_read() -> None:
    with FakeApi(*CLUSTER) as api:
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=False)
        assert not any("pods" in seen.path or "replicasets" in seen.path for seen in api.seen)
    assert (found.pods, dict(found.workloads), found.cluster_id) == ((), {}, b.CLUSTER_ID)


def test_reading_writes_nothing() -> None:
    with FakeApi(*CLUSTER) as api:
        client = api.client()
        fetch_snapshot(client, b.SYSTEM, pods=True)
        assert api.writes() == []
        assert (client.request_counts.writes, client.request_counts.dry_runs) == (0, 0)


def crd(name: str, labels: dict[str, str] | None = None, release: str = "") -> b.Json:
    """A CRD with the marks of its installer."""
    notes = {"meta.helm.sh/release-name": release} if release else {}
    return {"kind": "CustomResourceDefinition", "metadata": b.meta(name, "", labels, notes)}


def of_chart(version: str) -> dict[str, str]:
    """Labels that Istio's charts stamp."""
    return {"app.kubernetes.io/part-of": "istio", "app.kubernetes.io/version": version}


@pytest.mark.parametrize(
    ("found", "version"),
    [
        pytest.param(crd("a.istio.io", {"operator.istio.io/version": "1.31.0"}), "1.31.0", id="istioctl"),
        pytest.param(
            crd("a.istio.io", {"operator.istio.io/version": "1.31.0", **of_chart("1.0.0")}), "1.31.0", id="its chart"
        ),
        pytest.param(crd("a.istio.io", of_chart("1.30.3"), "istio-base"), "1.30.3", id="Helm"),
        pytest.param(
            crd("a.istio.io", {"operator.istio.io/version": "1.30.3", **of_chart("1.31.0")}, "istio-base"),
            "1.31.0",
            id="Helm after istioctl",
        ),
        pytest.param(
            crd("a.istio.io", {"operator.istio.io/version": "1.31.0", **of_chart("1.30.3")}, "istio-base"),
            "1.31.0",
            id="S10: the newer mark counts",
        ),
        pytest.param(crd("a.istio.io", of_chart("1.30.3")), "", id="applied by hand"),
        pytest.param(crd("things.example.com"), None, id="not of Istio"),
    ],
)
def test_domain_13_crds_carry_the_version_that_wrote_them(found: b.Json, version: str | None) -> None:
    with FakeApi(*b.namespaces(), found) as api:
        read = fetch_snapshot(api.client(), b.SYSTEM, pods=False)
        asked = {seen.query["labelSelector"] for seen in api.seen if seen.path == CRDS}
    assert asked == {"operator.istio.io/version", "app.kubernetes.io/part-of=istio,!operator.istio.io/version"}
    assert read.crd_versions.get("a.istio.io") == version


def test_s1_a_cluster_that_cannot_be_identified_is_refused() -> None:
    with FakeApi(b.namespace("default")) as api, pytest.raises(ClusterError, match="shows no namespace kube-system"):
        fetch_snapshot(api.client(), b.SYSTEM, pods=False)


def test_a_permission_that_is_missing_is_named() -> None:
    with FakeApi(*CLUSTER) as api:
        api.script("GET", "/apis/policy/v1/poddisruptionbudgets", failure(403, "no list on poddisruptionbudgets"))
        with pytest.raises(ForbiddenError, match="Reading PodDisruptionBudgets .* no list"):
            fetch_snapshot(api.client(), b.SYSTEM, pods=True)


def test_the_mesh_alone() -> None:
    with FakeApi(*CLUSTER) as api:
        assert fetch_mesh(api.client(), b.SYSTEM) == b.mesh_of(CLUSTER)


def test_pods_survive_a_list_that_was_compacted_away() -> None:
    first = Answer({"metadata": {"continue": "t"}, "items": [b.pod("a")]})
    with FakeApi(b.pod("a"), b.pod("b")) as api:
        api.script("GET", "/api/v1/pods", first, failure(410))
        assert [pod.name for pod in fetch_pods(api.client())[0]] == ["a", "b"]


def test_a_budget_without_status_allows_nothing() -> None:
    raw = b.budget("new", {}, 3)
    del raw["status"]
    with FakeApi(raw) as api:
        assert [budget.allowed for budget in fetch_budgets(api.client())] == [0]


def test_surroundings_that_may_not_be_read_are_named() -> None:
    with FakeApi(*b.two_planes(), *b.namespaces(), b.node("a")) as api:
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=False, precheck_inputs=True)
        assert ([node.name for node in found.precheck_inputs.nodes], found.precheck_inputs.unread) == (["a"], {})
        api.script("GET", "/api/v1/nodes", failure(403, "nodes is forbidden"))
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=False, precheck_inputs=True)
    assert found.precheck_inputs.nodes == ()
    assert "nodes is forbidden" in found.precheck_inputs.unread["nodes"]


def test_a_cluster_that_does_not_answer_is_asked_for_one_thing() -> None:
    with FakeApi(*CLUSTER) as api:
        api.script("GET", "/version", failure(400, "not now"))
        with pytest.raises(ApiError, match="not now"):
            fetch_snapshot(api.client(), b.SYSTEM, pods=True, precheck_inputs=True)
        assert [seen.path for seen in api.seen] == ["/version"]
