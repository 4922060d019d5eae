# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a cluster: upgrades, hands of people, a killed run, ways back and a downgrade (safety rules S9, S16).

After each step every namespace, tag, control plane, pod and memory is compared with a table that is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from integration.meshes import ADMISSION, DOWNGRADE, MERGE, MESH, ROLLBACK, break_it, drop_unrestartable
from integration.objects import INJECTION, REV, labels, pods
from integration.support import CANARY, Desk, Play
from integration.test_killed import kill_when
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
JOURNAL = "meshops.istio/journal"
INTAKE, API = (
    "/apis/apps/v1/namespaces/orders/deployments/intake",
    "/apis/apps/v1/namespaces/payments/deployments/api",
)
TAGGED, ENABLED = {REV: "prod"}, {INJECTION: "enabled"}


@dataclass(frozen=True)
class Mesh:
    """A cluster at one time, as the table says it is or as the API server says it."""

    #: The injection labels of each namespace.
    labels: Mapping[str, Mapping[str, str]]
    #: Where each tag leads.
    tags: Mapping[str, str]
    planes: frozenset[str]
    #: The version of the proxies of each namespace that has pods.
    proxies: Mapping[str, str]
    #: The annotations that record a change by a run.
    remembering: frozenset[str] = frozenset()

    def but(self, **changes: Any) -> Mesh:
        """The same with other labels or versions of some namespaces, or other tags, planes and memories."""
        for key in ("labels", "proxies"):
            if key in changes:
                changes[key] = {**getattr(self, key), **changes[key]}
        return replace(self, **changes)


def at(version: str, **other_labels: Mapping[str, str]) -> Mesh:
    """A mesh that is on one version as a whole: these labels are others than the revision's."""
    revision = version.replace(".", "-")
    return Mesh(
        labels={name: other_labels.get(name, {REV: revision}) for name in MESH},
        tags=dict.fromkeys(("default", "prod"), revision),
        planes=frozenset({revision}),
        proxies={name: version for name in MESH if name != "batch"},
    )


BY_HAND = {"search": TAGGED, "orders": ENABLED}
LATER = {"search": TAGGED, "catalog": TAGGED}

TABLE = {
    "installed": at("1.30.2", catalog=ENABLED, reports=TAGGED),
    "upgraded to 1.30.3": at("1.30.3", reports=TAGGED),
    "labelled by hand": at("1.30.3", reports=TAGGED, **BY_HAND),
    # batch and catalog had moved, logging and orders were at it; catalog was labelled by hand after that
    "killed at 1.31.0, then rolled back": at("1.30.3", reports=TAGGED, **BY_HAND, catalog=TAGGED).but(
        proxies={"catalog": "1.31.0"},
        planes=frozenset({"1-30-3", "1-31-0"}),
        remembering=frozenset({"Namespace catalog"}),
    ),
    "upgraded to 1.31.0": at("1.31.0", reports=TAGGED, **LATER),
    "downgraded to 1.30.3": at("1.30.3", reports=TAGGED, **LATER),
    # the first wave is through, the second one went back
    "failed at 1.31.1": at("1.30.3", reports=TAGGED, **LATER).but(
        labels={"batch": {REV: "1-31-1"}, "logging": {REV: "1-31-1"}},
        proxies={"logging": "1.31.1"},
        planes=frozenset({"1-30-3", "1-31-1"}),
        remembering=frozenset({"Namespace batch", "Namespace logging"}),
    ),
    "rolled back": at("1.30.3", reports=TAGGED, **LATER).but(planes=frozenset({"1-30-3", "1-31-1"})),
    "retired": at("1.30.3", reports=TAGGED, **LATER),
}


def read(cluster: Cluster) -> Mesh:
    """The state of the API server, read without the collection."""
    spaces = cluster.items("/api/v1/namespaces")
    hooks = cluster.items(f"{ADMISSION}/mutatingwebhookconfigurations")
    deployments = cluster.items("/apis/apps/v1/deployments")
    sets, daemons = (cluster.items(f"/apis/apps/v1/{kind}") for kind in ("statefulsets", "daemonsets"))
    kinds = (("Namespace", spaces), ("Webhook", hooks), ("Deployment", deployments), ("StatefulSet", sets))
    proxies: dict[str, set[str]] = {}
    for (namespace, _name), pod in pods(cluster, MESH).items():
        if not pod.done:
            proxies.setdefault(namespace, set()).add(pod.version)
            assert pod.annotated == pod.injected_by == pod.version.replace(".", "-")
    return Mesh(
        labels={
            name: {key: value for key, value in found.items() if key in (REV, INJECTION)}
            for name, found in labels(cluster).items()
            if name in MESH
        },
        tags={
            one["metadata"]["labels"]["istio.io/tag"]: one["metadata"]["labels"][REV]
            for one in hooks
            if "istio.io/tag" in one["metadata"].get("labels", {})
        },
        planes=frozenset(
            one["metadata"]["labels"][REV] for one in deployments if one["metadata"]["labels"].get("app") == "istiod"
        ),
        proxies={name: " ".join(sorted(found)) for name, found in proxies.items()},
        remembering=frozenset(
            f"{kind} {one['metadata']['name']}"
            for kind, items in (*kinds, ("DaemonSet", daemons))
            for one in items
            if any(key.startswith("meshops.istio/") for key in one["metadata"].get("annotations", {}))
        ),
    )


@dataclass
class Life:
    """One cluster, and how it was after each step."""

    desk: Desk
    cluster: Cluster
    seen: dict[str, Mesh] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)
    status: dict[str, Json] = field(default_factory=dict)

    def play(self, step: str, playbook: str = CANARY, **variables: Any) -> None:
        """Run a playbook and read the cluster."""
        self.plays[step] = self.desk.play([self.cluster], playbook=playbook, **variables)
        self.read(step)

    def read(self, step: str) -> None:
        """Read the cluster once its workloads stand."""
        self.cluster.wait_ready()
        self.seen[step] = read(self.cluster)
        self.status[step] = self.desk.tool(self.cluster, "istio_info", record=True)

    def label(self, namespace: str, wanted: Mapping[str, str]) -> None:
        """Label a namespace by hand."""
        given = {key: wanted.get(key) for key in (REV, INJECTION)}
        path = f"/api/v1/namespaces/{namespace}"
        self.cluster.request("PATCH", path, {"metadata": {"labels": given}}, content_type=MERGE)


def live(desk: Desk, cluster: Cluster) -> Iterator[Life]:
    """Run the life of a cluster, step by step."""
    life = Life(desk, cluster)
    cluster.reset()
    cluster.install_istio("1.30.2", "1-30-2")
    cluster.istioctl("1.30.2", "tag", "set", "prod", "--revision", "1-30-2", "-y")
    cluster.seed("1-30-2")
    cluster.wait_ready()
    drop_unrestartable(cluster)
    life.read("installed")
    yield life

    life.play("upgraded to 1.30.3", istio_version="1.30.3", istio_finalize=True)
    for namespace, wanted in BY_HAND.items():
        life.label(namespace, wanted)
    life.read("labelled by hand")

    break_it(cluster, INTAKE, "never-ready", proxy="1.31.0")
    cluster.wait_ready()
    running = desk.start([cluster], istio_version="1.31.0", istio_wave_size=2)
    kill_when(running, lambda: any(pod.version == "1.31.0" for pod in pods(cluster, ["orders"]).values()))
    break_it(cluster, INTAKE, None)
    life.label("catalog", TAGGED)
    cluster.wait_ready()
    life.status["killed"] = desk.tool(cluster, "istio_info", record=True)
    life.play("killed at 1.31.0, then rolled back", ROLLBACK)

    life.play("upgraded to 1.31.0", istio_version="1.31.0", istio_finalize=True)
    life.play("downgraded to 1.30.3", DOWNGRADE, istio_version="1.30.3")

    break_it(cluster, API, "proxy-crash", proxy="1.31.1")
    cluster.wait_ready()
    life.play("failed at 1.31.1", istio_version="1.31.1", istio_wave_size=2)
    break_it(cluster, API, None)
    life.play("rolled back", ROLLBACK)
    life.plays["again"] = desk.play([cluster], playbook=ROLLBACK)
    assert not desk.tool(cluster, "istio_revision", revision="1-31-1", state="absent").get("failed")
    life.read("retired")


@pytest.fixture(scope="module")
def life(desk: Desk) -> Life:
    """The whole story, run once."""
    desk.state = ""
    told = list(live(desk, desk.lab.clusters[0]))
    return told[0]


@pytest.mark.parametrize("step", TABLE)
def test_after_each_step_the_cluster_is_what_the_table_says(life: Life, step: str) -> None:
    play = life.plays.get(step)
    assert life.seen[step] == TABLE[step], play.output[-6000:] if play else ""


@pytest.mark.parametrize(
    ("step", "ends_well"),
    [(name, name != "failed at 1.31.1") for name in TABLE if name not in ("installed", "labelled by hand", "retired")],
)
def test_each_run_ends_as_it_should(life: Life, step: str, ends_well: bool) -> None:
    assert (life.plays[step].returncode == 0) is ends_well, life.plays[step].output[-6000:]


def test_status_says_what_a_rollback_would_undo(life: Life) -> None:
    """Of the killed run, and of the failed one; then there is nothing left of it."""
    killed = life.status["killed"]["undo"]
    assert [row["name"] for row in killed["namespaces"]] == ["batch", "logging", "orders"]
    assert [(row["namespace"], row["failed"]) for row in killed["not_restored"]] == [("catalog", False)]
    assert next(row["before"] for row in killed["namespaces"] if row["name"] == "orders") == ENABLED
    failed = life.status["failed at 1.31.1"]["undo"]
    assert [row["name"] for row in failed["namespaces"]] == ["batch", "logging"]
    assert life.status["rolled back"]["undo"]["namespaces"] == []
    assert life.status["rolled back"]["undo"]["run_id"] == failed["run_id"]


def test_what_somebody_changed_since_is_named_and_left(life: Life) -> None:
    output = life.plays["killed at 1.31.0, then rolled back"].output
    assert "Namespace catalog: it was changed since" in output


def test_a_rollback_that_is_done_finds_nothing_to_undo(life: Life) -> None:
    again = life.plays["again"].require_success()
    assert again.recap[life.cluster.name]["changed"] == 0


def test_a_run_that_no_cluster_knows_is_refused(life: Life) -> None:
    play = life.desk.play([life.cluster], playbook=ROLLBACK, istio_run_id="r0123456789")
    assert "No cluster knows run r0123456789" in play.failure(life.cluster)
