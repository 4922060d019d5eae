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
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
TAGGED = "reports"


@dataclass(frozen=True)
class Story:
    """A canary in check mode that leaves them, then one that labels them, and its rollback."""

    cluster: Cluster
    before: dict[str, dict[str, str]]
    stays: Play
    moved: Play
    labelled: dict[str, dict[str, str]]
    tags: dict[str, str]
    versions: set[str]
    after: dict[str, dict[str, str]]
    again: Play


@pytest.fixture(scope="module")
def story(desk: Desk) -> Story:
    """Tell it."""
    cluster, desk.state = desk.lab.clusters[1], ""
    mesh(cluster, REVISION)
    before = labels(cluster)
    stays = desk.play([cluster], "--check", istio_tagged_namespaces="stay")
    moved = desk.play([cluster], istio_tagged_namespaces="label")
    cluster.wait_ready()
    labelled, tags = labels(cluster), desk.tool(cluster, "istio_info")["tags"]
    versions = {pod.version for pod in pods(cluster, [TAGGED]).values()}
    desk.play([cluster], playbook=ROLLBACK).require_success()
    cluster.wait_ready()
    again = desk.play([cluster], playbook=ROLLBACK)
    return Story(cluster, before, stays, moved, labelled, tags, versions, labels(cluster), again)


def test_they_can_stay_where_they_are(story: Story) -> None:
    story.stays.require_success()
    assert story.stays.of(story.cluster, "istio_tag") == []
    moved = [name for one in story.stays.of(story.cluster, "namespace_revision") for name in one["moved"]]
    assert "shop" in moved
    assert TAGGED not in moved


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
