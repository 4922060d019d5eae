# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a check, an upgrade and a repeated run agrees with the API servers."""

from __future__ import annotations

import collections
import json
from typing import Any

import jsonschema
import pytest

from integration.story import Reading, Story
from integration.support import CHECKOUT, NEW_REVISION, NEW_VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SCHEMA = json.loads((CHECKOUT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(params=[0, 1], ids=["revisioned", "unrevisioned"])
def cluster(request: pytest.FixtureRequest, desk: Desk) -> Cluster:
    """Each cluster of the lab."""
    return desk.lab.clusters[request.param]


def of(report: Json, cluster: Cluster) -> Json:
    """The part of a report about one cluster; the report matches its schema."""
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return next(one for one in report["clusters"] if one["host"] == cluster.name)


def versions(reading: Reading) -> dict[str, int]:
    """Live proxies by version, as the API server had them."""
    return dict(collections.Counter(pod.version for pod in reading.pods.values() if pod.version and not pod.done))


def state(reading: Reading, plain: str) -> str:
    """The state of a finished cluster: some pods cannot follow, or only with finalize."""
    return plain if set(versions(reading)) <= {NEW_VERSION} else "incomplete"


def test_an_upgrade(story: Story, cluster: Cluster) -> None:
    report = story.upgraded.play.report()
    found = of(report, cluster)
    assert found["state"] == state(story.upgraded.after[cluster.name], "done")
    complete = {one["state"] for one in report["clusters"]} == {"done"}
    assert report["run"]["verdict"] == ("success" if complete else "incomplete")
    assert found["before"]["versions"] == versions(story.before[cluster.name])
    assert found["after"]["versions"] == versions(story.upgraded.after[cluster.name])
    assert found["after"]["current"]
    assert found["target"] == {"revision": NEW_REVISION, "version": NEW_VERSION}
    assert NEW_REVISION not in found["before"]["revisions"]
    assert found["after"]["revisions"][NEW_REVISION] == NEW_VERSION
    assert [stage["stage"] for stage in found["stages"] if stage["stage"]] == [
        "precheck",
        "control_plane",
        "data_plane",
        "verify",
    ]
    restarts = story.upgraded.play.of(cluster, "rollout_restart")
    assert sum(wave["restarted"] for wave in found["waves"]) == sum(len(one["restarted"]) for one in restarts)
    verified = story.upgraded.play.of(cluster, "istio_precheck")[-1]
    assert found["summary"]["after"] == verified["summary"]
    assert len(found["unrestartable"]) == len(verified["unrestartable"])


def test_check_mode_and_the_same_run_again(story: Story, cluster: Cluster) -> None:
    checked, again = of(story.checked.play.report(), cluster), of(story.again.play.report(), cluster)
    assert (checked["state"], checked["changed"], checked["actions"]) == ("dry_run", False, [])
    assert checked["before"]["versions"] == versions(story.before[cluster.name])
    assert (again["state"], again["changed"]) == (state(story.again.after[cluster.name], "unchanged"), False)
    assert again["after"]["versions"] == versions(story.again.after[cluster.name])


def test_what_was_left_alone(story: Story, cluster: Cluster) -> None:
    left = of(story.left.play.report(), cluster)
    assert (left["state"], left["changed"]) == (state(story.left.after[cluster.name], "unchanged"), False)
    assert left["after"]["versions"] == versions(story.left.after[cluster.name])
