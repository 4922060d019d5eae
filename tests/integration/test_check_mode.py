# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode writes nothing and lists exactly what the real run then does."""

from __future__ import annotations

from typing import Any

import pytest

from integration.objects import INJECTION, REV, Key, changed
from integration.story import Reading, Story
from integration.support import Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: The objects of a tag; the Service came with Istio 1.26.
TAG_OBJECTS = (
    ("MutatingWebhookConfiguration", "", "istio-revision-tag-{}"),
    ("Service", "istio-system", "istiod-revision-tag-{}"),
)


@pytest.fixture(params=[0, 1], ids=["first", "second"])
def cluster(request: pytest.FixtureRequest, desk: Any) -> Cluster:
    """Each cluster of the lab."""
    return desk.lab.clusters[request.param]


def listed(play: Play, cluster: Cluster) -> dict[Key, str]:
    """The objects that the results of a run name, with what becomes of each."""
    found: dict[Key, str] = {}
    for result in play.of(cluster, "istio_revision"):
        found |= {(one["kind"], one["namespace"], one["name"]): one["change"] for one in result["changes"]}
    for result in play.of(cluster, "namespace_revision"):
        found |= {("Namespace", "", name): "update" for name in result["moved"]}
    for result in play.of(cluster, "istio_tag"):
        found |= {(kind, space, name.format(result["tag"])): "update" for kind, space, name in TAG_OBJECTS}
    for result in play.of(cluster, "rollout_restart"):
        for text in result["restarted"]:
            kind, dummy, place = text.partition(" ")
            space, dummy, name = place.partition("/")
            found[kind, space, name] = "update"
    return found


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Path to leaf; lists are read by their entries' names, else by position."""
    if isinstance(value, dict) and value:
        inner = {f"{path}.{key}" if path else key: item for key, item in value.items()}
    elif isinstance(value, list) and value:
        names = [item.get("name") if isinstance(item, dict) else None for item in value]
        named = all(names) and len(set(names)) == len(names)
        inner = {f"{path}.[{names[at] if named else at}]": item for at, item in enumerate(value)}
    else:
        return {path: value}
    return {key: leaf for deeper, item in inner.items() for key, leaf in leaves(item, deeper).items()}


def differing(key: Key, before: Reading, after: Reading) -> list[str]:
    """The paths of all leaves of an object that changed."""
    old, new = leaves(before.objects[key]), leaves(after.objects[key])
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def test_it_writes_nothing(story: Story, cluster: Cluster) -> None:
    story.checked.play.require_success()
    assert story.checked.writes[cluster.name] == []
    before, after = story.before[cluster.name], story.checked.after[cluster.name]
    assert changed(before.objects, after.objects) == {}
    assert before.pods == after.pods


def test_the_real_run_changes_exactly_the_objects_that_were_listed(story: Story, cluster: Cluster) -> None:
    story.upgraded.play.require_success()
    promised = listed(story.checked.play, cluster)
    happened = changed(story.before[cluster.name].objects, story.upgraded.after[cluster.name].objects)
    assert {key: happened.get(key) for key in {*promised, *happened}} == {
        key: promised.get(key) for key in {*promised, *happened}
    }
    kinds = {kind for kind, dummy, dummy_name in promised}
    assert {"CustomResourceDefinition", "Deployment", "DaemonSet", "StatefulSet", "Namespace", "ClusterRole"} <= kinds


def test_the_fields_that_change_are_those_that_were_listed(story: Story, cluster: Cluster) -> None:
    before, after = story.before[cluster.name], story.upgraded.after[cluster.name]
    (result,) = story.checked.play.of(cluster, "istio_revision")
    updates = [one for one in result["changes"] if one["change"] == "update"]
    assert updates
    for one in updates:
        really = differing((one["kind"], one["namespace"], one["name"]), before, after)
        assert (one["fields"], one["field_count"]) == (really[:25], len(really)), one["name"]


def test_labels_become_what_the_diff_says(story: Story, cluster: Cluster) -> None:
    said: dict[str, Json] = {}
    for result in story.checked.play.of(cluster, "namespace_revision"):
        said |= result["diff"]["after"]
    assert set(said) == {"shop", "payments", "orders", "catalog", "search", "logging", "ingress", "batch"}
    for name, labels in said.items():
        item = story.upgraded.after[cluster.name].objects["Namespace", "", name]
        assert {key: item["metadata"]["labels"].get(key) for key in (REV, INJECTION)} == labels


def test_every_task_says_the_same_in_both_runs(story: Story, cluster: Cluster) -> None:
    def told(play: Play) -> list[Any]:
        return [
            (one.task, one.result["changed"], one.result["actions"], one.result.get("diff"))
            for one in play.ours(cluster)
            if not one.action.endswith(("istio_precheck", "istio_info"))
        ]

    assert told(story.checked.play) == told(story.upgraded.play)
    assert len(told(story.checked.play)) >= 9
