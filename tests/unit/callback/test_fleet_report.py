# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callback in real runs of ansible-playbook over fake API servers: to their end, interrupted, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import ansible_runner
import jsonschema
import pytest

from ansible_collections.meshops.istio.plugins.plugin_utils.report import report_writer
from ansible_collections.meshops.istio.plugins.plugin_utils.report.cluster_facts import ClusterFacts
from ansible_collections.meshops.istio.plugins.plugin_utils.report.reported_run import ReportedRun
from unit.callback.playing import LOOK, LOOK_AGAIN, RESTART, STALE, Json, Playing, play
from unit.callback.results import SCHEMA
from unit.support import builders as b
from unit.support.fake_api import FakeApi

UPGRADE = (LOOK, RESTART, LOOK_AGAIN)
#: Long enough for a test to end the run in it.
WAIT = {"name": "Wait for the test", "ansible.builtin.wait_for": {"timeout": 40}}


@pytest.fixture
def clusters() -> Iterator[dict[str, FakeApi]]:
    """Three clusters with stale workloads, in rings 0, 1 and 2."""
    with FakeApi(*STALE) as paris, FakeApi(*STALE) as berlin, FakeApi(*STALE) as tokyo:
        yield {"paris": paris, "berlin": berlin, "tokyo": tokyo}


def states(report: Json) -> dict[str, str]:
    """Return the state of each cluster of a report, after validation against its schema."""
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return {entry["host"]: entry["state"] for entry in report["clusters"]}


def cluster(report: Json, host: str) -> Json:
    """Return a cluster of a report."""
    return t.cast("Json", next(entry for entry in report["clusters"] if entry["host"] == host))


def test_a_ring_that_fails_leaves_the_next_one_untouched(clusters: dict[str, FakeApi], tmp_path: Path) -> None:
    clusters["berlin"].on_patch = lambda dummy: None
    run = Playing(tmp_path, clusters, [play(f"istio_ring_{ring}", *UPGRADE) for ring in range(3)])
    report = run.end()
    assert states(report) == {"paris": "done", "berlin": "failed", "tokyo": "untouched"}
    assert [ring["ring"] for ring in report["rings"]] == [0, 1, 2]
    assert report["run"]["verdict"] == "failed"
    assert cluster(report, "paris")["before"]["versions"] == {b.OLD_VERSION: 3}
    assert cluster(report, "paris")["after"]["versions"] == {b.NEW_VERSION: 3}
    assert cluster(report, "paris")["waves"][0]["restarted"] == 2
    assert cluster(report, "berlin")["failures"][0]["evidence"]
    assert cluster(report, "berlin")["failures"][0]["rollback_problems"]
    assert not clusters["tokyo"].seen
    assert not cluster(report, "tokyo")["stages"]

    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in run.folder.iterdir()}
    assert files == dict.fromkeys(["report.json", "report.html", "report.md"], 0o600)
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    text = "".join(path.read_text(encoding="utf-8") for path in run.folder.iterdir())
    assert "a-secret-token" not in text
    assert (run.folder / "report.md").read_text(encoding="utf-8").startswith("## Istio fleet: failed\n")
    headline = "3 clusters: 1 done, 1 failed, 1 left untouched."
    assert f"{headline} Report: {run.folder}\n" in run.log.read_text(encoding="utf-8")


def test_one_play_for_all_hosts_that_ends_early_for_some(clusters: dict[str, FakeApi], tmp_path: Path) -> None:
    clusters["paris"].on_patch = lambda dummy: None
    tasks = [
        LOOK,
        {"name": "End the play here", "ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'tokyo'"},
        {**RESTART, "any_errors_fatal": True},
        LOOK_AGAIN,
    ]
    report = Playing(tmp_path, clusters, [play("all", *tasks)]).end()
    assert states(report) == {"paris": "failed", "berlin": "stopped", "tokyo": "passed"}


def test_check_mode(clusters: dict[str, FakeApi], tmp_path: Path) -> None:
    report = Playing(tmp_path, clusters, [play("all", *UPGRADE)], "--check").end()
    assert set(states(report).values()) == {"dry_run"}
    assert report["run"]["check_mode"]
    assert not [seen for api in clusters.values() for seen in api.writes()]


@pytest.mark.parametrize(
    ("arguments", "state", "verdict"), [((), "done", "success"), (("--check",), "dry_run", "success")]
)
def test_several_rings_under_the_display_of_ansible_runner(
    arguments: tuple[str, ...], state: str, verdict: str, clusters: dict[str, FakeApi], tmp_path: Path
) -> None:
    """ansible-runner gives each batch of a play another UUID."""
    (tmp_path / "job" / "job_events").mkdir(parents=True)
    runner = {
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(ansible_runner.__file__).parent / "display_callback" / "callback"),
        "AWX_ISOLATED_DATA_DIR": str(tmp_path / "job"),
    }
    plays = [play("all", LOOK), play("all", *UPGRADE, serial=1)]
    run = Playing(tmp_path, clusters, plays, *arguments, more=runner)
    report = run.end()
    assert any((tmp_path / "job" / "job_events").iterdir())
    assert states(report) == dict.fromkeys(clusters, state)
    assert report["run"]["verdict"] == verdict


@pytest.mark.parametrize(
    ("number", "verdict", "state"),
    [
        (signal.SIGINT, "interrupted", "stopped"),
        (signal.SIGTERM, "interrupted", "stopped"),
        (signal.SIGKILL, "running", "running"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_run_that_is_ended_from_outside(
    number: signal.Signals, verdict: str, state: str, clusters: dict[str, FakeApi], tmp_path: Path
) -> None:
    run = Playing(tmp_path, clusters, [play("all", LOOK, RESTART, WAIT, serial=1)])
    run.until(lambda report: report["run"]["last_task"] == WAIT["name"])
    # ansible-core waits for a worker that it is forking, and does not end it.
    while len(children := descendants(run.process.pid)) < 2:
        assert run.process.poll() is None
        time.sleep(0.05)
    report = run.end_by(number)
    for child in children:
        end(child)
    assert report["run"]["verdict"] == verdict
    assert report["run"]["last_task"] == "Wait for the test"
    assert states(report) == {
        "paris": state,
        "berlin": "waiting" if state == "running" else "untouched",
        "tokyo": "waiting" if state == "running" else "untouched",
    }
    assert cluster(report, "paris")["changed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_that_is_ended_while_modules_are_running(
    number: signal.Signals, clusters: dict[str, FakeApi], tmp_path: Path
) -> None:
    for api in clusters.values():
        api.on_patch = lambda dummy: None
    restart = {**RESTART, "meshops.istio.rollout_restart": {"namespaces": ["shop"], "batch_timeout": 60}}
    run = Playing(tmp_path, clusters, [play("all", LOOK, restart)])
    run.until(lambda report: all(api.writes() for api in clusters.values()))
    children = descendants(run.process.pid)
    run.end_by(number)
    # The workers end by themselves. The first of them adds to the report that the run was killed.
    deadline = time.monotonic() + 20
    while any(map(is_alive, children)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    report = run.report()
    assert (report["run"]["verdict"], report["run"]["signal"]) == ("interrupted", number.name)
    assert report["run"]["headline"].startswith(
        f"Interrupted by {number.name} during Restart stale workloads. 3 clusters"
    )
    assert states(report) == dict.fromkeys(clusters, "stopped")
    assert report["counts"] == {"stopped": 3}
    assert all(entry["changed"] for entry in report["clusters"]), "the progress of the modules is unknown"
    assert not [entry for entry in report["clusters"] if entry["after"] and entry["after"]["current"]]
    for name in ("report.html", "report.md"):
        assert "Interrupted by" in (run.folder / name).read_text(encoding="utf-8")


def test_an_error_of_core_itself(clusters: dict[str, FakeApi], tmp_path: Path) -> None:
    broken = {"name": "Break off", "ansible.builtin.meta": "end_host", "when": "nothing.like.this"}
    report = Playing(tmp_path, clusters, [play("all", LOOK, broken)]).end()
    assert report["run"]["verdict"] == "aborted"
    assert set(states(report).values()) == {"untouched"}


@pytest.mark.parametrize(
    "plays",
    [
        [play("all", {"name": "Nothing for us", "ansible.builtin.debug": {}})],
        [play("{{ nowhere }}", LOOK), play("all", LOOK)],
        [{"hosts": "all", "tasks": [{"no_such_keyword": 1}]}],
    ],
    ids=["no cluster in it", "the first play has no hosts", "no playbook"],
)
def test_a_run_that_never_started_has_no_report(
    plays: list[Json], clusters: dict[str, FakeApi], tmp_path: Path
) -> None:
    run = Playing(tmp_path, clusters, plays)
    run.process.wait(60)
    assert not run.folder.exists(), run.log.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_a_warning(clusters: dict[str, FakeApi], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file", encoding="utf-8")
    run = Playing(tmp_path, clusters, [play("all", LOOK)])
    assert run.process.wait(60) == 0
    log = run.log.read_text(encoding="utf-8")
    assert log.count("the report cannot be written to") == 1


def descendants(pid: int) -> list[int]:
    """Return the workers of a run and their child processes, which have their own sessions."""
    processes = [pid]
    for parent in processes:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            processes += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split())
    return processes[1:]


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def end(pid: int) -> None:
    """End a process if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_the_time_of_writing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 clusters that end a task together do not write 200 reports; the next task writes what was held back."""
    now, written = [100.0], []

    def slow(*dummy: object) -> None:
        now[0] += 0.1
        written.append(now[0])

    monkeypatch.setattr(report_writer, "write_report", slow)
    monkeypatch.setattr(report_writer.time, "monotonic", lambda: now[0])
    writer = report_writer.ReportWriter(Path(), [], pytest.fail)
    run = ReportedRun("Istio fleet", clusters={"paris": ClusterFacts("paris")})
    for dummy in range(200):
        now[0] += 0.01
        writer.write(run)
    of_results = len(written)
    assert 5 <= of_results <= 8
    writer.write(run, force=True)
    assert len(written) == of_results + 1
    now[0] += 60
    writer.write(run)
    assert len(written) == of_results + 2
