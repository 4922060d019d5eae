# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a new pod gets ready, and why it does not (S5, domain 14)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    LATE_SECONDS,
    overdue_termination,
    pod_failure,
    pod_unready,
    read_pod_state,
)
from unit.support import builders as b


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(
            {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            "container app: CrashLoopBackOff",
            id="crash loop",
        ),
        pytest.param(
            {
                "initContainerStatuses": [
                    {
                        "name": "istio-proxy",
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
                    }
                ]
            },
            "container istio-proxy: ImagePullBackOff (no such tag)",
            id="domain 14: a native sidecar is an init container",
        ),
        pytest.param(
            {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
            None,
            id="starting",
        ),
        pytest.param({"containerStatuses": [{"name": "app", "state": {"running": {}}}]}, None, id="running"),
        pytest.param(None, None, id="not scheduled yet"),
    ],
)
def test_pod_failure(status: b.Json | None, expected: str | None) -> None:
    assert pod_failure({"metadata": {}, "status": status}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"conditions": [{"type": "Ready", "status": "True"}]}, None, id="ready"),
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "Unschedulable: 0/3 nodes are available",
            id="no node takes it",
        ),
        pytest.param(
            {
                "initContainerStatuses": [{"name": "istio-proxy", "ready": False}],
                "containerStatuses": [{"name": "app", "ready": False}],
            },
            "container istio-proxy: NotReady",
            id="domain 14: a native sidecar is an init container",
        ),
        pytest.param({}, "NotReady", id="nothing is known yet"),
    ],
)
def test_pod_unready(status: b.Json, expected: str | None) -> None:
    found = pod_unready({"metadata": {}, "status": status})
    assert (str(found) if found else None) == expected


@pytest.mark.parametrize("place", ["initContainers", "containers"])
@pytest.mark.parametrize(
    ("message", "container", "own"),
    [
        pytest.param("1 Insufficient cpu, 2 node(s) had untolerated taint", "istio-proxy", False, id="may fit without"),
        pytest.param("3 Insufficient memory", "istio-init", False, id="may fit without what sets the proxy up"),
        pytest.param("3 Insufficient nvidia.com/gpu", "istio-proxy", True, id="what no proxy asks for"),
        pytest.param("3 node(s) didn't match Pod's node affinity/selector", "istio-proxy", True, id="of no node"),
        pytest.param("3 Insufficient cpu", "app", True, id="nothing for a proxy"),
    ],
)
def test_a_pod_that_may_fit_without_its_proxy_is_not_proven_trouble_of_its_workload(
    place: str, message: str, container: str, own: bool
) -> None:
    requests = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    status = {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": f"0/3 nodes are available: {message}."}]
    }
    found = pod_unready({"spec": {place: [{"name": container, "resources": requests}]}, "status": status})
    assert found is not None
    assert (found.reason, found.own) == ("Unschedulable", own)


def test_restarts_of_all_containers_count() -> None:
    raw = b.pod()
    raw["status"]["initContainerStatuses"] = [{"name": "istio-proxy", "restartCount": 2}]
    raw["status"]["containerStatuses"] = [{"name": "app", "restartCount": 1}, {"name": "new"}]
    assert read_pod_state(raw).restarts == 3


@pytest.mark.parametrize(
    ("grace", "seconds", "expected"),
    [
        pytest.param(5, 4 + LATE_SECONDS, None, id="in its grace period, or hardly after it"),
        pytest.param(5, 5 + LATE_SECONDS, "Terminating: for 20 s on node a, its grace period is 5 s", id="too late"),
        pytest.param(0, LATE_SECONDS, "Terminating: for 15 s on node a, its grace period is 0 s", id="no grace"),
        pytest.param(None, 20 + LATE_SECONDS, None, id="the server's default"),
    ],
)
def test_a_pod_that_terminates_too_long(grace: int | None, seconds: float, expected: str | None) -> None:
    raw = b.pod()
    raw["spec"]["nodeName"] = "a"
    raw["metadata"].update({"deletionTimestamp": "now", "deletionGracePeriodSeconds": grace})
    found = overdue_termination(read_pod_state(raw), seconds)
    assert (str(found) if found else None) == expected
