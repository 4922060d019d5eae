# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every summary of every state of a cluster: the status, the plan, verify, and the report after each of them agree.

Each state exists once, as the objects of an API server. The modules read it as they do in the playbooks.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.fleet_plan import plan_fleet
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import failure_of_cluster
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import fleet_status
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_info, istio_precheck
from unit.callback import results as r
from unit.callback.results import SimulatedRun
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.locking import lease
from unit.support.running import task

HOST = "paris-1"
PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]
#: All that a finished upgrade leaves.
MOVED = [*b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)]
GATEWAY = {"annotations": {"inject.istio.io/templates": "gateway"}}
OWN_LABEL = {"pod_labels": {"istio.io/rev": b.OLD, "sidecar.istio.io/inject": "true"}}
UNREADABLE = {"istio.io/rev": "", "sidecar.istio.io/status": "[" * 150_000}


def record(state: str) -> b.Json:
    """Return the record of the last run."""
    last = {"strategy": "canary", "version": "1.31.0", "revision": b.NEW, "phase": "data_plane", "message": "no room"}
    run = {**last, "state": state, "started_by": "anna@desk", "updated": "then", "id": "r1"}
    return {"kind": "ConfigMap", "metadata": b.meta(STATE_NAME, b.SYSTEM), "data": {RECORD_KEY: json.dumps(run)}}


def with_variant(variant: str) -> list[b.Json]:
    """Return a finished upgrade whose images have a variant or are digests."""
    version = f"{b.NEW_VERSION}-{variant}"
    return [
        *b.plane(b.NEW, version),
        *b.revision_tag("default", b.NEW),
        *b.namespaces(shop=b.NEW),
        *b.deployed(revision=b.NEW, image=b.proxy(version)),
    ]


def managed(version: str) -> b.Json:
    """Return a pod of a gateway that istiod manages."""
    labels = {"gateway.istio.io/managed": "istio.io-gateway-controller", "istio.io/rev": b.OLD}
    return b.pod("gw-istio-1", "edge", image=b.proxy(version), labels=labels, owner=None)


@dataclasses.dataclass(frozen=True)
class State:
    """A state of a cluster, and what each reader returns for it.

    Attributes:
        objects: the objects of the API server; None for a cluster that cannot be reached.
        status: the state of the playbook status, and of the plan.
        reason: a part of the reason that status gives.
        verify: codes of the errors and warnings of verify.
        report: the state in the report after verify.
    """

    objects: list[b.Json] | None
    status: str
    reason: str
    verify: frozenset[str]
    report: str
    denied: str = ""


def of(objects: list[b.Json] | None, status: str, reason: str, *verify: str, report: str, **more: t.Any) -> State:
    """Return a state."""
    return State(objects, status, reason, frozenset(verify), report, **more)


STATES = {
    "unreachable": of(None, "unreachable", "cannot be reached", report="unreachable"),
    "not begun": of(
        [*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()],
        "not begun", "1.31.0 is not installed", "MU135", "MU122", "MU137", report="failed",
    ),
    "only the control plane is installed": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed()],
        "not begun", "0 of 1 proxies run 1.31.0", "MU135", "MU122", report="failed",
    ),
    "half moved": of(
        [*PLANES, *b.namespaces(shop=b.NEW, blog=b.OLD), *b.deployed(revision=b.NEW), *b.deployed("b", "blog")],
        "half done", "1 of 2 proxies run 1.31.0", "MU135", "MU122", report="failed",
    ),
    "moved, not restarted": of(
        [*PLANES, *b.namespaces(shop=b.NEW), *b.deployed()],
        "not begun", "0 of 1 proxies run 1.31.0", "MU020", report="failed",
    ),
    "labels put back after the restart": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed(revision=b.NEW)],
        "half done", "1 proxies are stale", "MU135", "MU024", report="failed",
    ),
    "a namespace without pods is left": of(
        [*PLANES, *b.namespaces(shop=b.NEW, empty=b.OLD), *b.deployed(revision=b.NEW)],
        "half done", "the labels of empty select", "MU135", report="failed",
    ),
    "an injected gateway is left": of(
        [*MOVED, *b.plane(b.OLD), *b.namespaces(edge=None)[-1:], *b.deployed("gw", "edge", **GATEWAY, **OWN_LABEL)],
        "half done", "1 of 2 proxies run 1.31.0", "MU122", report="incomplete",
    ),
    "a gateway of the Gateway API is left": of(
        [*MOVED, *b.plane(b.OLD), *b.namespaces(edge=b.NEW)[-1:], managed(b.OLD_VERSION)],
        "half done", "1 of 2 proxies run 1.31.0", "MU122", report="incomplete",
    ),
    "the default tag is left": of(
        [*PLANES, *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)],
        "done", "not finalized: the default leads to 1-30-3, 1-30-3 is still installed", report="verified",
    ),
    "the old revision is not removed": of(
        [*MOVED, *b.plane(b.OLD)], "done", "not finalized: 1-30-3 is still installed", report="verified"
    ),
    "pods that cannot be restarted are left": of(
        [*MOVED, *b.plane(b.OLD), b.pod("alone", owner=None)],
        "half done", "1 of 2 proxies run 1.31.0", "MU021", report="incomplete",
    ),
    "pinned pods are left": of(
        [*MOVED, b.pod("pinned", revision=b.NEW, image=b.proxy("1.30.3"), owner=None,
                       annotations={"sidecar.istio.io/proxyImage": b.proxy("1.30.3")})],
        "half done", "1 of 2 proxies run 1.31.0", "MU028", report="incomplete",
    ),
    "distroless": of(with_variant("distroless"), "done", "", report="verified"),
    "a build of a vendor": of(with_variant("solo-fips"), "done", "", report="verified"),
    "another mesh beside": of(
        [*MOVED, *b.in_mesh("istio-b", b.plane("b", "1.29.0")), *b.namespaces(teamb="b")[-1:],
         b.pod("b-1", "teamb", revision="b", image=b.proxy("1.29.0"), home="istio-b")],
        "done", "", report="verified",
    ),
    "killed": of([*MOVED, record("running")], "interrupted", "ended in data_plane", report="verified"),
    "failed": of([*MOVED, record("failed")], "failed", "no room", report="verified"),
    "locked": of([*MOVED, lease()], "locked", "works on it", report="verified"),
    "up to date": of(MOVED, "done", "", report="verified"),
    "nothing in the mesh": of([*b.plane(b.NEW), *b.namespaces()], "done", "", report="verified"),
    "no control plane": of(b.namespaces(), "not begun", "1.31.0 is not installed", "MU137", report="failed"),
    "parts cannot be read": of(
        [*MOVED, b.pod("odd", revision=b.NEW, annotations=UNREADABLE, owner=None)],
        "half done", "1 proxies are stale", "MU021", report="incomplete",
    ),
    "pods may not be read": of(MOVED, "unreachable", "HTTP 403", report="failed", denied="/api/v1/pods"),
}  # fmt: skip


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
    result = read(state, istio_precheck.CORE, stage="after", **target)
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
