# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the scheduler would find room for more pods (domain 14, capacity for a second control plane)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    Node,
    ResourceRequests,
    free_resources,
    pod_requests,
    read_node,
    read_quantity,
    schedulable_replicas,
)
from unit.support import builders as b

GIB = 1024.0**3
ISTIOD = ResourceRequests(0.5, 2 * GIB)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", 0.5), ("2", 2), (2, 2), ("0.1", 0.1), ("2Gi", 2 * GIB), ("2048Mi", 2 * GIB), ("128974848", 128974848),
        ("129e6", 129e6), ("129M", 129e6), ("1k", 1000), ("100n", 1e-7), ("", 0), ("two", 0), ("1Xi", 0), (None, 0),
        ("1.2.3", 0),
    ],
)  # fmt: skip
def test_quantities(text: object, value: float) -> None:
    assert read_quantity(text) == pytest.approx(value)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
)
def test_quantities_are_those_of_kubernetes(number: int, unit: str) -> None:
    assert read_quantity(f"{number}{unit}") == pytest.approx(float(parse_quantity(f"{number}{unit}")))


def container(cpu: str, memory: str, **more: str) -> b.Json:
    """A container with requests."""
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


@pytest.mark.parametrize(
    ("spec", "need"),
    [
        pytest.param({"containers": [{}]}, ResourceRequests(), id="no requests"),
        pytest.param(
            {"containers": [container("1", "1Gi"), container("500m", "1Gi")]}, ResourceRequests(1.5, 2 * GIB), id="sum"
        ),
        pytest.param(
            {"containers": [container("1", "1Gi")], "initContainers": [container("2", "512Mi")]},
            ResourceRequests(2, GIB),
            id="an init container runs alone",
        ),
        pytest.param(
            {
                "containers": [container("1", "1Gi")],
                "initContainers": [container("100m", "1Gi", restartPolicy="Always"), container("1", "1Gi")],
            },
            ResourceRequests(1.1, 2 * GIB),
            id="a native sidecar stays",
        ),
        pytest.param(
            {"containers": [], "overhead": {"cpu": "1", "memory": "1Gi"}}, ResourceRequests(1, GIB), id="overhead"
        ),
    ],
)
def test_requests_of_a_pod(spec: b.Json, need: ResourceRequests) -> None:
    assert pod_requests(spec) == need


def node(name: str, cpu: float = 2, memory: float = 4, is_open: bool = True) -> Node:
    """A node by cores and GiB."""
    return Node(name, "v1.36.3", is_open, ResourceRequests(cpu, memory * GIB))


@pytest.mark.parametrize(
    ("spec", "conditions", "is_open"),
    [
        ({}, [], True),
        ({}, [{"type": "Ready", "status": "False"}], False),
        ({"unschedulable": True}, [], False),
    ],
)
def test_nodes_that_accept_pods(spec: b.Json, conditions: list[b.Json], is_open: bool) -> None:
    status = {"allocatable": {"cpu": "2", "memory": "4Gi"}, "conditions": conditions}
    raw = {"metadata": {"name": "a"}, "spec": spec, "status": {**status, "nodeInfo": {"kubeletVersion": "v1.36.3"}}}
    assert read_node(raw) == node("a", is_open=is_open)


@pytest.mark.parametrize(
    ("nodes", "taken", "copies", "expected"),
    [
        pytest.param([node("a")], {}, 1, 1, id="an empty node"),
        pytest.param([node("a")], {}, 3, 2, id="memory for two"),
        pytest.param([node("a"), node("b")], {"a": ResourceRequests(2, 0)}, 3, 2, id="no CPU on one node"),
        pytest.param([], {}, 1, 0, id="no node"),
    ],
)
def test_schedulable_replicas(
    nodes: list[Node], taken: dict[str, ResourceRequests], copies: int, expected: int
) -> None:
    assert schedulable_replicas(ISTIOD, copies, free_resources(nodes, taken)) == expected


@pytest.mark.parametrize(
    ("rivals", "expected"), [({}, 3), ({"a": {"a"}, "b": {"b"}}, 2), ({"a": {"a", "b"}, "b": {"a", "b"}}, 1)]
)
def test_pods_that_close_nodes_for_each_other(rivals: dict[str, set[str]], expected: int) -> None:
    assert schedulable_replicas(ISTIOD, 3, free_resources([node("a"), node("b")], {}), rivals) == expected


def test_requests_as_text() -> None:
    assert str(ISTIOD) == "500m CPU and 2048Mi memory"
