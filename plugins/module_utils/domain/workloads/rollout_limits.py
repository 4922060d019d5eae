# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes how many pods the rollout of a workload replaces at a time."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

#: The workload of Argo Rollouts, which restarts its pods at a time that is written into its spec.
ROLLOUT = "Rollout"


def takes_down(kind: str, strategy: str, rolling: Mapping[str, t.Any], replicas: int) -> int:
    """Return how many pods a rollout takes down before their replacements are ready.

    Source: Kubernetes API reference; percentages of maxUnavailable round down, but up for a DaemonSet
    (kubernetes/kubernetes pkg/controller/daemon/util, UnavailableCount). An Argo Rollout never surges for a restart:
    it evicts (Argo Rollouts documentation, "Restarting Rollout Pods").
    """
    if strategy == "Recreate":
        return replicas
    if strategy == "OnDelete" or replicas == 0:
        return 0
    extra = surge(kind, rolling, replicas)
    if kind == "DaemonSet" and extra:
        return 0
    limit = rolling.get("maxUnavailable", "25%" if kind in ("Deployment", ROLLOUT) else 1)
    down = _count(limit, replicas, up=kind == "DaemonSet")
    # Without a surge, a rollout always takes down one pod.
    return min(replicas, down if extra else max(1, down))


def surge(kind: str, rolling: Mapping[str, t.Any], replicas: int) -> int:
    """Return how many extra pods a rollout may start; percentages round up."""
    if kind not in ("Deployment", "DaemonSet"):
        return 0
    limit = rolling.get("maxSurge")
    default = "25%" if kind == "Deployment" else 0
    return _count(default if limit is None else limit, replicas, up=True)


def _count(limit: t.Any, replicas: int, *, up: bool) -> int:
    """Return a number or percentage of the replicas, rounded up or down."""
    if isinstance(limit, str) and limit.endswith("%"):
        hundredths = replicas * int(limit.rstrip("%"))
        return -(-hundredths // 100) if up else hundredths // 100
    return int(limit)
