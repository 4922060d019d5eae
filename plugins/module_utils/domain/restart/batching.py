# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the batches of a restart within their limits."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.amount import Amount, read_amount
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.broken_workloads import broken_workloads
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTART_ORDER, Workload

ORDERS = ("name", "smallest", "annotation")
DEFAULT_BATCH_SIZE = Amount(10)


@dataclasses.dataclass(frozen=True)
class BatchLimits:
    """How much one batch may restart, and in which order workloads are restarted."""

    batch_size: Amount = DEFAULT_BATCH_SIZE
    max_pods: int | None = None
    max_unavailable: Amount | None = None
    order: str = "name"

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> BatchLimits:
        """Return the limits of a task.

        Raises:
            ParameterError: a number can never be right.
        """
        if params["max_pods"] is not None and params["max_pods"] < 1:
            raise ParameterError(f"Parameter max_pods: {params['max_pods']} is not a number above 0.")
        unavailable = params["max_unavailable"]
        return cls(
            read_amount("batch_size", params["batch_size"]),
            params["max_pods"],
            None if unavailable is None else read_amount("max_unavailable", unavailable),
            params["order"],
        )


class BudgetRow(t.TypedDict):
    """A PodDisruptionBudget that a batch touches: how many pods it allows down, and how many the batch takes down."""

    name: str
    allowed: int
    takes_down: int


class BatchRow(t.TypedDict):
    """One batch of the return value ``plan``; ``expected_seconds`` needs the start time of a running pod."""

    workloads: list[str]
    gateways: bool
    pods: int
    takes_down: int
    budgets: list[BudgetRow]
    expected_seconds: int | None


@dataclasses.dataclass
class _Batch:
    """Workloads that are restarted together, and their totals."""

    workloads: list[Workload]
    pods: int = 0
    #: Pods that it takes down, for each budget (namespace, name) and for each namespace.
    budget_down: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    namespace_down: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, workload: Workload, budgets: Iterable[tuple[str, str]]) -> None:
        """Take in a workload that counts for some budgets."""
        self.workloads.append(workload)
        self.pods += workload.replicas
        self.budget_down.update(dict.fromkeys(budgets, workload.takes_down))
        self.namespace_down[workload.namespace] += workload.takes_down


def plan_batches(workloads: Iterable[Workload], limits: BatchLimits, snapshot: Snapshot) -> list[list[Workload]]:
    """Return the batches of a restart in their order: gateways come last and in separate batches.

    Workloads that share a disruption budget are in one batch only as far as the budget allows it for all together.
    A workload that alone exceeds a limit is in a batch without others that count for that limit. Workloads that are
    broken come after the others, in separate batches, so that no other workload waits for them.

    Raises:
        SafetyError: the restart order of a workload is not a number.
    """
    rank = {workload: _rank(workload, limits.order) for workload in workloads}
    broken = broken_workloads(snapshot)
    ordered = sorted(rank, key=lambda w: (w.gateway, w.ref in broken, rank[w], *w.ref))
    size = limits.batch_size.of(len(ordered))
    unavailable_limits = _unavailable_limits(limits, snapshot)
    batches: list[_Batch] = []
    for workload in ordered:
        allowed = (
            {(b.namespace, b.name): b.allowed for b in snapshot.budgets_of(workload)} if workload.takes_down else {}
        )
        last = batches[-1] if batches else None
        if (
            last is None
            or len(last.workloads) == size
            or last.workloads[0].gateway != workload.gateway
            or (last.workloads[0].ref in broken) != (workload.ref in broken)
            # With an order by annotation, one rank is complete before the next rank begins.
            or (limits.order == "annotation" and rank[last.workloads[0]] != rank[workload])
            or (limits.max_pods is not None and last.pods + workload.replicas > limits.max_pods)
            or any(
                budget in last.budget_down and last.budget_down[budget] + workload.takes_down > count
                for budget, count in allowed.items()
            )
            or _exceeds_unavailable(last.namespace_down[workload.namespace], workload, unavailable_limits)
        ):
            last = _Batch([])
            batches.append(last)
        last.add(workload, allowed)
    return [batch.workloads for batch in batches]


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


def _unavailable_limits(limits: BatchLimits, snapshot: Snapshot) -> dict[str, int]:
    """Return how many pods of each namespace may be down, or nothing without ``max_unavailable``."""
    if limits.max_unavailable is None:
        return {}
    pods = collections.Counter[str]()
    for workload in snapshot.workloads.values():
        pods[workload.namespace] += workload.replicas
    return {namespace: limits.max_unavailable.of(count) for namespace, count in pods.items()}


def _exceeds_unavailable(down: int, workload: Workload, unavailable_limits: Mapping[str, int]) -> bool:
    limit = unavailable_limits.get(workload.namespace)
    return limit is not None and bool(down and workload.takes_down) and down + workload.takes_down > limit


def oversized_warnings(workloads: Iterable[Workload], limits: BatchLimits, snapshot: Snapshot) -> list[str]:
    """Return a sentence for each workload that alone exceeds a limit."""
    unavailable_limits, warnings = _unavailable_limits(limits, snapshot), list[str]()
    for workload in workloads:
        if limits.max_pods is not None and workload.replicas > limits.max_pods:
            warnings.append(
                f"{workload} is restarted alone: it has {workload.replicas} pods, max_pods is {limits.max_pods}."
            )
        limit = unavailable_limits.get(workload.namespace)
        if limit is not None and workload.takes_down > limit:
            warnings.append(
                f"The update strategy of {workload} takes down {workload.takes_down} pods at once, "
                f"max_unavailable allows {limit} in namespace {workload.namespace}."
            )
    return warnings


def batch_row(batch: Sequence[Workload], snapshot: Snapshot, seconds: float | None = None) -> BatchRow:
    """Return a batch as the plan lists it: its sizes, the budgets that it touches, and how long it may take."""
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
        "budgets": [{"name": name, "allowed": count, "takes_down": down[name]} for name, count in allowed.items()],
        "expected_seconds": None if seconds is None else round(seconds),
    }


def describe_batches(rows: Sequence[BatchRow], pause: float) -> Iterator[str]:
    """Yield a line for each batch of a plan, and the time of all with the pauses between them, if it is known."""
    for number, row in enumerate(rows, 1):
        budgets = (f"budget {b['name']} allows {b['allowed']} down and loses {b['takes_down']}" for b in row["budgets"])
        sizes = [f"{row['pods']} pod{'s'[: row['pods'] != 1]}", f"{row['takes_down']} down at once", *budgets]
        if row["expected_seconds"] is not None:
            sizes.append(f"about {row['expected_seconds']} s")
        yield f"batch {number} of {len(rows)}: {join_limited(row['workloads'])} ({', '.join(sizes)})"
    seconds = [row["expected_seconds"] for row in rows if row["expected_seconds"] is not None]
    if len(rows) > 1 and len(seconds) == len(rows):
        yield f"all {len(rows)} batches: about {sum(seconds) + pause * (len(rows) - 1):.0f} s"
