# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The soak of a batch: all its pods stay ready for some time, and none of their containers restarts."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import (
    read_object,
    read_pod_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.proxy_check import desired_pods
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import wait_for_rollouts
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import workloads_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import judge_failures


def soak(context: RestartContext, label: str, batch: list[Workload]) -> list[Problem]:
    """Observe a batch for the time of its soak; return the problems of workloads that failed alone.

    A pod that ends for good reasons, as with its node, is replaced by another one, which is waited for at the end.

    Raises:
        RolloutError: the failures are a failure of the batch.
        MeshError: the pods cannot be read at the end.
    """
    seconds = context.options.gates.soak
    context.task.progress(f"{label}: soaking for {seconds:.0f} s")
    deadline = time.monotonic() + seconds
    first = _first_states(context, batch)
    problems: list[Problem] = []
    while batch:
        remaining = deadline - time.monotonic()
        states = {w.ref: _tracked_states(context, w) for w in batch} if remaining > 0 else _read_states(context, batch)
        unsteady = [problem for w in batch for problem in _unsteady(w, states[w.ref], first)]
        if unsteady:
            judge_failures(context, f"{label} did not stay ready for {seconds:.0f} s", batch, unsteady)
            problems += unsteady
            batch = [workload for workload in batch if workload not in workloads_of(problems)]
        if remaining <= 0:
            break
        context.tracker.wait(min(0.5, remaining))
    return problems + wait_for_rollouts(context, label, batch)


def _first_states(context: RestartContext, batch: list[Workload]) -> dict[str, PodState]:
    """Return the pods at the begin of the soak by uid; without pods that are down as before, which cannot fail."""
    return {
        pod.state.pod.uid: pod.state
        for workload in batch
        for pod in context.tracker.pods_of(workload.ref)
        if pod.state.pod.ready or workload.ref not in context.state.still_down
    }


def _tracked_states(context: RestartContext, workload: Workload) -> list[PodState]:
    return [pod.state for pod in context.tracker.pods_of(workload.ref)]


def _read_states(context: RestartContext, batch: list[Workload]) -> dict[ObjectRef, list[PodState]]:
    """Return the pods from lists, as the silence of a broken watch proves nothing.

    Where pods are missing, the workload is read too, so that the pods that replace them are waited for.

    Raises:
        MeshError: they cannot be read.
    """
    states = read_pod_states(context.client, batch, context.options.gates.timeout)
    for workload in batch:
        ready = sum(state.stays and state.pod.ready for state in states[workload.ref])
        if ready < desired_pods(context, workload) and (obj := _read_workload(context, workload)):
            context.tracker.renew(workload.ref, obj)
    return states


def _read_workload(context: RestartContext, workload: Workload) -> Json | None:
    read = functools.partial(read_object, context.client, workload)
    obj: Json | None = read_with_retries(context.options.gates.timeout, read)
    if obj is None:
        context.state.deleted[workload.ref] = workload
    return obj


def _unsteady(workload: Workload, states: Iterable[PodState], first: Mapping[str, PodState]) -> Iterator[Problem]:
    """Yield the pods that restarted or are no longer ready since the begin of the soak."""
    for state in states:
        before = first.get(state.pod.uid)
        if before is None or not state.stays:
            continue
        if state.restarts > before.restarts:
            own = state.proxy_restarts == before.proxy_restarts and (state.unready is None or state.unready.own)
            trouble = Trouble("Restarted", f"{state.restarts - before.restarts} times", own=own)
            yield Problem(workload, trouble, state.pod.name)
        elif state.unready:
            yield Problem(workload, state.unready, state.pod.name)
