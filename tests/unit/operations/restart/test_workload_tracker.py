# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following workloads by watch: events, a break, a watch that is too old, a right that is missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from unit.support import builders as b
from unit.support.api_answers import Answer, failure, stream
from unit.support.fake_api import FakeApi
from unit.support.tracking import KEY, soon

PATH = "/apis/apps/v1/deployments"
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster with two workloads."""
    with FakeApi(b.workload(), b.workload(name="other")) as found:
        yield found


def version(number: int, change: str = "MODIFIED", uid: str = "uid-shop-web") -> b.Json:
    """An event of Deployment web at a generation."""
    obj = copy.deepcopy(b.workload())
    obj["metadata"].update(generation=number, resourceVersion=str(number), uid=uid)
    return {"type": change, "object": obj}


def generation(tracker: WorkloadTracker) -> int | None:
    """Generation of Deployment web as it was seen last."""
    found = tracker.get(KEY)
    return found["metadata"]["generation"] if found else None


def follow(api: FakeApi, *answers: Answer) -> WorkloadTracker:
    """A tracker whose first list is followed by some watch answers."""
    listed = {"metadata": {"resourceVersion": "1"}, "items": list(api.objects)}
    api.script("GET", PATH, Answer(listed), *answers)
    return WorkloadTracker(api.client(), {KEY}, "1")


def test_it_starts_with_existing_objects(api: FakeApi) -> None:
    with WorkloadTracker(api.client(), {KEY}, "1") as tracker:
        assert generation(tracker) == 1
        assert tracker.get(ObjectRef("shop", "Deployment", "other")) is None


def test_events_are_taken_in(api: FakeApi) -> None:
    with follow(api, stream(version(2), version(3))) as tracker:
        assert soon(tracker, lambda: generation(tracker) == 3)


def test_a_deletion_is_noticed(api: FakeApi) -> None:
    with follow(api, stream(version(2, "DELETED"))) as tracker:
        assert soon(tracker, lambda: tracker.get(KEY) is None)


def test_the_deletion_of_a_namesake_of_before_is_none(api: FakeApi) -> None:
    with follow(api, stream(version(2, "DELETED", uid="a namesake"), version(3))) as tracker:
        assert soon(tracker, lambda: generation(tracker) == 3)
        tracker._take("Deployment", "DELETED", version(4, uid="a namesake")["object"])
        assert generation(tracker) == 3


def test_a_bookmark_is_no_object_but_moves_on(api: FakeApi) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}
    with follow(api, stream(bookmark)) as tracker:
        assert soon(tracker, lambda: any(seen.query.get("resourceVersion") == "77" for seen in api.seen))
        assert generation(tracker) == 1


def test_a_watch_that_is_quicker_than_the_answer_of_a_write_is_believed(api: FakeApi) -> None:
    """Else a rollout that completes before the answer is taken in would never be seen to complete."""
    with follow(api, stream()) as tracker:
        done = version(5)["object"]
        done["status"]["observedGeneration"] = 5
        tracker._take("Deployment", "MODIFIED", done)
        tracker.put(KEY, version(5)["object"])
        assert tracker.get(KEY) == done


def test_an_event_that_cannot_be_read_comes_again(api: FakeApi) -> None:
    head = '{"type":"MODIFIED","object":{"kind":"Deployment","apiVersion":"apps/v1","metadata":'
    broken = head + '{"name":"web","namespace":"shop","uid":"uid-shop-web","resourceVersion":"7",{"error":{}}'
    with follow(api, Answer(chunks=(broken.encode() + b"\n",)), stream(version(8))) as tracker:
        assert soon(tracker, lambda: generation(tracker) == 8)
    watched = [seen.query["resourceVersion"] for seen in api.seen if seen.path == PATH and "watch" in seen.query]
    assert watched[:2] == ["1", "1"]


def test_an_event_from_before_our_own_write_does_not_hide_it(api: FakeApi) -> None:
    with follow(api, stream()) as tracker:
        tracker.put(KEY, version(5)["object"])
        tracker._take("Deployment", "MODIFIED", version(4)["object"])
        assert generation(tracker) == 5
        tracker._take("Deployment", "MODIFIED", version(1, uid="a namesake")["object"])
        assert generation(tracker) == 1


def test_a_list_from_before_our_own_write_does_not_hide_it(api: FakeApi) -> None:
    """Else the rollout of before, which is complete, would pass for ours."""
    tracker = WorkloadTracker(api.client(), {KEY}, "1")
    tracker.put(KEY, version(5)["object"])
    items = [[version(4)["object"]], []]
    api.script("GET", PATH, *(Answer({"metadata": {"resourceVersion": "6"}, "items": found}) for found in items))
    tracker._list("Deployment")
    assert generation(tracker) == 5
    tracker._list("Deployment")
    assert generation(tracker) is None


@pytest.mark.parametrize("status", [410, 403, 500])
def test_a_watch_that_fails_is_survived(api: FakeApi, status: int) -> None:
    """410: list again. 403: the right to list is enough. 500: try again."""
    newer = version(9)
    tracker = follow(api, failure(status), *([stream(newer)] if status == 500 else []))
    api.objects[0] = newer["object"]
    with tracker:
        assert soon(tracker, lambda: generation(tracker) == 9)
