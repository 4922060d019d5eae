# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tracking the pods of a batch by watch: which are new, which left, and a watch that breaks."""

from __future__ import annotations

import datetime
import json
import time
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import watch_thread, workload_tracker
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from unit.support import builders as b
from unit.support.api_answers import Answer, failure, stream
from unit.support.fake_api import FakeApi
from unit.support.tracking import KEY, soon

OTHER = ObjectRef("shop", "Deployment", "other")
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster with two workloads."""
    with FakeApi(b.workload(), b.workload(name="other")) as found:
        yield found


PODS = "/api/v1/namespaces/shop/pods"


def pod_event(name: str, change: str = "ADDED", at: int = 2, owner: str = "web-abc", **meta: object) -> b.Json:
    """An event of a pod."""
    obj = b.pod(name, owner=("ReplicaSet", owner))
    obj["metadata"].update(resourceVersion=str(at), **meta)
    return {"type": change, "object": obj}


def event_of(event: b.Json) -> Event:
    """An event as a watch reports it."""
    return Event(json.dumps(event).encode(), "Watching")


def seen_pods(tracker: WorkloadTracker) -> dict[str, bool]:
    """The pods of Deployment web, and whether they are new."""
    return {one.state.pod.name: one.new for one in tracker.pods_of(KEY)}


def following(api: FakeApi, *answers: Answer, before: tuple[str, ...] = ()) -> WorkloadTracker:
    """A tracker of the pods of Deployment web; its watch of pods gets some answers."""
    api.script("GET", PODS, *answers)
    tracker = WorkloadTracker(api.client(), {KEY}, "1")
    tracker.follow([KEY], [(KEY, read_pod(b.pod(name))) for name in before])
    return tracker


def test_only_pods_of_the_batch_are_kept(api: FakeApi) -> None:
    with following(api, stream(pod_event("x", owner="other-abc"), pod_event("web-9"), pod_event("y", owner="a"))) as it:
        assert soon(it, lambda: seen_pods(it) == {"web-9": True})


def test_pods_of_before_are_not_new_and_all_can_go(api: FakeApi) -> None:
    events = stream(
        pod_event("web-1", "MODIFIED"), pod_event("web-2", "DELETED"), pod_event("web-9"), pod_event("web-9", "DELETED")
    )
    with following(api, events, before=("web-1", "web-2")) as it:
        assert soon(it, lambda: seen_pods(it) == {"web-1": False})


def test_only_the_newest_of_a_pod_is_looked_at(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    read, looked = workload_tracker.read_pod_state, list[str]()
    monkeypatch.setattr(
        workload_tracker, "read_pod_state", lambda obj: looked.append(obj["metadata"]["name"]) or read(obj)
    )
    changes = [
        ("web-1", "MODIFIED"), ("web-2", "MODIFIED"), ("web-2", "DELETED"), ("web-8", "ADDED"), ("web-8", "MODIFIED"),
        ("web-8", "MODIFIED"), ("web-9", "ADDED"), ("web-9", "DELETED"),
    ]  # fmt: skip
    it = following(api, before=("web-1", "web-2"))
    for at, (name, change) in enumerate(changes):
        it._receive_pod(event_of(pod_event(name, change, at=at)))
    assert seen_pods(it) == {"web-1": False, "web-8": True}
    assert looked == ["web-1", "web-8"]


def test_events_that_are_not_read_do_not_accumulate(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause between two batches can take an hour."""
    monkeypatch.setattr(watch_thread, "MOST", 3)
    it = following(api)
    waiting = []
    for at in range(7):
        it._receive_pod(event_of(pod_event(f"web-{at}")))
        waiting.append(len(it._pending._pending))
    assert waiting == [1, 2, 0, 1, 2, 0, 1]
    assert len(seen_pods(it)) == 7


def test_pods_of_before_a_batch_are_not_attributed_to_it(api: FakeApi) -> None:
    it = following(api)
    it.follow([OTHER])
    it._receive_pod(event_of(pod_event("web-8")))
    it.follow([KEY])
    it._receive_pod(event_of(pod_event("web-9")))
    assert seen_pods(it) == {"web-9": True}


def test_a_broken_watch_of_pods_continues_where_it_was(api: FakeApi) -> None:
    """As one that is cut every two seconds does."""
    broken = Answer(broken=True)
    with following(api, stream(pod_event("web-8", at=5)), broken, broken, stream(pod_event("web-9", at=6))) as it:
        assert soon(it, lambda: seen_pods(it) == {"web-8": True, "web-9": True})
    versions = [seen.query["resourceVersion"] for seen in api.seen if seen.path == PODS and "watch" in seen.query]
    assert versions[:4] == ["1", "5", "5", "5"]


@pytest.mark.parametrize("status", [410, 403])
def test_pods_are_listed_when_they_cannot_be_watched(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """410: the version is too old. 403: the right to list is enough."""
    monkeypatch.setattr(watch_thread, "LIST_SECONDS", 0.02)
    api.objects += [b.pod("web-1"), b.pod("web-9")]
    with following(api, failure(status), before=("web-1", "web-2")) as it:
        assert soon(it, lambda: seen_pods(it) == {"web-1": False, "web-9": True})


def test_events_gather_between_two_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a wait for an event, more of them arrive before the next one is read."""
    now, slept = [0.0], list[tuple[int, float]]()
    gaps = [5.0, 0.0, 0.5, 0.0, 0.0, 0.5]

    class Quiet:
        def watch(self, *dummy: t.Any, **query: t.Any) -> Iterator[Event]:
            for at, gap in enumerate(gaps):
                now[0] += gap
                yield event_of(pod_event(f"web-{at}", at=at))

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    taken = list[Event]()
    feed = watch_thread.ResourceWatch(t.cast("t.Any", Quiet()), PODS, taken.append, None)
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append((len(taken), seconds)))
    feed._watch()
    assert slept == [(3, watch_thread.GATHER_SECONDS), (6, watch_thread.GATHER_SECONDS)]


def test_the_pods_of_the_batch_before_are_forgotten(api: FakeApi) -> None:
    with following(api, before=("web-1",)) as it:
        it.follow([ObjectRef("shop", "Deployment", "other")])
        assert seen_pods(it) == {}


def test_pods_that_went_before_their_batch_began_are_no_part_of_it(api: FakeApi) -> None:
    """An hour may lie between the reading of the cluster and the last batch."""
    events = stream(pod_event("x", "DELETED", owner="other-abc"), pod_event("web-9"))
    before = [(OTHER, read_pod(b.pod(name, owner=("ReplicaSet", "other-abc")))) for name in ("x", "y")]
    api.script("GET", PODS, events)
    tracker = WorkloadTracker(api.client(), {KEY, OTHER}, "1")
    tracker.follow([KEY])
    with tracker as it:
        assert soon(it, lambda: seen_pods(it) == {"web-9": True})
        it.follow([OTHER], before)
        assert [one.state.pod.name for one in it.pods_of(OTHER)] == ["y"]


def test_pods_that_went_while_nothing_could_be_watched_are_no_part_of_a_batch(api: FakeApi) -> None:
    before = [(OTHER, read_pod(b.pod(name, owner=("ReplicaSet", "other-abc")))) for name in ("x", "y")]
    api.objects += [b.pod("y", owner=("ReplicaSet", "other-abc")), b.pod("web-9")]
    api.script("GET", PODS, failure(410))
    tracker = WorkloadTracker(api.client(), {KEY, OTHER}, "1")
    tracker.follow([KEY])
    with tracker as it:
        assert soon(it, lambda: seen_pods(it) == {"web-9": True})
        it.follow([OTHER], before)
        assert [one.state.pod.name for one in it.pods_of(OTHER)] == ["y"]


def test_a_list_that_began_before_a_batch_takes_no_pod_from_it(api: FakeApi) -> None:
    with following(api) as it:
        it.follow([])
        listed, list_states = list[str](), workload_tracker.list_states

        def late(*given: t.Any) -> t.Any:
            found = list_states(*given)
            if not listed:
                it.follow([KEY], [(KEY, read_pod(b.pod("web-1")))])
            listed.append("")
            return found

        api.objects += [b.pod("web-1"), b.pod("web-9")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workload_tracker, "list_states", late)
            it._list_pods()
        assert seen_pods(it) == {"web-1": False, "web-9": True}


def test_pods_of_a_batch_are_not_new_to_its_undo(api: FakeApi) -> None:
    with following(api, stream(pod_event("web-9"))) as it:
        assert soon(it, lambda: seen_pods(it) == {"web-9": True})
        it.follow([KEY])
        assert seen_pods(it) == {"web-9": False}


def test_the_time_of_leaving_is_that_of_the_first_sight(api: FakeApi) -> None:
    leaving = [pod_event("web-9", "MODIFIED", at, deletionTimestamp="now") for at in (3, 4)]
    with following(api, stream(pod_event("web-9"), leaving[0])) as it:
        assert soon(it, lambda: any(one.leaving_since for one in it.pods_of(KEY)))
        first = it.pods_of(KEY)[0].leaving_since
        it._take_pod("MODIFIED", it.pods_of(KEY)[0].state.pod.uid, leaving[1]["object"])
        assert it.pods_of(KEY)[0].leaving_since == first


def test_pods_of_several_namespaces_have_one_watch(api: FakeApi) -> None:
    def asked() -> set[str]:
        return {seen.path for seen in api.seen if seen.path.endswith("pods")}

    with WorkloadTracker(api.client(), {KEY, ObjectRef("other", "Deployment", "web")}, "1") as tracker:
        assert soon(tracker, lambda: bool(asked()))
    assert asked() == {"/api/v1/pods"}


@pytest.mark.parametrize("how", ["a list", "the watch"])
@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize(("hours", "counts"), [(-1, False), (1, True)])
def test_only_a_pod_that_began_to_terminate_after_the_batch_can_be_late(
    api: FakeApi, how: str, followed: bool, hours: int, counts: bool
) -> None:
    """A pod that is stuck on a dead node since yesterday does not fail the batch, also after a broken watch."""
    left = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    times = {"deletionTimestamp": left.strftime("%Y-%m-%dT%H:%M:%SZ"), "deletionGracePeriodSeconds": 30}
    it = following(api, before=("web-1",) if followed else ())
    event = pod_event("web-1", "MODIFIED" if followed else "ADDED", **times)
    if how == "a list":
        api.objects.append(event["object"])
        it._list_pods()
    else:
        it._receive_pod(event_of(event))
    [found] = it.pods_of(KEY)
    assert (bool(found.leaving_since), found.left_before) == (counts, not counts)


def test_a_pod_that_was_terminating_in_the_snapshot_left_before(api: FakeApi) -> None:
    pod = pod_event("web-1", deletionTimestamp="2026-01-01T00:00:00Z")["object"]
    it = WorkloadTracker(api.client(), {KEY}, "1")
    it.follow([KEY], [(KEY, read_pod(pod))])
    it._receive_pod(event_of({"type": "MODIFIED", "object": pod}))
    [found] = it.pods_of(KEY)
    assert (found.leaving_since, found.left_before) == (0.0, True)
