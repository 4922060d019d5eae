# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A share of the workloads that choose by the labels of their pods: there in steps, back exactly, refused elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration.meshes import MERGE, break_it
from integration.objects import REV, changed, objects, pods, until
from integration.restarts import PLACE, clear, two_revisions, workload
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
INJECT, JOURNAL = "sidecar.istio.io/inject", "meshops.istio/journal"
#: By the names' hashes, the lowest first, then the gateway.
ORDER = ["f", "e", "d", "h", "g", "c", "j", "a", "b", "in"]
#: Workloads that name no revision follow the default.
BY_DEFAULT = ("g", "h", "in")
STUCK = {"paused": "paused", "ondelete": "on_delete", "fixed": "selector"}


def choosing(kind: str, name: str, *, replicas: int = 1, **spec: Any) -> Json:
    """A workload whose pods choose for themselves."""
    made = workload(kind, name, replicas=replicas, delay="0s", **spec)
    own = {INJECT: "true"} if name in BY_DEFAULT else {REV: REVISION}
    made["spec"]["template"]["metadata"]["labels"].update(own)
    return made


def population() -> list[Json]:
    """Ten workloads that can be moved, three that choose and cannot be, three that do not choose."""
    movable = [choosing("StatefulSet" if name == "j" else "Deployment", name, replicas=2) for name in "abcdefghj"]
    gateway = choosing("Deployment", "in")
    gateway["spec"]["template"]["metadata"]["annotations"]["inject.istio.io/templates"] = "gateway"
    gateway["spec"]["template"]["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    fixed = choosing("Deployment", "fixed")
    fixed["spec"]["selector"]["matchLabels"][REV] = REVISION
    left = choosing("Deployment", "paused"), choosing("DaemonSet", "ondelete", updateStrategy={"type": "OnDelete"})
    out = choosing("Deployment", "out")
    out["spec"]["template"]["metadata"]["labels"][INJECT] = "false"
    host = choosing("Deployment", "host")
    host["spec"]["template"]["spec"]["hostNetwork"] = True
    return [*movable, gateway, fixed, *left, out, host, workload("Deployment", "plain", replicas=1)]


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Two revisions."""
    return two_revisions(desk)


@pytest.fixture
def place(cluster: Cluster) -> Cluster:
    """A namespace without a label, in which pods choose."""
    clear(cluster)
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}}, *population()])
    cluster.wait_ready([PLACE])
    path = f"/apis/apps/v1/namespaces/{PLACE}/deployments/paused"
    cluster.request("PATCH", path, {"spec": {"paused": True}}, content_type=MERGE)
    return cluster


def share(desk: Desk, cluster: Cluster, percent: int, *, check: bool = False, **options: Any) -> Json:
    """The result of a move of a share of the namespace."""
    given = {"namespaces": [PLACE], "revision": NEW_REVISION, "percent": percent, **options}
    return desk.tool(cluster, "rollout_restart", check=check, **given)


def on_new(cluster: Cluster) -> set[str]:
    """The workloads all of whose pods have the new proxy; the others have the old one, or none as before."""
    found: dict[str, set[str]] = {}
    for (_namespace, name), pod in pods(cluster, [PLACE]).items():
        found.setdefault(name.partition("-")[0], set()).add(pod.version)
    expected = {VERSION, NEW_VERSION}
    for name, versions in found.items():
        assert versions <= ({""} if name in ("out", "host", "plain") else expected), name
        assert len(versions) == 1, name
    return {name for name, versions in found.items() if versions == {NEW_VERSION}}


def on_old(cluster: Cluster, name: str) -> bool:
    """Whether a workload has a pod with the old proxy."""
    found = pods(cluster, [PLACE]).items()
    return any(pod.version == VERSION for (_place, pod_name), pod in found if pod_name.startswith(f"{name}-"))


def by_us(entry: Json) -> bool:
    """Whether a line of the audit log is a change of a Deployment by a module."""
    about = entry["objectRef"]
    mine = (about.get("resource"), about.get("namespace"), about.get("subresource")) == ("deployments", PLACE, None)
    return mine and entry["verb"] == "patch"


def of_place(cluster: Cluster) -> dict[Any, Json]:
    """Every object of the namespace, but for what is derived."""
    return {key: item for key, item in objects(cluster).items() if PLACE in (key[1], key[2])}


def steps(result: Json) -> Json:
    """The values that check mode and the real run must share."""
    assert not result.get("failed"), result["msg"]
    return {
        name: result[name]
        for name in ("actions", "diff", "moved", "movable_workloads", "batches", "plan", "unrestartable")
    }


def test_the_share_grows_and_shrinks_and_is_put_back_exactly(desk: Desk, place: Cluster) -> None:
    before, running = of_place(place), pods(place, [PLACE])
    for percent, count in ((10, 1), (50, 5), (100, 10), (50, 5), (0, 0)):
        had = on_new(place)
        planned = share(desk, place, percent, check=True)
        result = share(desk, place, percent)
        assert steps(planned) == steps(result)
        assert {row["workload"].rpartition("/")[2] for row in result["moved"]} == set(ORDER[:count]) ^ had
        assert on_new(place) == set(ORDER[:count])
        assert result["movable_workloads"][0]["workloads"] == 10
        assert len(result["movable_workloads"][0]["selected"]) == count
        expected = STUCK if percent else {}
        assert {row["name"]: row["code"] for row in result["unrestartable"]} == expected
        mark = place.audit_mark()
        again = share(desk, place, percent)
        assert (again["changed"], again["moved"]) == (False, [])
        assert place.writes_since(mark) == []
    assert changed(before, of_place(place)) == {}
    for key, pod in running.items():
        if key[1].partition("-")[0] not in ORDER:
            assert pods(place, [PLACE])[key] == pod, "what does not choose is left alone"


def test_the_memory_tells_what_was_there(desk: Desk, place: Cluster) -> None:
    assert share(desk, place, 100)["moved"]
    kept = {
        key[2]: [change["before"] for change in json.loads(item["metadata"]["annotations"][JOURNAL])]
        for key, item in of_place(place).items()
        if JOURNAL in item["metadata"].get("annotations", {})
    }
    assert kept == {name: [{} if name in BY_DEFAULT else {REV: REVISION}] for name in ORDER}


@pytest.mark.parametrize(
    ("labels", "options", "sentence"),
    [
        ({REV: REVISION}, {}, f"label {REV}={REVISION} of namespace {PLACE} selects the revision"),
        ({"istio-injection": "disabled"}, {}, "label istio-injection=disabled"),
        ({}, {"revision": "1-99-0"}, "No injector owns the name '1-99-0'"),
    ],
)
def test_where_no_share_can_be_moved_nothing_is_written(
    desk: Desk, place: Cluster, labels: Json, options: Json, sentence: str
) -> None:
    place.request("PATCH", f"/api/v1/namespaces/{PLACE}", {"metadata": {"labels": labels}}, content_type=MERGE)
    mark = place.audit_mark()
    result = share(desk, place, 10, **options)
    assert result["failed"]
    assert sentence in result["msg"]
    assert place.writes_since(mark) == []


def test_a_failure_puts_back_what_this_run_moved_and_no_more(desk: Desk, place: Cluster) -> None:
    share(desk, place, 10)
    break_it(place, f"/apis/apps/v1/namespaces/{PLACE}/deployments/{ORDER[3]}", "proxy-crash")
    place.wait_ready([PLACE])
    before = of_place(place)
    result = share(desk, place, 50, batch_size=1)
    assert result["failed"]
    assert {one["workload"] for one in result["failure"]["evidence"]} == {f"Deployment {PLACE}/{ORDER[3]}"}
    assert result["failure"]["rolled_back"] is True
    assert changed(before, of_place(place)) == {}
    until(lambda: on_new(place) == {ORDER[0]}, "a share that had worked is gone")


def test_a_killed_run_is_continued_and_nothing_is_moved_twice(desk: Desk, place: Cluster) -> None:
    first, second = sorted(ORDER[:2])
    path = f"/apis/apps/v1/namespaces/{PLACE}/deployments/{first}"
    break_it(place, path, "slow-start")
    notes = {"lab.meshops.dev/delay": "10s"}
    place.request("PATCH", path, {"spec": {"template": {"metadata": {"annotations": notes}}}}, content_type=MERGE)
    place.wait_ready([PLACE])
    options: Json = {"namespaces": [PLACE], "revision": NEW_REVISION, "percent": 20, "batch_size": "1"}
    login = {"kubeconfig": str(place.kubeconfig), "context": place.context}
    task = {"meshops.istio.rollout_restart": options | login}
    playbook = desk.folder / "share.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    mark = place.audit_mark()
    running = desk.start([place], playbook=str(playbook))
    until(lambda: JOURNAL in str(place.request("GET", path)["metadata"]), "nothing was moved")
    running.kill()
    assert on_old(place, first), "it was killed too late"
    found = desk.tool(place, "rollout_restart", **options)
    assert [row["workload"] for row in found["moved"]] == [f"Deployment {PLACE}/{second}"]
    assert found["resumed"] == [f"Deployment {PLACE}/{first}"]
    assert on_new(place) == {first, second}
    patched = [one["objectRef"]["name"] for one in place.writes_since(mark) if by_us(one)]
    assert patched == [first, second]
