# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that were broken before are replaced only where their controller would keep them."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.baseline import Down, read_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Trouble,
    read_pod_state,
)
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
    pod = read_pod_state(raw)
    down = read_down(pod) or Down("web-1", "", Trouble("NotReady"))
    assert keeps_broken_pods(workload, pod, down) is kept


def test_a_pod_that_was_broken_when_it_was_read_is_replaced_without_another_event() -> None:
    """The tracker knows old pods only from the snapshot, which has no reason, until they change."""
    workload = read_workload("StatefulSet", b.workload("StatefulSet"))
    down = Down("web-1", "", Trouble("CrashLoopBackOff", container="app", own=True), broken=True)
    assert keeps_broken_pods(workload, PodState(read_pod(b.pod(ready=False))), down)
