# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run as a whole, and the state of each of its clusters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import as_text
from ansible_collections.meshops.istio.plugins.plugin_utils.report.cluster_facts import ClusterFacts
from ansible_collections.meshops.istio.plugins.plugin_utils.report.task_event import (
    CHANGING_MODULES,
    READING_MODULES,
    TaskEvent,
)

RUNNING, FINISHED, INTERRUPTED, ABORTED = "running", "finished", "interrupted", "aborted"
#: State of a cluster -> its meaning; the worst state first.
STATES = {
    "failed": "a task failed",
    "unreachable": "could not be reached",
    "refused": "refused by its precheck, nothing was changed",
    "locked": "locked by another run, nothing was changed",
    "stopped": "stopped partway: changed, but not finished",
    "untouched": "not changed, and the run did not finish there",
    "running": "in progress",
    "waiting": "not started yet",
    "dry_run": "check mode: nothing was changed",
    "incomplete": "finished, but some proxies or namespaces are not on the target version",
    "read": "only read",
    "passed": "checked, and nothing blocks the upgrade",
    "verified": "verified, and all proxies run the target version",
    "unchanged": "there was nothing to do",
    "done": "changed and finished",
}
FAILED_STATES = ("failed", "unreachable", "refused", "locked")
UNFINISHED_STATES = ("stopped", "untouched")
INCOMPLETE = "incomplete"


@dataclasses.dataclass(frozen=True)
class ReportedPlay:
    """A play that uses this collection, and its hosts in the order of the inventory."""

    key: str
    hosts: tuple[str, ...]


@dataclasses.dataclass
class ReportedRun:
    """A run of ansible-playbook, from its first play to its end."""

    title: str
    check_mode: bool = False
    state: str = RUNNING
    playbooks: list[str] = dataclasses.field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0
    #: Name of the signal that ended the run.
    signal: str = ""
    last_task: str = ""
    #: Clusters on which a module that changes the mesh is running.
    changing: set[str] = dataclasses.field(default_factory=set)
    rings: dict[str, int | None] = dataclasses.field(default_factory=dict)
    clusters: dict[str, ClusterFacts] = dataclasses.field(default_factory=dict)
    plays: list[ReportedPlay] = dataclasses.field(default_factory=list)
    #: Key of a play -> clusters that have not reached its end.
    unfinished: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    problems: list[Json] = dataclasses.field(default_factory=list)
    #: Code of a finding -> its texts.
    codes: dict[str, Json] = dataclasses.field(default_factory=dict)

    def add_play(self, play: ReportedPlay) -> None:
        """Add the clusters of a play, before the play starts."""
        if all(play.key != other.key for other in self.plays):
            self.plays.append(play)
        for host in play.hosts:
            self.clusters.setdefault(host, ClusterFacts(host, self.rings.get(host)))
        self.unfinished.setdefault(play.key, set()).update(play.hosts)

    def end_batch(self, key: str, finished: Iterable[str]) -> None:
        """Record which clusters of a batch reached the end of a play.

        Args:
            key: key of the play.
            finished: names of these clusters.
        """
        self.unfinished.get(key, set()).difference_update(finished)

    def record(self, event: TaskEvent) -> None:
        """Record one task result."""
        self.changing.discard(event.host)
        facts = self.clusters.get(event.host)
        if event.failed and (facts is None or (event.run_once and not event.module)):
            message = "Hidden by no_log." if "censored" in event.result else as_text(event.result.get("msg"))
            problem = {"host": event.host, "task": as_text(event.task), "at": event.ended, "message": message}
            self.problems.append(problem)
        if facts is not None:
            facts.record(event, self.codes)

    def finish(self, state: str, now: float, failures: Mapping[str, int] | None = None) -> None:
        """End the run.

        Args:
            state: FINISHED, INTERRUPTED or ABORTED.
            now: the time in seconds since the epoch.
            failures: host -> number of failures that ansible-core counts, without rescued ones. Only a finished run
                has them.
        """
        self.state, self.ended = state, now
        if failures is None:
            # A module that did not end may have changed its cluster.
            for host in self.changing & set(self.clusters):
                self.clusters[host].changed_at = now
            return
        for host, facts in self.clusters.items():
            count = failures.get(host, 0)
            run_failures = sum(problem["host"] == host for problem in self.problems)
            failing = bool(count) and bool(facts.failures) and (facts.failing or count > run_failures)
            # A playbook that reads all clusters rescues a failed reading, which leaves the cluster unread.
            facts.failing = failing or facts.unread

    def is_finished(self, facts: ClusterFacts) -> bool:
        """Return whether a cluster reached the end of each play that it belongs to."""
        return all(facts.host not in hosts for hosts in self.unfinished.values())

    def state_of(self, facts: ClusterFacts) -> str:
        """Return the state of a cluster: the first one whose condition holds."""
        return next((state for state, holds in CONDITIONS if holds(self, facts)), "read")

    def verdict(self) -> str:
        """Return the result of the run in one word."""
        if self.state != FINISHED:
            return self.state
        states = {self.state_of(facts) for facts in self.clusters.values()}
        if states & set(FAILED_STATES):
            return "failed"
        if states & set(UNFINISHED_STATES) or self.problems:
            return "stopped"
        return INCOMPLETE if INCOMPLETE in states else "success"


def _is_unreachable(run: ReportedRun, facts: ClusterFacts) -> bool:
    """Return whether a cluster never answered; a cluster that is not the expected one did answer."""
    kinds = {failure["kind"] for failure in facts.failures}
    if not facts.failing or facts.changed_at or not kinds & {"unreachable", "ClusterError"}:
        return False
    return "unreachable" in kinds or not (facts.cluster or {}).get("id")


def _is_refused(run: ReportedRun, facts: ClusterFacts) -> bool:
    """Return whether a precheck refused the upgrade before any module that changes a mesh ran."""
    failure: Json = facts.failures[-1] if facts.failures else {}
    ran_change = facts.modules & set(CHANGING_MODULES)
    if not facts.failing or ran_change or "before" not in facts.summary or failure.get("kind"):
        return False
    summary = facts.summary["before"]
    module = failure.get("module", "")
    return module in ("", *READING_MODULES) and any(summary.get(severity) for severity in ("error", "warning"))


def _is_locked(run: ReportedRun, facts: ClusterFacts) -> bool:
    """Return whether another run held the lock (safety rule S8) before this run changed anything."""
    locked = any(failure["kind"] == "LockedError" for failure in facts.failures)
    return facts.failing and not facts.changed_at and locked


def _is_running(run: ReportedRun, facts: ClusterFacts) -> bool:
    return run.state == RUNNING and not run.is_finished(facts)


def _is_stopped(run: ReportedRun, facts: ClusterFacts) -> bool:
    return bool(facts.changed_at) and (not run.is_finished(facts) or bool(facts.remaining) or facts.halted)


def _is_untouched(run: ReportedRun, facts: ClusterFacts) -> bool:
    return not run.is_finished(facts) or not facts.modules or facts.halted


#: State of a cluster and its condition. The order matters: the first condition that holds determines the state.
CONDITIONS: tuple[tuple[str, Callable[[ReportedRun, ClusterFacts], bool]], ...] = (
    ("unreachable", _is_unreachable),
    ("refused", _is_refused),
    ("locked", _is_locked),
    ("failed", lambda run, facts: facts.failing),
    ("unchanged", lambda run, facts: facts.up_to_date and not facts.changed_at and not facts.incomplete),
    (INCOMPLETE, lambda run, facts: facts.up_to_date and not facts.changed_at),
    ("waiting", lambda run, facts: _is_running(run, facts) and not facts.stages),
    ("running", _is_running),
    ("stopped", _is_stopped),
    ("untouched", _is_untouched),
    ("dry_run", lambda run, facts: run.check_mode),
    ("stopped", lambda run, facts: bool(facts.remaining)),
    (INCOMPLETE, lambda run, facts: facts.incomplete),
    ("done", lambda run, facts: bool(facts.changed_at)),
    ("unchanged", lambda run, facts: bool(facts.modules & set(CHANGING_MODULES))),
    ("verified", lambda run, facts: "after" in facts.summary),
    ("passed", lambda run, facts: "before" in facts.summary),
)
