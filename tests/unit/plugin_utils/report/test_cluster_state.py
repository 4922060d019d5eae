# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of each cluster in the report, and the verdict."""

from __future__ import annotations

import typing as t

import pytest

from unit.callback import results as r
from unit.callback.recorded_steps import ERROR, REFUSED, failed, installed, read
from unit.callback.results import SimulatedRun

HOST = "paris-1"
UNREACHED = r.base_result(failed=True, msg="It cannot be reached.", failure={"kind": "ClusterError"}) | {
    "cluster": {"id": "", "name": HOST, "server": "https://paris-1"}
}
ANOTHER = r.base_result(failed=True, msg="It is not the expected one.", failure={"kind": "ClusterError"})
LOCKED = r.base_result(
    failed=True, msg="Anna works on it.", failure={"kind": "LockedError", "lock": {"holder": "anna"}}
)
WINDOW = r.restart("Deployment shop/web", remaining=["Deployment shop/cart"], stopped_early=True, not_after="04:00Z")


def nothing(simulated: SimulatedRun) -> None:
    """Record no result."""


def held(simulated: SimulatedRun, begin: t.Callable[[SimulatedRun], object]) -> None:
    """Start no other wave, without a failure here."""
    begin(simulated)
    simulated.task(HOST, "istio_run_record", r.base_result(state="stopped"))


def gave_up(simulated: SimulatedRun) -> None:
    """Run the playbook precheck: it reads all clusters, and fails some of them at the end."""
    simulated.task(HOST, "istio_precheck", r.precheck(ERROR))
    simulated.task(HOST, "", {"failed": True, "msg": "MU010"})


def rescued(simulated: SimulatedRun) -> None:
    failed(simulated)
    simulated.task(HOST, "istio_tag", r.base_result(changed=True))


CASES: dict[str, tuple[t.Callable[[SimulatedRun], object], bool, int, str]] = {
    "all of a canary": (lambda simulated: simulated.canary(HOST), True, 0, "done"),
    "up to date": (
        lambda simulated: simulated.task(HOST, "istio_info", r.info() | {"up_to_date": True}),
        True,
        0,
        "unchanged",
    ),
    "up to date within its limits, with proxies left": (
        lambda simulated: simulated.task(HOST, "istio_info", r.info() | {"up_to_date": True, "left_proxies": 2}),
        True,
        0,
        "incomplete",
    ),
    "left out of the later plays, with proxies left": (
        lambda simulated: simulated.task(HOST, "istio_info", r.info() | {"up_to_date": True, "left_proxies": 2}),
        False,
        0,
        "incomplete",
    ),
    "up to date within its limits, with a namespace left": (
        lambda simulated: simulated.task(
            HOST, "istio_info", r.info() | {"up_to_date": True, "left_proxies": 0, "left_namespaces": ["old"]}
        ),
        True,
        0,
        "incomplete",
    ),
    "held by the budget": (lambda simulated: held(simulated, installed), True, 0, "stopped"),
    "held by the budget before it changed anything": (lambda simulated: held(simulated, read), True, 0, "untouched"),
    "nothing to do": (lambda simulated: simulated.task(HOST, "rollout_restart", r.restart()), True, 0, "unchanged"),
    "only read": (read, True, 0, "passed"),
    "installed, then cut off": (installed, False, 0, "stopped"),
    "read, then cut off": (read, False, 0, "untouched"),
    "never started": (nothing, False, 0, "untouched"),
    "ended early before any task": (nothing, True, 0, "untouched"),
    "the window ended": (lambda simulated: simulated.task(HOST, "rollout_restart", WINDOW), True, 0, "stopped"),
    "a batch failed": (failed, False, 1, "failed"),
    "rescued": (rescued, True, 0, "done"),
    "refused": (lambda simulated: simulated.task(HOST, "istio_precheck", REFUSED), False, 1, "refused"),
    "refused at the end of the playbook": (gave_up, False, 1, "refused"),
    "unreachable": (lambda simulated: simulated.task(HOST, "istio_precheck", UNREACHED), False, 1, "unreachable"),
    "locked by another run": (
        lambda simulated: (
            simulated.task(HOST, "istio_precheck", r.precheck()) and simulated.task(HOST, "istio_revision", LOCKED)
        ),
        False,
        1,
        "locked",
    ),
    "another cluster": (lambda simulated: simulated.task(HOST, "istio_precheck", ANOTHER), False, 1, "failed"),
    "ansible-core does not reach it": (
        lambda simulated: simulated.task(HOST, "", {"msg": "ssh"}, outcome="unreachable"),
        False,
        1,
        "unreachable",
    ),
    "verify has a finding": (
        lambda simulated: simulated.task(
            HOST, "istio_precheck", r.precheck(ERROR, stage="after", failed=True, msg="stale")
        ),
        False,
        1,
        "failed",
    ),
    "an input is wrong": (
        lambda simulated: simulated.task(HOST, "", {"failed": True, "msg": "missing"}),
        False,
        1,
        "failed",
    ),
    "a failure that is ignored": (
        lambda simulated: simulated.task(HOST, "rollout_restart", r.broken(), outcome="ignored"),
        True,
        0,
        "untouched",
    ),
}


@pytest.mark.parametrize(("record", "at_end", "failures", "state"), CASES.values(), ids=CASES)
def test_the_state_of_a_cluster(
    record: t.Callable[[SimulatedRun], object], at_end: bool, failures: int, state: str
) -> None:
    simulated = SimulatedRun(HOST)
    record(simulated)
    if at_end:
        simulated.at_end(HOST)
    report = simulated.end(**{HOST: failures})
    assert report["counts"] == {state: 1}
    assert simulated.cluster()["detail"]


def test_check_mode_changes_nothing_and_promises_nothing() -> None:
    simulated = SimulatedRun(HOST, check_mode=True)
    for action, result in (("istio_precheck", r.precheck()), ("istio_revision", r.install()), ("istio_info", r.info())):
        simulated.task(HOST, action, result, dry_run=True)
    simulated.task(HOST, "rollout_restart", r.restart("Deployment shop/web"), dry_run=True).at_end(HOST)
    report = simulated.end()
    assert report["run"]["verdict"] == "success"
    cluster = simulated.cluster()
    assert (cluster["state"], cluster["changed"], cluster["actions"], cluster["after"]) == ("dry_run", False, [], None)
    assert [wave["outcome"] for wave in cluster["waves"]] == ["dry_run"]


def test_a_running_report_has_no_result() -> None:
    simulated = SimulatedRun("done", "busy", "later").canary("done")
    simulated.task("busy", "istio_precheck", r.precheck())
    report = simulated.report()
    assert report["run"]["verdict"] == "running"
    assert report["run"]["ended"] is None
    assert report["counts"] == {"running": 1, "waiting": 1, "done": 1}
    assert "or was killed" in report["run"]["headline"]


def test_cleanup_tasks_do_not_clear_a_failure() -> None:
    """ansible-core counts no failures of a run that is interrupted while other hosts continue."""
    simulated = SimulatedRun(HOST, "paris-2")
    failed(simulated)
    simulated.task(HOST, "istio_run_record", r.base_result(changed=True)).task(HOST, "", {})
    assert simulated.end("interrupted")["counts"] == {"failed": 1, "untouched": 1}
    assert simulated.cluster()["failures"][0]["final"]


def test_interrupted() -> None:
    simulated = SimulatedRun("done", "busy", "later").canary("done")
    simulated.task("busy", "istio_revision", r.install())
    simulated.run.signal, simulated.run.last_task = "SIGINT", "Restart"
    report = simulated.end("interrupted")
    assert report["counts"] == {"stopped": 1, "untouched": 1, "done": 1}
    assert report["run"]["headline"] == (
        "Interrupted by SIGINT during Restart. 3 clusters: 1 done, 1 stopped partway, 1 left untouched."
    )
