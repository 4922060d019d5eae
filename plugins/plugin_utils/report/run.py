# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run as a whole, and what became of each of its clusters."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.facts import CHANGING, READING, Event, Facts
from ansible_collections.meshops.istio.plugins.plugin_utils.report.values import short

RUNNING, FINISHED, INTERRUPTED, ABORTED = "running", "finished", "interrupted", "aborted"
#: What a cluster can be at the end, worst first, and what that means.
STATES = {
    "failed": "a task failed",
    "unreachable": "could not be reached",
    "refused": "refused by its precheck, nothing was changed",
    "locked": "another run works on it, nothing was changed",
    "stopped": "stopped half-way: changed, and not at its end",
    "untouched": "nothing was changed, the run did not come to its end there",
    "running": "at work",
    "waiting": "not begun yet",
    "dry_run": "check mode: nothing was changed",
    "passed": "looked at, and nothing stands against the upgrade",
    "unchanged": "nothing was to do",
    "done": "changed and at its end",
}
BAD = ("failed", "unreachable", "refused", "locked")
OPEN = ("stopped", "untouched")


@dataclasses.dataclass(frozen=True)
class Play:
    """A play that works on clusters, and those that it is for, in the order of the inventory."""

    key: str
    hosts: tuple[str, ...]


@dataclasses.dataclass
class Run:
    """A run of ansible-playbook, from its first play to its end."""

    title: str
    check_mode: bool = False
    state: str = RUNNING
    playbooks: list[str] = dataclasses.field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    signal: str = ""
    during: str = ""
    #: Clusters on which a module that changes them is at work.
    at_work: set[str] = dataclasses.field(default_factory=set)
    rings: dict[str, int | None] = dataclasses.field(default_factory=dict)
    clusters: dict[str, Facts] = dataclasses.field(default_factory=dict)
    plays: list[Play] = dataclasses.field(default_factory=list)
    #: Clusters that a play has to come to the end of, by the key of the play.
    due: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    problems: list[Json] = dataclasses.field(default_factory=list)
    codes: dict[str, Json] = dataclasses.field(default_factory=dict)

    def announce(self, play: Play) -> None:
        """Note a play of the playbook that is about clusters, before any of them starts."""
        if all(play.key != one.key for one in self.plays):
            self.plays.append(play)
        for host in play.hosts:
            self.clusters.setdefault(host, Facts(host, self.rings.get(host)))
        self.due.setdefault(play.key, set()).update(play.hosts)

    def batch_ended(self, key: str, batch: Iterable[str], alive: Iterable[str], left: Iterable[str]) -> None:
        """Note how a play ended for the clusters of a batch: ``left`` are those that it sent home early."""
        reached = (set(alive) | set(left)) & set(batch)
        self.due.get(key, set()).difference_update(reached)

    def take(self, event: Event) -> None:
        """Keep what matters of one result."""
        self.at_work.discard(event.host)
        facts = self.clusters.get(event.host)
        if event.bad and (facts is None or (event.once and not event.action)):
            message = "Hidden by no_log." if "censored" in event.result else short(event.result.get("msg"))
            self.problems.append({"host": event.host, "task": short(event.task), "at": event.ended, "message": message})
        if facts is not None:
            facts.take(event, self.codes)

    def finish(self, state: str, now: float, failures: Mapping[str, int] | None = None) -> None:
        """End the run. ``failures`` are those that core counts on each host, without the rescued ones."""
        self.state, self.ended = state, now
        if failures is None:
            # what a module did before it was ended is not known
            for host in self.at_work & set(self.clusters):
                self.clusters[host].changed_at = now
            return
        for host, facts in self.clusters.items():
            of_all = sum(one["host"] == host for one in self.problems)
            found = failures.get(host, 0)
            facts.failing = bool(found) and bool(facts.failures) and (facts.failing or found > of_all)

    def at_end(self, facts: Facts) -> bool:
        """Whether every play that is for a cluster came to its end there."""
        return all(facts.host not in hosts for hosts in self.due.values())

    def state_of(self, facts: Facts) -> str:
        """Return what became of a cluster, or what it is at now."""
        checks: tuple[tuple[str, Callable[[Run, Facts], bool]], ...] = (
            ("unreachable", lambda run, one: one.failing and _unreachable(one)),
            ("refused", lambda run, one: one.failing and _refused(one)),
            ("locked", lambda run, one: one.failing and _locked(one)),
            ("failed", lambda run, one: one.failing),
            ("unchanged", lambda run, one: one.up_to_date and not one.changed_at),
            ("waiting", lambda run, one: run.state == RUNNING and not run.at_end(one) and not one.stages),
            ("running", lambda run, one: run.state == RUNNING and not run.at_end(one)),
            (
                "stopped",
                lambda run, one: bool(one.changed_at) and (not run.at_end(one) or bool(one.remaining) or one.halted),
            ),
            ("untouched", lambda run, one: not run.at_end(one) or not one.modules or one.halted),
            ("dry_run", lambda run, one: run.check_mode),
            ("done", lambda run, one: bool(one.changed_at)),
            ("stopped", lambda run, one: bool(one.remaining)),
            ("unchanged", lambda run, one: bool(one.modules & set(CHANGING))),
        )
        return next((name for name, holds in checks if holds(self, facts)), "passed")

    def verdict(self) -> str:
        """Return the run in one word."""
        if self.state != FINISHED:
            return self.state
        states = {self.state_of(facts) for facts in self.clusters.values()}
        if states & set(BAD):
            return "failed"
        return "stopped" if states & set(OPEN) or self.problems else "success"


def _unreachable(facts: Facts) -> bool:
    """Whether a cluster was never read because it did not answer; one that is not the expected one did answer."""
    kinds = {one["kind"] for one in facts.failures}
    if facts.changed_at or not kinds & {"unreachable", "ClusterError"}:
        return False
    return "unreachable" in kinds or not (facts.cluster or {}).get("id")


def _locked(facts: Facts) -> bool:
    """Whether another run had the cluster (safety rule S8) before this one changed anything."""
    return not facts.changed_at and any(one["kind"] == "LockedError" for one in facts.failures)


def _refused(facts: Facts) -> bool:
    """Whether a precheck found what stands against the upgrade, before any module that changes a mesh ran."""
    last: Json = facts.failures[-1] if facts.failures else {}
    if facts.modules & set(CHANGING) or "before" not in facts.summary or last.get("kind"):
        return False
    found: t.Mapping[str, int] = facts.summary["before"]
    return last.get("action", "") in ("", *READING) and any(found.get(weight) for weight in ("error", "warning"))
