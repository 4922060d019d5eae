# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pods, their owners, and the disruption budgets of workloads, page by page."""

from __future__ import annotations

import concurrent.futures
import functools
import typing as t
from collections.abc import Callable, Collection, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Unreadable, shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import (
    Owner,
    Pod,
    controller_of,
    read_pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.budgets import Budget, read_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Owners
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    COLLECTIONS,
    Workload,
    read_workload,
)

#: Direct owners of pods that have owners themselves.
PARENTS = {"ReplicaSet": "/apis/apps/v1/replicasets", "Job": "/apis/batch/v1/jobs"}
#: The workloads that own ReplicaSets.
REPLICA_SET_OWNERS = ("Deployment", ROLLOUT)
OWNER_KINDS = frozenset((*PARENTS, *COLLECTIONS))
#: Errors that reading an object of unexpected form may raise.
UNEXPECTED_FORM = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
OwnerLists = Mapping[str, "concurrent.futures.Future[t.Any]"]


def fetch_pods(client: Client, lost: list[Unreadable] | None = None) -> tuple[tuple[Pod, ...], str]:
    """Return all pods and the version of the list; pods are reduced page by page, so that memory stays small.

    Pods that cannot be read are appended to ``lost``.
    """
    pods, version = _collect(client, "/api/v1/pods", "Pod", read_pod, [] if lost is None else lost)
    return tuple(pods), version


def submit_owners(
    pool: concurrent.futures.Executor, client: Client, kinds: Collection[str], lost: list[Unreadable]
) -> OwnerLists:
    """Start the lists of owners that pods with direct owners of some kinds need; for all kinds also the budgets."""

    def workloads(kind: str) -> list[Workload]:
        each = functools.partial(read_workload, kind)
        try:
            return _collect(client, COLLECTIONS[kind], kind, each, lost)[0]
        except (ForbiddenError, NotFoundError):
            # The cluster has no Argo Rollouts, or this user may not read them. Results then only name them.
            if kind != ROLLOUT:
                raise
            return []

    jobs: dict[str, t.Any] = {}
    for kind, path in PARENTS.items():
        if kind in kinds:
            jobs[kind] = pool.submit(_fetch_parents, client, kind, path)
    for kind in COLLECTIONS:
        if kind in kinds or (kind in REPLICA_SET_OWNERS and "ReplicaSet" in kinds):
            jobs[kind] = pool.submit(workloads, kind)
    if kinds == OWNER_KINDS:
        jobs["budgets"] = pool.submit(fetch_budgets, client)
    return jobs


def owners_from(jobs: OwnerLists) -> Owners:
    """Return the owners once all their lists are read."""
    workload_kinds, parent_kinds = ([kind for kind in kinds if kind in jobs] for kinds in (COLLECTIONS, PARENTS))
    return Owners(
        workloads={workload.ref: workload for kind in workload_kinds for workload in jobs[kind].result()},
        parents={ref: owner for kind in parent_kinds for ref, owner in jobs[kind].result().items()},
        budgets=jobs["budgets"].result() if "budgets" in jobs else (),
    )


def fetch_budgets(client: Client) -> tuple[Budget, ...]:
    """Return all PodDisruptionBudgets."""
    budgets = client.list("/apis/policy/v1/poddisruptionbudgets", doing="Reading PodDisruptionBudgets")
    return tuple(map(read_budget, budgets))


def _fetch_parents(client: Client, kind: str, path: str) -> dict[ObjectRef, Owner]:
    """Return the owners of all objects of a kind from their metadata: a Deployment keeps ten old ReplicaSets."""

    def parent(obj: Json) -> tuple[ObjectRef, Owner] | None:
        owner = controller_of(obj)
        return (ObjectRef(obj["metadata"]["namespace"], kind, name_of(obj)), owner) if owner else None

    return dict(filter(None, client.collect(path, parent, doing=f"Reading {kind}s", metadata=True)[0]))


def _collect(
    client: Client, path: str, kind: str, each: Callable[[Json], t.Any], lost: list[Unreadable]
) -> tuple[list[t.Any], str]:
    """Return what ``each`` returns for all objects of a kind, and the version of the list.

    An object that ``each`` cannot read is appended to ``lost``.
    """

    def read(obj: Json) -> t.Any:
        try:
            return each(obj)
        except UNEXPECTED_FORM as exc:
            ref = ObjectRef(str(obj["metadata"].get("namespace") or ""), kind, name_of(obj))
            return Unreadable(ref, "content", f"{type(exc).__name__}: {shown(exc)}")

    rows, version = client.collect(path, read, doing=f"Reading {kind}s")
    lost += [row for row in rows if isinstance(row, Unreadable)]
    return [row for row in rows if not isinstance(row, Unreadable)], version
