# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following workloads by watch: events, a break, a watch that is too old, a right that is missing."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._tracker import Tracker
from unit.module_utils import builders as b
from unit.module_utils.fake_api import Answer, FakeApi, failure, stream

PATH = "/apis/apps/v1/deployments"
KEY = ("shop", "Deployment", "web")
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


def generation(tracker: Tracker) -> int | None:
    """Generation of Deployment web as it is known."""
    found = tracker.get(KEY)
    return found["metadata"]["generation"] if found else None


def soon(tracker: Tracker, holds: Callable[[], bool]) -> bool:
    """Whether something becomes true within a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        tracker.wait(0.02)
    return holds()


def follow(api: FakeApi, *answers: Answer) -> Tracker:
    """A tracker whose first list is followed by some watch answers."""
    listed = {"metadata": {"resourceVersion": "1"}, "items": list(api.objects)}
    api.script("GET", PATH, Answer(listed), *answers)
    return Tracker(api.client(), {KEY})


def test_it_starts_with_what_is_there(api: FakeApi) -> None:
    with Tracker(api.client(), {KEY}) as tracker:
        assert generation(tracker) == 1
        assert tracker.get(("shop", "Deployment", "other")) is None


def test_events_are_taken_in(api: FakeApi) -> None:
    with follow(api, stream(version(2), version(3))) as tracker:
        assert soon(tracker, lambda: generation(tracker) == 3)


def test_a_deletion_is_noticed(api: FakeApi) -> None:
    with follow(api, stream(version(2, "DELETED"))) as tracker:
        assert soon(tracker, lambda: tracker.get(KEY) is None)


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
        tracker._take(KEY, "MODIFIED", done)
        tracker.put(KEY, version(5)["object"])
        assert tracker.get(KEY) == done


def test_an_event_from_before_our_own_write_does_not_hide_it(api: FakeApi) -> None:
    with follow(api, stream()) as tracker:
        tracker.put(KEY, version(5)["object"])
        tracker._take(KEY, "MODIFIED", version(4)["object"])
        assert generation(tracker) == 5
        tracker._take(KEY, "MODIFIED", version(1, uid="a namesake")["object"])
        assert generation(tracker) == 1


@pytest.mark.parametrize("status", [410, 403, 500])
def test_a_watch_that_fails_is_survived(api: FakeApi, status: int) -> None:
    """410: list again. 403: the right to list is enough. 500: try again."""
    newer = version(9)
    tracker = follow(api, failure(status), *([stream(newer)] if status == 500 else []))
    api.objects[0] = newer["object"]
    with tracker:
        assert soon(tracker, lambda: generation(tracker) == 9)
