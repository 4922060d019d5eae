# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where AWX runs it: live lines, statistics, secrets, failures and cancelled jobs under ansible-runner."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import PROCESS_ANNOTATION
from integration.meshes import MERGE, break_it, drop_unrestartable
from integration.objects import pods, until
from integration.runner import COLOUR, Awx, Job, everything, secrets_of
from integration.support import CANARY, NEW_VERSION, Desk, log_in
from integration.test_lock import LEASE, read, record
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: Workloads that do not get ready with the new proxy until they are fixed.
INTAKE, IMAGES = (
    f"/apis/apps/v1/namespaces/{name}" for name in ("orders/deployments/intake", "catalog/deployments/images")
)
WAVES = [["shop"], ["orders"], ["catalog"]]
OTHERS = ["batch", "ingress", "logging", "payments", "reports", "search"]
#: Values of unanswered questions of an AWX survey; ours does not ask for the soak, but a user's survey may.
UNANSWERED = dict.fromkeys(
    (
        "istio_revision",
        "istio_failure_budget",
        "istio_break_lock",
        "istio_namespaces",
        "istio_ring_soak",
        "istio_not_after",
    ),
    "",
)
PRECHECK, ROLLBACK, STATUS = "meshops.istio.precheck", "meshops.istio.rollback", "meshops.istio.status"
RESTART = "Restart stale workloads of wave "
LOCK_SECONDS = 40
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
ELSEWHERE = "another-machine/7/77"
ACCOUNT = {"name": "upgrader", "namespace": "default"}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": ACCOUNT["name"]},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", **ACCOUNT}],
}


@pytest.fixture(scope="module")
def awx(desk: Desk) -> Awx:
    """Two meshes of 1.30.3; in the first one, two workloads do not get ready with the new proxy."""
    first = desk.lab.clusters[0]
    desk.fresh(desk.lab.clusters)
    drop_unrestartable(first)
    for path in (INTAKE, IMAGES):
        break_it(first, path, "never-ready")
    first.wait_ready()
    folder = desk.folder / "awx"
    folder.mkdir(exist_ok=True)
    return Awx(desk, folder, one_kubeconfig(desk, folder))


def one_kubeconfig(desk: Desk, folder: Path) -> str:
    """All clusters of the lab by the key of a certificate, but for the second one: that by a token."""
    second = desk.lab.clusters[1]
    found: Json = yaml.safe_load(desk.lab.kubeconfig.read_text(encoding="utf-8"))
    token = log_in(second, ACCOUNT, [BINDING], folder)["api_key"]
    found["users"].append({"name": ACCOUNT["name"], "user": {"token": token}})
    (context,) = [one["context"] for one in found["contexts"] if one["name"] == second.context]
    context["user"] = ACCOUNT["name"]
    return yaml.safe_dump(found)


def canary(awx: Awx, ident: int, **survey: Any) -> Job:
    """An upgrade of the first cluster in three waves; answers of a survey are texts."""
    waves = {"istio_waves": WAVES, "istio_exclude_namespaces": OTHERS}
    given = {**UNANSWERED, "istio_version": NEW_VERSION, "istio_batch_timeout": "120", **waves, **survey}
    return awx.start(ident, CANARY, awx.desk.lab.clusters[:1], **given)


def stuck(awx: Awx, ident: int, workload: str, **survey: Any) -> Job:
    """One that waits for a workload that does not get ready."""
    job = canary(awx, ident, **survey)
    job.until_it_says(f"waiting for {workload}")
    return job


def upgraded(cluster: Cluster) -> set[str]:
    """The pods of the waves that have the new proxy, except those of the workloads that are fixed later."""
    found = pods(cluster, [name for wave in WAVES for name in wave])
    fixed = ("intake", "images")
    return {pod.uid for key, pod in found.items() if pod.version == NEW_VERSION and not key[1].startswith(fixed)}


def assert_live(job: Job) -> None:
    """Each live line is an event of its own while its task is at work, comes once, and has no control characters."""
    lines, seen = {id(event): (host, text) for event, host, text in job.live()}, job.output
    task: Json = {}
    ended: set[tuple[str, str]] = set()
    before: dict[str, str] = {}
    assert lines
    for event in sorted(job.events, key=lambda one: one["counter"]):
        data = event.get("event_data", {})
        if event["event"] == "playbook_on_task_start":
            task = data
        elif event["event"].startswith("runner_on_") and event["event"] != "runner_on_start":
            ended.add((data["host"], data["task_uuid"]))
        if id(event) in lines:
            host, text = lines[id(event)]
            line = COLOUR.sub("", event["stdout"])
            assert task["task_action"].startswith("meshops.istio."), line
            assert (host, task["task_uuid"]) not in ended, line
            assert line.isprintable(), event
            assert seen.count(line) == 1, line
            assert before.get(host) != text, line
            before[host] = text


@pytest.fixture(scope="module")
def looked(awx: Awx) -> Job:
    """A precheck of both clusters that shows all there is to show."""
    return awx.run(40, PRECHECK, awx.desk.lab.clusters, arguments=["-vvv"], istio_version=NEW_VERSION)


def test_a_precheck_hands_its_summary_on(awx: Awx, looked: Job) -> None:
    assert looked.status[-1] == "successful", looked.output[-5000:]
    assert looked.worker.returncode == 0
    fleet = looked.stats["istio_precheck_fleet"]
    assert sorted(fleet["clean"]) == [one.name for one in awx.desk.lab.clusters]
    assert_live(looked)


def test_of_a_job_whose_container_is_gone_the_lock_runs_out(awx: Awx) -> None:
    cluster = awx.desk.lab.clusters[0]
    job = stuck(awx, 41, "orders/intake", istio_lock_seconds=str(LOCK_SECONDS))
    job.vanish()
    assert record(cluster)["state"] == "running"
    # No process is left to write the report, so it has what was known before.
    told = job.report(job.root / "artifacts" / "41")["run"]
    assert (told["verdict"], told["ended"]) == ("running", None)
    assert told["headline"].startswith("In progress when this was written: the run is either still going")
    # the next job runs in another container, which cannot see that the processes of this one are gone
    cluster.request("PATCH", LEASE, {"metadata": {"annotations": {PROCESS_ANNOTATION: ELSEWHERE}}}, content_type=MERGE)
    lease = read(cluster, LEASE)
    assert lease is not None
    assert lease["spec"]["leaseDurationSeconds"] == LOCK_SECONDS

    refused = canary(awx, 42).end()
    assert refused.outcome == ("failed", "2")
    assert f"Cluster {cluster.name} is being worked on by admin, job 41 since" in " ".join(refused.output.split())
    assert refused.report()["run"]["verdict"] == "failed"
    assert read(cluster, LEASE) == lease

    renewed = datetime.datetime.fromisoformat(lease["spec"]["renewTime"]) - datetime.timedelta(seconds=LOCK_SECONDS)
    cluster.request("PATCH", LEASE, {"spec": {"renewTime": f"{renewed:{TIME}}"}}, content_type=MERGE)
    assert awx.desk.tool(cluster, "istio_info", record=True)["lock"] is None


def test_a_cancelled_job_gives_its_lock_back(awx: Awx) -> None:
    cluster = awx.desk.lab.clusters[0]
    break_it(cluster, INTAKE, None)
    job = stuck(awx, 43, "catalog/images")
    # the line has come, and the task is still at work
    task = job.of("playbook_on_task_start")[-1]["event_data"]
    assert RESTART in task["task"]
    assert not [one for one in job.of("runner_on_ok") if one["event_data"]["task_uuid"] == task["task_uuid"]]
    assert read(cluster, LEASE) is not None
    job.cancel()
    assert job.outcome == ("canceled", "254")
    assert_live(job)
    until(lambda: read(cluster, LEASE) is None, "the lock stays", timeout=15)
    left = record(cluster)
    assert (left["state"], left["phase"], left["started_by"]) == ("stopped", "data_plane", "admin, job 43")
    assert left["previous"]["state"] == "running"

    def interrupted() -> bool:
        run = job.report(job.root / "artifacts" / "43")["run"]
        return (run["verdict"], run["signal"]) == ("interrupted", "SIGKILL")

    until(interrupted, "the report does not show it", timeout=15)


def test_the_next_job_comes_to_the_end_and_restarts_nothing_twice(awx: Awx) -> None:
    cluster = awx.desk.lab.clusters[0]
    done = upgraded(cluster)
    assert done
    break_it(cluster, IMAGES, None)
    job = canary(awx, 44).end()
    assert job.outcome == ("successful", "0"), job.output[-5000:]
    assert_live(job)
    assert [one["state"] for one in job.stats["istio_fleet_plan"]["clusters"]] == ["interrupted"]
    # finalize is still to come for the pods that follow the default, so the status below is "half done"
    row = job.stats["istio_fleet_run"][cluster.name]
    assert (row["state"], row["phase"]) == ("incomplete", "")
    assert row["message"].endswith(f" of the proxies do not run {NEW_VERSION}.")
    assert job.report()["run"]["verdict"] == "incomplete"
    assert read(cluster, LEASE) is None
    # nothing was left to write, and yet the record says that the upgrade has come to its end
    assert (record(cluster)["state"], record(cluster)["job"]) == ("done", "44")
    assert record(cluster)["previous"]["job"] == "43"
    assert done <= upgraded(cluster)


def test_a_rollback_of_two_rings_that_nobody_answered_anything_for(awx: Awx) -> None:
    """The display of ansible-runner gives the play of the second ring another UUID."""
    job = awx.run(46, ROLLBACK, awx.desk.lab.clusters, arguments=["--check"], **UNANSWERED)
    assert job.outcome == ("successful", "0"), job.output[-5000:]
    names = [one.name for one in awx.desk.lab.clusters]
    assert len(job.of("playbook_on_play_start")) > 3
    assert job.stats["istio_fleet_run"] == {name: {"state": "dry_run", "phase": "", "message": ""} for name in names}
    assert {one["host"]: one["state"] for one in job.report()["clusters"]} == dict.fromkeys(names, "dry_run")
    assert job.report()["run"]["verdict"] == "success"


def test_the_status_of_the_fleet_is_handed_on(awx: Awx) -> None:
    job = awx.run(45, STATUS, awx.desk.lab.clusters, istio_version=NEW_VERSION)
    assert job.outcome == ("successful", "0")
    first, second = awx.desk.lab.clusters
    states = {one["cluster"]: one["state"] for one in job.stats["istio_fleet_status"]["clusters"]}
    assert states == {first.name: "half done", second.name: "not begun"}


def test_nobody_sees_a_secret_however_much_is_asked_for(awx: Awx, looked: Job) -> None:
    secrets = secrets_of(awx.kubeconfig)
    assert len(secrets) > 1
    assert looked in awx.jobs
    for job in awx.jobs:
        kept = list(everything(job))
        assert len(kept) > len(job.events) > 0
        for name, text in kept:
            assert not [secret for secret in secrets if secret in text], name
