# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every summary of every state of a cluster: the status, the plan, verify, and the report after each of them agree.

Each state exists once, as the objects of an API server. The modules read it as they do in the playbooks.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.fleet_plan import plan_fleet
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import failure_of_cluster
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import fleet_status
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_info, istio_precheck
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import INTERRUPTED
from unit.callback import results as r
from unit.callback.results import SimulatedRun
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.cluster_states import STATES, State
from unit.support.fake_api import FakeApi
from unit.support.running import task

HOST = "paris-1"
#: Codes that are about what an upgrade has left; other ones are not compared here.
ABOUT_THE_UPGRADE = frozenset({"MU020", "MU021", "MU022", "MU024", "MU027", "MU028", "MU122", "MU135", "MU137"})
WITHOUT_SERVER = {"host": "http://127.0.0.1:1"}


def read(state: State, core: t.Any, **options: t.Any) -> b.Json:
    """Return the result of a module on a cluster in a state."""
    with FakeApi(*(state.objects or ())) as api:
        if state.denied:
            api.script("GET", state.denied, *[failure(403, "you may not list pods", "Forbidden")] * 9)
        return task(api, core, **(WITHOUT_SERVER if state.objects is None else {}), **options)


def status_of(state: State) -> b.Json:
    """Return what the playbook status reads."""
    return read(state, istio_info.CORE, record=True)


def verify(state: State) -> b.Json:
    """Return what the playbook verify reads."""
    target = {"version": b.NEW_VERSION, "revision": b.NEW}
    result = read(state, istio_precheck.CORE, stage="after", **target, **state.options)
    return {**result, "invocation": {"module_args": {"stage": "after"}}}


def reported(module: str, result: b.Json, *, rescued: bool = False) -> tuple[str, str]:
    """Return the state and the verdict of a report of one task."""
    simulated = SimulatedRun(HOST).task(HOST, module, result, stage="verify" if "findings" in result else "")
    failed = bool(result.get("failed")) and not rescued
    report = (simulated if failed else simulated.at_end(HOST)).end(**{HOST: int(failed)})
    return report["clusters"][0]["state"], report["run"]["verdict"]


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_status_and_plan(state: State) -> None:
    reading = status_of(state)
    row = fleet_status({HOST: reading}, b.NEW_VERSION)["clusters"][0]
    assert (row["state"], state.reason in row["reason"]) == (state.status, True), row["reason"]
    plan = plan_fleet({HOST: reading}, prechecks={}, version=b.NEW_VERSION, ring_of_cluster={})
    assert plan["counts"] == {state.status: 1}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_report_after_status_never_promises_more_than_a_reading(state: State) -> None:
    reading = status_of(state)
    summary = reported("istio_info", reading, rescued=True)
    if not reading.get("failed"):
        assert summary == ("read", "success")
    else:
        assert summary in {("unreachable", "failed"), ("failed", "failed")}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_verify_and_its_report(state: State) -> None:
    result = verify(state)
    rows = [row for row in result.get("findings", ()) if row["severity"] != "info"]
    assert {row["code"] for row in rows} & ABOUT_THE_UPGRADE == state.verify
    assert reported("istio_precheck", result)[0] == state.report
    assert bool(failure_of_cluster(result, "error")) is (state.report in ("failed", "unreachable"))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_done_is_never_said_of_what_was_to_move(state: State) -> None:
    """The objects are compared directly, without any code of a reader."""
    pods = b.of_kind(state.objects or (), "Pod")
    old = [pod for pod in pods if pod["metadata"]["namespace"] != "teamb" and b.OLD_VERSION in json.dumps(pod["spec"])]
    labels = [obj["metadata"].get("labels", {}) for obj in b.of_kind(state.objects or (), "Namespace")]
    if old or any(own.get("istio.io/rev") == b.OLD for own in labels):
        assert state.status not in ("done", "unreachable")
        assert state.report in ("failed", "incomplete")


def test_an_unreachable_cluster_is_named_in_the_last_line() -> None:
    simulated = SimulatedRun(HOST, "rome-1")
    lost = status_of(STATES["unreachable"])
    simulated.task(HOST, "istio_info", lost).task(HOST, "", {}).task("rome-1", "istio_info", r.info())
    report = simulated.at_end(HOST, "rome-1").end()
    assert report["run"]["headline"] == "2 clusters: 1 read, 1 unreachable."
    assert report["run"]["verdict"] == "failed"


def test_a_reading_that_succeeds_later_is_no_failure() -> None:
    simulated = SimulatedRun(HOST).task(HOST, "istio_info", status_of(STATES["unreachable"]))
    report = simulated.task(HOST, "istio_info", r.info()).at_end(HOST).end()
    assert report["counts"] == {"read": 1}


def test_the_stage_of_a_control_plane_alone_is_not_the_end_of_the_upgrade() -> None:
    simulated = SimulatedRun(HOST).task(HOST, "istio_revision", r.install())
    simulated.task(HOST, "istio_run_record", r.base_result(state="stopped", closed=True, left_proxies=None))
    report = simulated.at_end(HOST).end()
    assert report["run"]["headline"] == "1 cluster: stopped partway."


def ended(how: str) -> SimulatedRun:
    """Return a run that ends in some way."""
    simulated = SimulatedRun(HOST)
    if how == "refused":
        error = r.finding("MU014", "error", "namespace shop")
        return simulated.task(
            HOST, "istio_precheck", {**r.precheck(error), "failed": True, "msg": "MU014"}, stage="precheck"
        )
    if how == "unreachable":
        return simulated.task(HOST, "istio_info", status_of(STATES["unreachable"]))
    simulated.task(HOST, "istio_revision", r.install())
    if how == "rolled back":
        return simulated.task(HOST, "namespace_revision", r.move("shop")).task(HOST, "rollout_restart", r.broken())
    if how == "left":
        row = {**r.STUCK, "kind": "Deployment", "namespace": "shop", "name": "bad", "code": "broken_before"}
        simulated.task(HOST, "rollout_restart", r.restart("Deployment shop/web", unrestartable=[row]))
        return simulated.at_end(HOST)
    return simulated


@pytest.mark.parametrize(
    ("how", "state", "verdict", "last"),
    [
        pytest.param("refused", "refused", "failed", "1 cluster: refused by the precheck.", id="refused precheck"),
        pytest.param("unreachable", "unreachable", "failed", "1 cluster: unreachable.", id="unreachable"),
        pytest.param("rolled back", "failed", "failed", "1 cluster: failed.", id="rolled back"),
        pytest.param(
            "signal", "stopped", "interrupted",
            "Interrupted by SIGTERM during Task of istio_revision. 1 cluster: stopped partway.",
            id="interrupted by a signal",
        ),
        pytest.param(
            "left", "incomplete", "incomplete",
            "1 cluster: incomplete. Not restarted, because they were broken before: Deployment shop/bad.",
            id="broken before",
        ),
    ],
)  # fmt: skip
def test_the_report_of_a_run_that_does_not_complete(how: str, state: str, verdict: str, last: str) -> None:
    simulated = ended(how)
    if how == "signal":
        simulated.run.signal, simulated.run.last_task = "SIGTERM", "Task of istio_revision"
        report = simulated.end(INTERRUPTED)
    else:
        report = simulated.end(**{HOST: int(state in ("refused", "unreachable", "failed"))})
    assert (report["clusters"][0]["state"], report["run"]["verdict"]) == (state, verdict)
    assert report["run"]["headline"] == last
    assert "done" not in report["counts"]


@pytest.mark.parametrize(
    ("verified", "left", "state"),
    [(0, 0, "done"), (0, 3, "incomplete"), (0, None, "done"), (3, 0, "done"), (3, None, "incomplete")],
)
def test_the_end_of_a_run_is_compared_with_the_cluster(verified: int, left: int | None, state: str) -> None:
    simulated = SimulatedRun(HOST).canary(HOST)
    simulated.task(HOST, "istio_precheck", r.precheck(stage="after", left_proxies=verified))
    simulated.task(HOST, "istio_run_record", r.base_result(state="done", closed=True, left_proxies=left))
    report = simulated.end()
    assert report["counts"] == {state: 1}
    assert report["run"]["verdict"] == {"done": "success"}.get(state, state)
