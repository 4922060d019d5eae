# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until istiod has replaced the managed gateways of namespaces whose revision has changed."""

from __future__ import annotations

import functools
import time

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.managed_gateways import ReplacedGateway
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import pod_failure
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.read_retries import read_with_retries
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.context import RestartContext

#: Seconds between two reads of the pods of gateways.
PAUSE = 1.0


def wait_for_gateways(context: RestartContext) -> None:
    """Return when each gateway has ready pods of its new revision only.

    Raises:
        RolloutError: one has not within ``batch_timeout`` seconds.
        MeshError: the pods cannot be read.
    """
    left, seconds = list(context.plan.gateways), context.options.batch_timeout
    for gateway in left:
        context.task.progress(f"waiting: {gateway}")
    deadline = time.monotonic() + seconds
    while left:
        read = functools.partial(_read_pods, context, {gateway.ref.namespace for gateway in left})
        pods = read_with_retries(max(0.0, deadline - time.monotonic()), read)
        left = [gateway for gateway in left if not gateway.is_complete(map(read_pod, pods[gateway.ref.namespace]))]
        if left and time.monotonic() > deadline:
            raise RolloutError(f"{_failure(left[0], pods[left[0].ref.namespace])} within {seconds} s.")
        if left:
            time.sleep(PAUSE)


def _read_pods(context: RestartContext, namespaces: set[str]) -> dict[str, list[Json]]:
    """Return namespace -> the pods of its managed gateways."""
    doing = "Reading the pods of managed gateways"
    return {
        name: list(context.client.list(f"/api/v1/namespaces/{name}/pods", doing=doing, labelSelector=MANAGED_GATEWAY))
        for name in namespaces
    }


def _failure(gateway: ReplacedGateway, pods: list[Json]) -> str:
    """Return what is wrong with a gateway that was not replaced, as the beginning of a sentence."""
    reasons = [f"pod {pod['metadata']['name']}, {text}" for pod in pods if (text := pod_failure(pod))]
    evidence = f" ({join_limited(reasons)})" if reasons else ""
    return f"istiod of revision {gateway.revision} has not replaced the pods of {gateway.ref}{evidence}"
