# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that were broken before are replaced only where their controller would keep them."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import read_pod_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.broken_before import keeps_broken_pods
from unit.support import builders as b


@pytest.mark.parametrize(
    ("kind", "state", "kept"),
    [
        ("Deployment", "crash", True),
        ("Deployment", "unready", True),
        ("Deployment", "ready", False),
        ("StatefulSet", "crash", True),
        # It may be ready soon, and the StatefulSet waits for that.
        ("StatefulSet", "unready", False),
        ("DaemonSet", "crash", False),
    ],
)
def test_pods_that_a_controller_keeps_although_they_are_broken(kind: str, state: str, *, kept: bool) -> None:
    raw = b.pod(ready=state == "ready")
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}} if state == "crash" else {"running": {}}
    raw["status"]["containerStatuses"] = [{"name": "app", "ready": state == "ready", "state": waiting}]
    workload = read_workload(kind, b.workload(kind))
    assert keeps_broken_pods(workload, read_pod_state(raw)) is kept
