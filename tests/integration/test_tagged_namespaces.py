# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces behind a tag move with the tag, by a label of their own, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import ROLLBACK, mesh
from integration.objects import REV, labels, pods
from integration.story import Reading
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
TAGGED = "reports"
#: One that follows a tag, one that follows the default, and one by its own label.
EXCLUDED = [TAGGED, "cat*", "logging"]
OUT = (TAGGED, "catalog", "logging")


@dataclass(frozen=True)
class Story:
    """Canaries that leave them, in check mode and for real, then one that labels them, and its rollback."""

    cluster: Cluster
    before: dict[str, dict[str, str]]
    stays: Play
    excluded: Play
    kept: tuple[Reading, Reading]
    moved: Play
    labelled: dict[str, dict[str, str]]
    tags: dict[str, str]
    versions: set[str]
    after: dict[str, dict[str, str]]
    again: Play


@pytest.fixture(scope="module")
def story(desk: Desk) -> Story:
    """Run the story."""
    cluster, desk.state = desk.lab.clusters[1], ""
    mesh(cluster, REVISION)
    before = labels(cluster)
    stays = desk.play([cluster], "--check", istio_tagged_namespaces="stay")
    unread = Reading.of(cluster)
    excluded = desk.play([cluster], istio_exclude_namespaces=EXCLUDED, istio_finalize=True)
    cluster.wait_ready()
    kept = (unread, Reading.of(cluster))
    moved = desk.play([cluster], istio_tagged_namespaces="label")
    cluster.wait_ready()
    labelled, tags = labels(cluster), desk.tool(cluster, "istio_info")["tags"]
    versions = {pod.version for pod in pods(cluster, [TAGGED]).values()}
    desk.play([cluster], playbook=ROLLBACK).require_success()
    cluster.wait_ready()
    again = desk.play([cluster], playbook=ROLLBACK)
    return Story(cluster, before, stays, excluded, kept, moved, labelled, tags, versions, labels(cluster), again)


def test_they_can_stay_where_they_are(story: Story) -> None:
    story.stays.require_success()
    assert story.stays.of(story.cluster, "istio_tag") == []
    moved = [name for one in story.stays.of(story.cluster, "namespace_revision") for name in one["moved"]]
    assert "shop" in moved
    assert TAGGED not in moved


def test_what_is_excluded_stays_whatever_it_follows(story: Story) -> None:
    """By a label, by a tag, by the default: no pod is replaced, no label and no tag is moved for it."""
    before, after = story.kept
    for name in OUT:
        assert {key: pod.uid for key, pod in before.pods.items() if key[0] == name} == {
            key: pod.uid for key, pod in after.pods.items() if key[0] == name
        }
        (key,) = [key for key in before.objects if key[0] == "Namespace" and key[2] == name]
        assert after.objects[key]["metadata"]["labels"] == before.objects[key]["metadata"]["labels"]
    assert {pod.version for key, pod in after.pods.items() if key[0] == "shop"} == {NEW_VERSION}
    assert story.excluded.of(story.cluster, "istio_tag") == []
    assert f"Tag prod is not moved, because it is followed by {TAGGED} (istio_exclude_namespaces names it)." in (
        " ".join(story.excluded.output.split())
    )


def test_the_default_does_not_move_while_who_follows_it_is_excluded(story: Story) -> None:
    said = story.excluded.failure(story.cluster)
    assert f"The default of cluster {story.cluster.name} stays where it is, because a move to {NEW_REVISION}" in said
    assert "would take along catalog (istio_exclude_namespaces names it)" in said


def test_they_get_a_label_of_their_own_and_the_tag_stays(story: Story) -> None:
    story.moved.require_success()
    assert story.labelled[TAGGED][REV] == NEW_REVISION
    assert story.versions == {NEW_VERSION}
    assert story.tags["prod"] == REVISION


def test_the_way_back_restores_the_label_of_the_tag_exactly(story: Story) -> None:
    assert story.after == story.before
    assert story.after[TAGGED][REV] == "prod"
    assert {pod.version for pod in pods(story.cluster, [TAGGED]).values()} == {VERSION}
    story.again.require_success()
    assert story.again.recap[story.cluster.name]["changed"] == 0
