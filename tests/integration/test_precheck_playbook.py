# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook precheck over a fleet: a mesh in order, one with faults, and an unreachable cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integration.meshes import MERGE, OUTSIDE, PATCH_VERSION
from integration.objects import REV
from integration.safety import no_write
from integration.support import CANARY, NEW_REVISION, NEW_VERSION, REVISION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
PRECHECK = "meshops.istio.precheck"
SUM, JUDGE = "Summarize all clusters", "Fail a cluster that does not pass"
NOWHERE = "nowhere"
GONE = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none"}
LOST = "default"
WAIVER = {"code": "MU010", "object": f"namespace {LOST}", "reason": "It goes on Friday, MESH-42."}


@pytest.fixture
def broken(calm: Cluster) -> Iterator[Cluster]:
    """The populated cluster with a dangling label, and a workload that got its namespace's label too late."""

    def label(lost: str | None, late: str | None) -> None:
        for name, value in ((LOST, lost), (OUTSIDE, late)):
            body = {"metadata": {"labels": {REV: value}}}
            calm.request("PATCH", f"/api/v1/namespaces/{name}", body, content_type=MERGE)

    label("1-29-9", REVISION)
    yield calm
    label(None, None)


@pytest.fixture
def fleet(desk: Desk, broken: Cluster, gated: Cluster, tmp_path: Path) -> Any:
    """Run the playbook on both clusters and on one that is not there; it writes nothing."""
    inventory = tmp_path / "nowhere.json"
    inventory.write_text(json.dumps({"all": {"hosts": {NOWHERE: GONE}}}), encoding="utf-8")
    clusters = [broken, gated]

    def run(*flags: str, **variables: Any) -> Play:
        with ExitStack() as stack:
            for cluster in clusters:
                stack.enter_context(no_write(cluster))
            options = {"istio_version": NEW_VERSION, **variables}
            return desk.play(clusters, "-i", str(inventory), *flags, playbook=PRECHECK, **options)

    return run


def handed_on(play: Play) -> Json:
    """The data that a workflow gets."""
    (stats,) = [one.result["ansible_stats"]["data"] for one in play.results if one.action.endswith("set_stats")]
    found: Json = stats["istio_precheck_fleet"]
    return found


def ended(play: Play) -> set[str]:
    """The hosts that failed."""
    return {name for name, counts in play.recap.items() if counts["failures"] or counts["unreachable"]}


def codes(play: Play) -> dict[tuple[str, str], list[str]]:
    """Code and severity to the clusters on which it was found."""
    return {(one["code"], one["severity"]): one["clusters"] for one in handed_on(play)["findings"]}


def test_every_cluster_is_looked_at_before_one_fails(fleet: Any, broken: Cluster, gated: Cluster) -> None:
    play = fleet()
    assert play.returncode == 2
    assert ended(play) == {broken.name, NOWHERE}
    found = handed_on(play)
    assert codes(play)["MU010", "error"] == [broken.name]
    assert codes(play)["MU027", "warning"] == [broken.name]
    assert [(one["cluster"], one["kind"]) for one in found["unread"]] == [(NOWHERE, "ClusterError")]
    assert found["clean"] == [gated.name]
    assert play.output.index(f"TASK [{SUM}]") < play.output.index(f"TASK [{JUDGE}]")
    verdict = play.failure(broken)
    assert verdict.startswith(f"Cluster {broken.name} is not ready to be upgraded: MU010 namespace {LOST}: ")
    judged = {one.host: one.result["msg"] for one in play.results if (one.task, one.status) == (JUDGE, "failed")}
    assert judged == {broken.name: verdict, NOWHERE: found["unread"][0]["message"]}
    assert "cannot be reached" in judged[NOWHERE]
    assert [one.result["msg"] for one in play.results if one.task == SUM] == [found["lines"]]


def test_check_mode_says_the_same(fleet: Any) -> None:
    assert handed_on(fleet("--check")) == handed_on(fleet())


def test_a_limit_leaves_others_out_and_a_healthy_cluster_fits_on_a_screen(fleet: Any, gated: Cluster) -> None:
    play = fleet("--limit", gated.name).require_success()
    assert handed_on(play)["clusters"] == 1
    assert set(play.recap) == {gated.name}
    assert [one.result for one in play.results if one.task == SUM] == []
    assert len(play.output.splitlines()) <= 40


def test_a_waiver_turns_the_run_green_and_stays_visible(
    fleet: Any, broken: Cluster, gated: Cluster, tmp_path: Path
) -> None:
    """The date is one of YAML, as people write it in their variables."""
    variables = tmp_path / "waivers.yml"
    variables.write_text(f"istio_waivers: [{json.dumps(WAIVER)[:-1]}, expires: 2999-12-31}}]", encoding="utf-8")
    play = fleet("--limit", f"{broken.name},{gated.name}", "-e", f"@{variables}").require_success()
    assert codes(play)["MU010", "waived"] == [broken.name]
    assert ("MU010", "error") not in codes(play)
    assert codes(play)["MU093", "info"] == [gated.name]
    assert f"waived until 2999-12-31: {WAIVER['reason']}" in play.output
    (result,) = play.of(broken, "istio_precheck")
    assert (result["summary"]["error"], result["summary"]["waived"]) == (0, 1)


def test_an_expired_waiver_waives_nothing_and_is_a_finding(fleet: Any, broken: Cluster, gated: Cluster) -> None:
    play = fleet("--limit", broken.name, istio_waivers=[{**WAIVER, "expires": "2026-01-31"}])
    assert ended(play) == {broken.name}
    assert {("MU010", "error"), ("MU092", "warning")} <= set(codes(play))


def test_the_severity_that_fails_is_one_of_each_cluster(fleet: Any, broken: Cluster) -> None:
    variables: Json = {"istio_allow": ["MU010"]}
    fleet("--limit", broken.name, **variables).require_success()
    play = fleet("--limit", broken.name, istio_fail_on="warning", **variables)
    assert "MU027" in play.failure(broken)
    assert "MU010" not in play.failure(broken)
    fleet("--limit", broken.name, istio_fail_on="never").require_success()


def test_a_waiver_that_is_wrong_is_said_before_any_request(fleet: Any, broken: Cluster) -> None:
    play = fleet("--limit", broken.name, istio_waivers=[{**WAIVER, "expires": "Friday"}])
    assert play.failure(broken) == (
        "Parameter waivers, entry 1 (MU010): expires is 'Friday', which is not a valid date; "
        "set it to the last day on which the waiver applies, such as 2027-03-31."
    )
    assert all("requests" not in one for one in play.of(broken, "istio_precheck"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"istio_version": "newest"}, "Variable istio_version is newest; give the target version, such as 1.31.0."),
        ({"istio_fail_on": "eror"}, "Variable istio_fail_on is eror; give error, warning or never."),
    ],
)
def test_what_can_never_be_right_ends_the_run_at_once(fleet: Any, variables: Json, message: str) -> None:
    play = fleet(**variables)
    assert play.returncode == 2
    assert message in play.output
    assert f"TASK [{SUM}]" not in play.output


def test_what_is_waived_is_accepted_by_the_install_as_well(desk: Desk, gated: Cluster) -> None:
    """An install repeats the checks of the hop."""

    def run(**variables: Any) -> Play:
        target = {"istio_version": PATCH_VERSION, "istio_revision": NEW_REVISION}
        with no_write(gated):
            return desk.play([gated], "--check", playbook=CANARY, **target, **variables)

    assert "MU005 revision 1-31-0" in run().failure(gated)
    waiver = {"code": "MU005", "object": "revision 1-31-0", "expires": "2999-12-31", "reason": "One revision for all."}
    run(istio_waivers=[waiver]).require_success()
