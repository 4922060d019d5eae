# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace of a restart: in which batches workloads go, and when the time for it is over."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTART_ORDER, Workload

ORDERS = ("name", "smallest", "annotation")
#: How far ahead a time of the day may lie, before it is taken as one that has passed.
AHEAD = datetime.timedelta(hours=12)


@dataclasses.dataclass(frozen=True)
class Amount:
    """A number, or a percentage of something."""

    number: int
    percent: bool = False

    def of(self, whole: int) -> int:
        """Return the number; percentages round down as those of ``maxUnavailable`` do, but not below one."""
        return max(1, whole * self.number // 100) if self.percent else self.number


def read_amount(option: str, given: str) -> Amount:
    """Return what an option says.

    Raises:
        ParameterError: it is neither a number above 0 nor a percentage up to 100.
    """
    found = re.fullmatch(r"([0-9]+)(%?)", given.strip())
    amount = Amount(int(found[1]), bool(found[2])) if found else Amount(0)
    if amount.number < 1 or (amount.percent and amount.number > 100):
        raise ParameterError(
            f"Parameter {option}: {given!r} is neither a number above 0 nor a percentage from 1% to 100%."
        )
    return amount


@dataclasses.dataclass(frozen=True)
class Pace:
    """How much may be restarted at once, and in which order."""

    batch_size: Amount = Amount(10)
    max_pods: int | None = None
    max_unavailable: Amount | None = None
    order: str = "name"


def read_pace(params: Mapping[str, t.Any]) -> Pace:
    """Return the pace that the options ask for.

    Raises:
        ParameterError: a number can never be right.
    """
    if params["max_pods"] is not None and params["max_pods"] < 1:
        raise ParameterError(f"Parameter max_pods: {params['max_pods']} is not a number above 0.")
    unavailable = params["max_unavailable"]
    return Pace(
        read_amount("batch_size", params["batch_size"]),
        params["max_pods"],
        None if unavailable is None else read_amount("max_unavailable", unavailable),
        params["order"],
    )


@dataclasses.dataclass
class _Batch:
    """Workloads that go together, with what they come to."""

    workloads: list[Workload]
    pods: int = 0
    down: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    unavailable: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def batches(workloads: Iterable[Workload], pace: Pace, snapshot: Snapshot) -> list[list[Workload]]:
    """Return the order of a restart: gateways last and in batches of their own, the others as the pace says.

    Workloads that share a disruption budget go into one batch only as far as the budget has room for them together.
    A workload that is too large for a limit by itself goes without others that count for that limit.

    Raises:
        SafetyError: the order of a workload is not a number.
    """
    rank = {workload: _rank(workload, pace.order) for workload in workloads}
    ordered = sorted(rank, key=lambda workload: (workload.gateway, rank[workload], *workload.ref))
    size = pace.batch_size.of(len(ordered))
    limits = _limits(pace, snapshot)
    found: list[_Batch] = []
    for workload in ordered:
        room = {(b.namespace, b.name): b.allowed for b in snapshot.budgets_of(workload)} if workload.takes_down else {}
        last = found[-1] if found else None
        if (
            last is None
            or len(last.workloads) == size
            or last.workloads[0].gateway != workload.gateway
            # what is ordered by hand is done before the next begins
            or (pace.order == "annotation" and rank[last.workloads[0]] != rank[workload])
            or (pace.max_pods is not None and last.pods + workload.replicas > pace.max_pods)
            or any(key in last.down and last.down[key] + workload.takes_down > free for key, free in room.items())
            or _crowded(last.unavailable[workload.namespace], workload, limits)
        ):
            last = _Batch([])
            found.append(last)
        last.workloads.append(workload)
        last.pods += workload.replicas
        last.down.update(dict.fromkeys(room, workload.takes_down))
        last.unavailable[workload.namespace] += workload.takes_down
    return [batch.workloads for batch in found]


def _rank(workload: Workload, order: str) -> int:
    if order == "annotation" and workload.restart_order:
        try:
            return int(workload.restart_order)
        except ValueError:
            raise SafetyError(
                f"Nothing was restarted: annotation {RESTART_ORDER} of {workload} is {workload.restart_order!r}, "
                "which is not a whole number."
            ) from None
    return workload.replicas if order == "smallest" else 0


def _limits(pace: Pace, snapshot: Snapshot) -> dict[str, int]:
    """Return how many pods of a namespace may be down, for namespaces with a limit."""
    if pace.max_unavailable is None:
        return {}
    pods = collections.Counter[str]()
    for workload in snapshot.workloads.values():
        pods[workload.namespace] += workload.replicas
    return {namespace: pace.max_unavailable.of(count) for namespace, count in pods.items()}


def _crowded(down: int, workload: Workload, limits: Mapping[str, int]) -> bool:
    limit = limits.get(workload.namespace)
    return limit is not None and bool(down and workload.takes_down) and down + workload.takes_down > limit


def oversized(workloads: Iterable[Workload], pace: Pace, snapshot: Snapshot) -> list[str]:
    """Return the workloads that are larger than a limit by themselves, in sentences."""
    limits, found = _limits(pace, snapshot), []
    for workload in workloads:
        if pace.max_pods is not None and workload.replicas > pace.max_pods:
            found.append(f"{workload} goes alone: it has {workload.replicas} pods, max_pods is {pace.max_pods}.")
        limit = limits.get(workload.namespace)
        if limit is not None and workload.takes_down > limit:
            found.append(
                f"{workload} takes down {workload.takes_down} pods at once by its own update strategy, "
                f"max_unavailable allows {limit} in namespace {workload.namespace}."
            )
    return found


def described(batch: list[Workload], snapshot: Snapshot, seconds: float | None = None) -> dict[str, t.Any]:
    """Return the JSON-ready form of a batch in a plan: its sizes, the budgets it touches with their room, its time."""
    allowed: dict[str, int] = {}
    down = collections.Counter[str]()
    for workload in batch:
        for budget in snapshot.budgets_of(workload):
            allowed[f"{budget.namespace}/{budget.name}"] = budget.allowed
            down[f"{budget.namespace}/{budget.name}"] += workload.takes_down
    return {
        "workloads": [str(workload) for workload in batch],
        "gateways": batch[0].gateway,
        "pods": sum(workload.replicas for workload in batch),
        "takes_down": sum(workload.takes_down for workload in batch),
        "budgets": [{"name": name, "allowed": room, "takes_down": down[name]} for name, room in allowed.items()],
        "expected_seconds": None if seconds is None else round(seconds),
    }


def planned(rows: list[dict[str, t.Any]], pause: float) -> Iterator[str]:
    """Yield a line for each batch of a plan, and the time of all with the pauses between them, if it is known."""
    for number, row in enumerate(rows, 1):
        budgets = (f"budget {b['name']} allows {b['allowed']} down and loses {b['takes_down']}" for b in row["budgets"])
        sizes = [f"{row['pods']} pod{'s'[: row['pods'] != 1]}", f"{row['takes_down']} down at once", *budgets]
        if row["expected_seconds"] is not None:
            sizes.append(f"about {row['expected_seconds']} s")
        yield f"batch {number} of {len(rows)}: {some(row['workloads'])} ({', '.join(sizes)})"
    times = [row["expected_seconds"] for row in rows]
    if len(rows) > 1 and None not in times:
        yield f"all {len(rows)} batches: about {sum(times) + pause * (len(rows) - 1):.0f} s"


def window_end(given: str, now: datetime.datetime) -> datetime.datetime:
    """Return when a maintenance window ends; a time of the day is the nearest one, before or after now.

    Raises:
        ParameterError: it is neither a time of the day nor a timestamp with its offset from UTC.
    """
    clock = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", given.strip())
    if clock:
        today = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        days = (today + datetime.timedelta(days=shift) for shift in (1, 0, -1))
        return next(day for day in days if day - now <= AHEAD)
    try:
        found = datetime.datetime.fromisoformat(given.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ParameterError(
            f"Parameter not_after: {given!r} is neither a time of the day in UTC, such as '02:30' (in quotes: YAML "
            "makes a number of 22:30), nor a timestamp such as 2026-03-01T02:30:00Z."
        )
    return found
