# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that the pods of a complete rollout run the proxy that they should have."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import Basis
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.questions import workload_question
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import ask
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import read_pod_states

#: The watch of pods may be a moment behind the watch of workloads.
SETTLE_SECONDS = 2.0


def find_wrong_proxies(context: RestartContext, batch: list[Workload]) -> list[Problem]:
    """Return the pods of a batch that do not run the expected proxy; a rollout completes with a dangling label too.

    The watch only selects suspects, as does a change by another client; lists of their pods decide, and a dry run where
    the resolver alone finds fault.

    Raises:
        MeshError: the pods cannot be listed, or the API server cannot be asked for a new one.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while (suspects := [w for w in batch if _is_suspect(context, w)]) and time.monotonic() < deadline:
        context.tracker.wait(0.1)
    suspects += [w for w in batch if w.ref in context.state.foreign_changes and w not in suspects]
    states = read_pod_states(context.client, suspects, context.options.gates.timeout)
    for workload in suspects:
        if any(_is_unjudged(context, workload, state) for state in states[workload.ref]):
            question = workload_question(context.snapshot, workload)
            context.state.answers[question.key] = ask(context.client, question)
    return [problem for w in suspects for problem in _wrong_proxies(context, w, states[w.ref])]


def _is_unjudged(context: RestartContext, workload: Workload, state: PodState) -> bool:
    """Whether only a dry run shows if the image of a pod is the expected one."""
    if not state.stays:
        return False
    proxy_status = context.snapshot.proxy_status_of(state.pod, workload)
    return proxy_status.stale and proxy_status.basis is Basis.UNASKED


def _is_suspect(context: RestartContext, workload: Workload) -> bool:
    pods = context.tracker.pods_of(workload.ref)
    ready = sum(pod.new and pod.state.stays and pod.state.pod.ready for pod in pods)
    states = (pod.state for pod in pods)
    return ready < desired_pods(context, workload) or bool(_wrong_proxies(context, workload, states))


def desired_pods(context: RestartContext, workload: Workload) -> int:
    """Return how many pods a workload should have now; without its object one, or none for a DaemonSet."""
    obj = context.tracker.get(workload.ref)
    return read_workload(workload.kind, obj).replicas if obj else int(workload.kind != "DaemonSet")


def _wrong_proxies(context: RestartContext, workload: Workload, states: Iterable[PodState]) -> list[Problem]:
    """Return the pods that stay and do not run the proxy that injection would add now."""
    problems = []
    writer = context.state.foreign_changes.get(workload.ref)
    taken_back = f"; {writer} changed its template after the restart" if writer else ""
    for state in states:
        proxy_status = context.snapshot.proxy_status_of(state.pod, workload) if state.stays else None
        if proxy_status and proxy_status.stale:
            expected = proxy_status.expected_image or "a proxy"
            actual = state.pod.proxy_image or "no proxy"
            message = f"it runs {actual}, not {expected} of {proxy_status.injection.revision}{taken_back}"
            problems.append(Problem(workload, Trouble(proxy_status.condition.value, message), state.pod.name))
    return problems
