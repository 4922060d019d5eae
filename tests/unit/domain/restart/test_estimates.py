# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a restart will take, from the pods that run now."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.estimates import batch_seconds, ready_seconds
from unit.support import builders as b

CREATED = datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.UTC)
WEB = ("shop", "Deployment", "web")


def pod(name: str, *after: float, of: str = "web") -> b.Json:
    """A pod of a Deployment that got ready some seconds after it was created, or is not ready."""
    made = b.pod(name, owner=("ReplicaSet", f"{of}-abc"), ready=bool(after))
    made["metadata"]["creationTimestamp"] = stamp(0)
    for condition in made["status"]["conditions"]:
        condition["lastTransitionTime"] = stamp(*after or (1,))
    return made


def stamp(seconds: float) -> str:
    """A time as the API server writes it."""
    return (CREATED + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def starts_of(*pods: b.Json) -> dict[tuple[str, str, str], float]:
    """The start times of the pods of Deployment web."""
    return ready_seconds(
        b.snapshot_of([b.workload(), b.replica_set("web-abc", "web"), *b.namespaces(shop=b.OLD), *pods])
    )


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([pod("a", 4), pod("b", 9), pod("c", 5)], {WEB: 5.0}, id="the middle one"),
        pytest.param([pod("a", 4), pod("b", 9000)], {WEB: 4.0}, id="one that was not ready for a moment is left out"),
        pytest.param([pod("a", 0)], {WEB: 1.0}, id="times are whole seconds"),
        pytest.param([pod("a")], {}, id="a pod that is not ready has no time"),
        pytest.param([pod("a", 4, of="other")], {}, id="a pod of another workload"),
    ],
)
def test_start_times(pods: list[b.Json], expected: dict[tuple[str, str, str], float]) -> None:
    assert starts_of(*pods) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        pytest.param("Deployment", {"replicas": 8}, 20, id="a quarter more, a quarter less: four at a time"),
        pytest.param("Deployment", {"replicas": 3}, 30, id="one more, none less: one at a time"),
        pytest.param("Deployment", {"replicas": 3, "strategy": {"type": "Recreate"}}, 10, id="all at once"),
        pytest.param(
            "Deployment",
            {"replicas": 3, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}},
            20,
            id="two at a time",
        ),
        pytest.param("Deployment", {"replicas": 2, "minReadySeconds": 30}, 80, id="each is looked at for a while"),
        pytest.param("StatefulSet", {"replicas": 3}, 30, id="one after the other"),
        pytest.param("DaemonSet", {"replicas": 3}, 30, id="node by node"),
        pytest.param(
            "DaemonSet", {"replicas": 4, "updateStrategy": {"rollingUpdate": {"maxSurge": "50%"}}}, 20, id="surging"
        ),
        pytest.param("Deployment", {"replicas": 0}, 0, id="nothing to wait for"),
    ],
)
def test_a_rollout_takes_as_many_rounds_as_its_strategy_makes(kind: str, spec: b.Json, expected: float) -> None:
    [workload] = b.snapshot_of([b.workload(kind, **spec)]).workloads.values()
    assert batch_seconds([workload], {workload.ref: 10.0}, 0) == expected


def test_the_slowest_of_a_batch_counts_and_its_soak() -> None:
    snapshot = b.snapshot_of([b.workload(name=name, replicas=1) for name in "abc"])
    batch = list(snapshot.workloads.values())
    assert batch_seconds(batch, {batch[0].ref: 4.0, batch[1].ref: 9.0}, 30) == 39.0
    assert batch_seconds(batch[2:], {batch[0].ref: 4.0}, 30) is None
