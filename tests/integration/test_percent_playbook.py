# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary of a share of the workloads that choose for themselves, with what stays, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from integration.meshes import ROLLBACK
from integration.objects import REV, changed, labels, objects, pods
from integration.restarts import PLACE, workload
from integration.support import CANARY, NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
INJECT, JOURNAL = "sidecar.istio.io/inject", "meshops.istio/journal"
#: By the names' hashes.
FIRST, LAST = ("x", "v"), ("u", "w")
#: A namespace that selects for its pods, one whose pods select themselves, and one that is not in the mesh.
LABELLED, EXCLUDED = "labelled", "excluded"


def choosing(name: str, namespace: str = PLACE, **own: str) -> Json:
    """A workload with labels of its pods."""
    made = workload("Deployment", name, replicas=1, delay="0s")
    made["metadata"]["namespace"] = namespace
    made["spec"]["template"]["metadata"]["labels"].update(own)
    return made


def namespace(name: str, **own: str) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Istio 1.30.3, and workloads in three namespaces."""
    desk.state = ""
    found = desk.lab.clusters[0]
    found.reset()
    found.install_istio(VERSION, REVISION)
    found.apply(
        [
            *(namespace(PLACE), namespace(EXCLUDED), namespace(LABELLED, **{REV: REVISION})),
            *(choosing(name, **{REV: REVISION}) for name in "uvw"),
            choosing("x", **{INJECT: "true"}),
            choosing("other", EXCLUDED, **{REV: REVISION}),
            choosing("all", LABELLED),
        ]
    )
    found.wait_ready()
    return found


def canary(desk: Desk, cluster: Cluster, percent: int, *flags: str, **variables: Any) -> Play:
    """A run with a share."""
    return desk.play(
        [cluster], "--diff", *flags, istio_percent=percent, istio_exclude_namespaces=[EXCLUDED], **variables
    )


def shares(play: Play, cluster: Cluster) -> list[Json]:
    """The results of the task that moves the share."""
    assert play.returncode == 0, play.output[-5000:]
    return [
        {name: one.result[name] for name in ("changed", "actions", "moved", "movable_workloads", "plan")}
        for one in play.ours(cluster)
        if "Move a percentage of the workloads whose pods select the revision" in one.task
    ]


def on_new(cluster: Cluster) -> set[str]:
    """The workloads with the new proxy."""
    found = {name.partition("-")[0]: pod.version for (_place, name), pod in pods(cluster, MINE).items()}
    return {name for name, version in found.items() if version == NEW_VERSION}


MINE = (PLACE, LABELLED, EXCLUDED)


def test_a_share_moves_after_the_waves_grows_and_goes_back(desk: Desk, cluster: Cluster) -> None:
    def mine() -> dict[Any, Json]:
        return {key: item for key, item in objects(cluster).items() if {key[1], key[2]} & set(MINE)}

    before, mark = mine(), cluster.audit_mark()
    checked = canary(desk, cluster, 50, "--check")
    assert cluster.writes_since(mark) == []
    run = canary(desk, cluster, 50)
    assert [len(one["moved"]) for one in shares(run, cluster)] == [len(FIRST)]
    assert shares(checked, cluster) == shares(run, cluster)
    assert on_new(cluster) == {*FIRST, "all"}
    assert canary(desk, cluster, 50).require_success().recap[cluster.name]["changed"] == 0
    assert labels(cluster)[LABELLED][REV] == NEW_REVISION

    refused = canary(desk, cluster, 50, istio_finalize=True)
    assert "istio_percent=50 keeps workloads on the old revision" in refused.failure(cluster)
    assert refused.of(cluster, "istio_precheck") == []

    desk.play([cluster], playbook=CANARY, istio_exclude_namespaces=[EXCLUDED]).require_success()
    assert on_new(cluster) == {*FIRST, "all"}, "without the variable they stay where they are"
    assert [len(one["moved"]) for one in shares(canary(desk, cluster, 100), cluster)] == [len(LAST)]
    assert on_new(cluster) == {*FIRST, *LAST, "all"}

    checked = desk.play([cluster], "--check", playbook=ROLLBACK).require_success()
    undone = desk.play([cluster], playbook=ROLLBACK).require_success()
    told = [[one["actions"] for one in play.of(cluster, "rollout_restart")] for play in (checked, undone)]
    assert told[0] == told[1]
    assert on_new(cluster) == set()
    left = changed(before, mine())
    # a namespace is restarted by a stamp
    assert left == {("Deployment", LABELLED, "all"): "update"}
    again = desk.play([cluster], playbook=ROLLBACK).require_success()
    assert again.recap[cluster.name]["changed"] == 0


def test_in_a_plan_what_has_moved_needs_the_old_revision_no_more(desk: Desk, cluster: Cluster) -> None:
    mark = cluster.audit_mark()
    finalized = {"istio_finalize": True, "istio_percent": 100}
    kept = canary(desk, cluster, 100, "--check", istio_finalize=True)
    assert f"Deployment {EXCLUDED}/other has 1 live proxy on revision {REVISION}" in kept.failure(cluster)
    assert f"{PLACE}/" not in kept.failure(cluster)
    desk.play([cluster], "--check", **finalized).require_success()
    assert cluster.writes_since(mark) == []
