# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The graph of the workflow, for fleets of one, three and five rings."""

from __future__ import annotations

from typing import Any

import pytest

from unit.awx.conftest import RINGS

Json = dict[str, Any]
EDGES = ("success_nodes", "failure_nodes", "always_nodes")


class Graph:
    """Nodes by their identifiers, and their links."""

    def __init__(self, nodes: list[Json]) -> None:
        self.nodes = {node["identifier"]: node for node in nodes}
        assert len(self.nodes) == len(nodes)

    def after(self, name: str, *kinds: str) -> list[str]:
        related = self.nodes[name]["related"]
        return [link["identifier"] for kind in kinds or EDGES for link in related[kind]]

    def before(self, name: str) -> list[str]:
        return [one for one in self.nodes if name in self.after(one)]

    def template(self, name: str) -> str:
        return str(self.nodes[name]["unified_job_template"]["name"])

    def asks(self, name: str) -> bool:
        return bool(self.nodes[name]["unified_job_template"]["type"] == "workflow_approval")


@pytest.fixture(params=[*RINGS])
def rings(request: pytest.FixtureRequest) -> list[str]:
    return RINGS[request.param]


@pytest.fixture
def graph(configurations: dict[str, Json], rings: list[str]) -> Graph:
    (name,) = [name for name, names in RINGS.items() if names is rings]
    (workflow,) = configurations[name]["controller_workflows"]
    return Graph(workflow["workflow_nodes"])


def test_without_failures_every_ring_follows_an_approval(graph: Graph, rings: list[str]) -> None:
    path, names = [], [name for name in graph.nodes if not graph.before(name)]
    while names:
        (name,) = names
        path.append(name)
        names = graph.after(name, "success_nodes")
    ringed = [f"{step}-{ring}" for ring in rings for step in ("approve", "canary", "verify")]
    assert path == ["precheck", "plan", *ringed, "approve-finalize", "finalize"]
    assert all(graph.before(f"canary-{ring}") == [f"approve-{ring}"] for ring in rings)
    assert graph.before("finalize") == ["approve-finalize"]


def test_a_failure_in_a_ring_leads_to_the_rollback_of_that_ring(graph: Graph, rings: list[str]) -> None:
    for ring in rings:
        for step in ("canary", "verify"):
            assert graph.after(f"{step}-{ring}", "failure_nodes") == [f"approve-rollback-{ring}"]
        assert graph.after(f"approve-rollback-{ring}") == [f"rollback-{ring}"]
        assert graph.after(f"rollback-{ring}") == []
    others = [name for name in graph.nodes if not name.startswith(("canary", "verify"))]
    assert [name for name in others if graph.after(name, "failure_nodes", "always_nodes")] == []


def test_every_node_leads_to_an_existing_node_and_starts_an_existing_template(
    graph: Graph, configuration: Json
) -> None:
    assert {name for one in graph.nodes for name in graph.after(one)} <= set(graph.nodes)
    templates = {one["name"]: one for one in configuration["controller_templates"]}
    for name, node in graph.nodes.items():
        if not graph.asks(name):
            assert templates[graph.template(name)]["ask_limit_on_launch"] is True
            assert node["unified_job_template"]["organization"] == {"name": "Default"}


def test_every_approval_has_a_unique_name_and_a_timeout(graph: Graph) -> None:
    asked = [name for name in graph.nodes if graph.asks(name)]
    assert len({graph.template(name) for name in asked}) == len(asked)
    assert all(graph.nodes[name]["unified_job_template"]["timeout"] > 0 for name in asked)


def test_a_job_is_limited_to_its_ring_and_never_to_hosts_outside_of_all_rings(graph: Graph, rings: list[str]) -> None:
    limits = {name: node["limit"] for name, node in graph.nodes.items() if not graph.asks(name)}
    everything = ":".join(rings)
    assert limits == {"precheck": everything, "plan": everything, "finalize": everything} | {
        f"{step}-{ring}": ring for ring in rings for step in ("canary", "verify", "rollback")
    }


def test_a_waiting_approval_is_kept(configuration: Json) -> None:
    """AWX denies it when its node is deleted."""
    assert configuration["controller_workflows"][0]["destroy_current_nodes"] is False


def test_a_node_has_the_same_kinds_of_links_for_all_sets_of_rings(configurations: dict[str, Json]) -> None:
    """The module of awx.awx replaces the links of a node, but keeps links of a kind that is now empty."""
    ends: dict[str, set[tuple[str, ...]]] = {}
    for one in configurations.values():
        for node in one["controller_workflows"][0]["workflow_nodes"]:
            kinds = tuple(kind for kind in EDGES if node["related"][kind])
            ends.setdefault(node["identifier"], set()).add(kinds)
    assert {name for name, kinds in ends.items() if len(kinds) > 1} == set()


def test_the_survey_asks_for_everything_that_a_job_requires(configuration: Json, graph: Graph) -> None:
    (workflow,) = configuration["controller_workflows"]
    asked = {one["variable"] for one in workflow["survey_spec"]["spec"] if one["required"]}
    templates = {one["name"]: one for one in configuration["controller_templates"]}
    for name in graph.nodes:
        if not graph.asks(name):
            spec = templates[graph.template(name)]["survey_spec"]["spec"]
            assert {one["variable"] for one in spec if one["required"] and not one["default"]} <= asked
