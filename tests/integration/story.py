# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One upgrade of two clusters, run once and recorded, so that many tests can look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integration.objects import Key, Pod, objects, pods
from integration.support import REVISION, UNREVISIONED, Desk, Play
from lab import Cluster

Json = dict[str, Any]


#: The revision that each cluster of the story comes with.
SOURCES = (REVISION, UNREVISIONED)


@dataclass(frozen=True)
class Reading:
    """A cluster at one time."""

    objects: dict[Key, Json]
    pods: dict[tuple[str, str], Pod]

    @classmethod
    def of(cls, cluster: Cluster) -> Reading:
        return cls(objects(cluster), pods(cluster))


@dataclass(frozen=True)
class Chapter:
    """A run, the writes it made on each cluster, and how each cluster was afterwards."""

    play: Play
    writes: dict[str, list[Json]]
    after: dict[str, Reading]

    @classmethod
    def run_story(cls, desk: Desk, *flags: str, **variables: Any) -> Chapter:
        clusters = desk.lab.clusters
        marks = {one.name: one.audit_mark() for one in clusters}
        play = desk.play(clusters, *flags, **variables)
        writes = {one.name: one.writes_since(marks[one.name]) for one in clusters}
        return cls(play, writes, {one.name: Reading.of(one) for one in clusters})


@dataclass(frozen=True)
class Story:
    """Two clusters before, in check mode, upgraded, asked for the same in all stages again, and left alone."""

    before: dict[str, Reading]
    checked: Chapter
    upgraded: Chapter
    again: Chapter
    left: Chapter

    @classmethod
    def run_story(cls, desk: Desk) -> Story:
        before = {one.name: Reading.of(one) for one in desk.lab.clusters}
        checked = Chapter.run_story(desk, "--check", "--diff")
        upgraded = Chapter.run_story(desk, "--diff")
        again = Chapter.run_story(desk)
        return cls(before, checked, upgraded, again, Chapter.run_story(desk, istio_skip_up_to_date=True))
