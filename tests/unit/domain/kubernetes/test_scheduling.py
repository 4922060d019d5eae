# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which nodes the scheduler may put a pod (domain 14: anti-affinity)."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import Node, ResourceRequests
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.scheduling import (
    HOSTNAME,
    Placement,
    read_placement,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from unit.support import builders as b
from unit.support.checking import HUNGRY, UPGRADE

ZONE = "topology.kubernetes.io/zone"
ISTIOD = {"matchLabels": {"app": "istiod"}}
TAINT = {"key": "dedicated", "value": "mesh", "effect": "NoSchedule"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def node(name: str = "a", zone: str = "", *taints: b.Json, is_open: bool = True) -> Node:
    """A node with labels and taints."""
    labels = {"pool": name, **({ZONE: zone} if zone else {})}
    return Node(name, "v1.36.3", is_open, ResourceRequests(4, 8), labels, tuple(taints))


def placement(namespace: str = b.SYSTEM, **spec: object) -> Placement:
    """The scheduling rules of a template of istiod with some fields of a pod."""
    return read_placement({"metadata": {"labels": {"app": "istiod"}}, "spec": spec}, namespace)


def apart(key: str = HOSTNAME, selector: b.Json | None = None, **more: object) -> b.Json:
    """The affinity that keeps istiods off each other."""
    row = {"topologyKey": key, "labelSelector": selector or ISTIOD, **more}
    return {"affinity": {"podAntiAffinity": {REQUIRED: [row]}}}


def near(*rows: b.Json) -> b.Json:
    """The affinity to nodes of a kind."""
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": list(rows)}]}}}}


@pytest.mark.parametrize(
    ("spec", "there", "allowed"),
    [
        pytest.param({}, node(), True, id="any node"),
        pytest.param({}, node(is_open=False), False, id="a node that takes none"),
        pytest.param({}, node("a", "", TAINT), False, id="a taint"),
        pytest.param({}, node("a", "", {**TAINT, "effect": "PreferNoSchedule"}), True, id="a taint that only asks"),
        pytest.param({"tolerations": [{"operator": "Exists"}]}, node("a", "", TAINT), True, id="tolerates all"),
        pytest.param({"tolerations": [{"key": "dedicated", "value": "mesh"}]}, node("a", "", TAINT), True, id="equal"),
        pytest.param({"tolerations": [{"key": "dedicated", "value": "x"}]}, node("a", "", TAINT), False, id="unequal"),
        pytest.param(
            {"tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}]},
            node("a", "", TAINT),
            False,
            id="another effect",
        ),
        pytest.param({"nodeSelector": {"pool": "a"}}, node("a"), True, id="its node"),
        pytest.param({"nodeSelector": {"pool": "a"}}, node("b"), False, id="another node"),
        pytest.param(near(b.need("pool", "In", "a")), node("a"), True, id="affinity"),
        pytest.param(near(b.need("pool", "NotIn", "a")), node("a"), False, id="affinity to others"),
        pytest.param(near(b.need("cores", "Gt", "3")), node("a"), True, id="what is not judged"),
    ],
)
def test_nodes_that_accept_a_pod(spec: b.Json, there: Node, allowed: bool) -> None:
    assert placement(**spec).allows(there) is allowed


@pytest.mark.parametrize(
    ("spec", "on", "closed"),
    [
        ({}, "a", set()),
        (apart(), "a", {"a"}),
        (apart(), "gone", set()),
        (apart(ZONE), "a", {"a", "b"}),
        (apart(ZONE), "c", set()),
        (apart(selector={"matchLabels": {"app": "other"}}), "a", set()),
        (apart(namespaces=["elsewhere"]), "a", set()),
    ],
)
def test_anti_affinity_closes_nodes(spec: b.Json, on: str, closed: set[str]) -> None:
    nodes = [node("a", "west"), node("b", "west"), node("c")]
    assert placement(**spec).nodes_closed_to_pod(nodes, [(on, {"app": "istiod"})]) == closed


def test_mu040_each_istiod_needs_a_node_of_its_own() -> None:
    """Both revisions carry app=istiod, so that two more istiods need two more nodes."""
    objects = [dict(obj) for obj in HUNGRY]
    template = objects[0]["spec"]["template"]
    spec = {**template["spec"], **apart()}
    objects[0]["spec"] = {**objects[0]["spec"], "template": {"metadata": {"labels": {"app": "istiod"}}, "spec": spec}}
    old = [b.pod(f"istiod-{at}", b.SYSTEM, revision=None, owner=None, labels={"app": "istiod"}) for at in ("a", "b")]
    for pod in old:
        pod["spec"]["nodeName"] = pod["metadata"]["name"].removeprefix("istiod-")

    def messages(*names: str) -> list[str]:
        nodes = [b.node(name, memory="64Gi") for name in names]
        rows = run_checks(b.snapshot_of([*objects, *old, *nodes]), dataclasses.replace(UPGRADE))
        return [row.message.rpartition("; ")[2] for row in rows if row.code == "MU040"]

    assert messages("a", "b") == ["the nodes where its pods may run have capacity for 0."]
    assert messages("a", "b", "c") == ["the nodes where its pods may run have capacity for 1."]
    assert messages("a", "b", "c", "d") == []
