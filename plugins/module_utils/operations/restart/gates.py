# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a batch must pass after its rollouts, before the next batch starts."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import url_without_login
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import PodState, Problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gate_queries
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.proxy_check import find_wrong_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.soak import soak
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.state import workloads_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.tolerated_failures import batch_error

RETRY_SECONDS = 1.0


def pass_gates(context: RestartContext, label: str, batch: list[Workload]) -> list[Problem]:
    """Return when a batch has passed all gates, with the problems of workloads that failed in the soak.

    Raises:
        RolloutError: with the evidence of the first gate that the batch does not pass.
        MeshError: the cluster cannot be read or queried, which proves nothing about the revision.
    """
    if not batch:
        return []
    problems = find_wrong_proxies(context, batch)
    if problems:
        raise batch_error(context, f"{label}: the rollout completed, but not with the expected proxies", problems)
    unsteady = soak(context, label, batch) if context.options.gates.soak else []
    steady = [workload for workload in batch if workload not in workloads_of(unsteady)]
    for name, query in _gate_queries(context, steady) if steady else ():
        _pass_gate(context, label, name, query)
    return unsteady


def _gate_queries(
    context: RestartContext, batch: Sequence[Workload]
) -> Iterator[tuple[str, Callable[[], list[Problem]]]]:
    """Yield the name of each external gate with the function that returns its problems."""
    gates, task = context.options.gates, context.task
    if gates.istiod:
        yield (
            "istiod",
            lambda: gate_queries.check_istiod(
                task, context.snapshot, {revision for *dummy, revision in _pods_with_proxy(context, batch)}
            ),
        )
    if gates.connected:
        yield "connected", lambda: gate_queries.check_connections(task, _pods_with_proxy(context, batch))
    for http_gate in gates.http:
        yield (
            f"http {url_without_login(http_gate.endpoint.url)}",
            functools.partial(gate_queries.check_http, http_gate),
        )
    for prometheus_gate in gates.prometheus:
        check = functools.partial(gate_queries.check_prometheus, prometheus_gate)
        yield f"prometheus {prometheus_gate.query}", check


def _pods_with_proxy(context: RestartContext, batch: Sequence[Workload]) -> list[tuple[Workload, PodState, str]]:
    """Return the pods with a proxy that a batch has now, and the revision that each should have."""
    still_down = context.state.still_down
    pods = [
        (workload, pod.state)
        for workload in batch
        for pod in context.tracker.pods_of(workload.ref)
        if pod.state.pod.ready or workload.ref not in still_down
    ]
    return [
        (workload, state, revision)
        for workload, state in pods
        if state.stays and state.pod.proxy_image
        if (revision := context.snapshot.proxy_status_of(state.pod).injection.revision)
    ]


def _pass_gate(context: RestartContext, label: str, name: str, query: Callable[[], list[Problem]]) -> None:
    """Query a gate until it is passed: a proxy needs a moment to connect, and a measurement takes time."""
    timeout = context.options.gates.timeout
    deadline, reported = time.monotonic() + timeout, False
    while True:
        try:
            problems = query()
        except (ApiError, ClusterError) as exc:
            if time.monotonic() >= deadline:
                raise
            reason = exc.message
        else:
            if not problems:
                return
            if time.monotonic() >= deadline:
                raise batch_error(context, f"{label} did not pass gate {name} within {timeout:.0f} s", problems)
            reason = str(problems[0])
        if not reported:
            context.task.progress(f"{label}: waiting for gate {name}: {reason}")
            reported = True
        time.sleep(RETRY_SECONDS)
