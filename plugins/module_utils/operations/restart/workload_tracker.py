# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows workloads and their pods by watch, one per kind, for as long as a restart runs.

Only pods of the batch that is under way are kept, and of a pod that changed several times since somebody looked only
what is newest is read, so that neither requests nor memory grow with the number of pods.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import threading
import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Owner, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import PodState, read_pod_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS, ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.watch_thread import Backlog, Feed

#: A Deployment says in a condition that its pods are refused; these kinds say it in events only.
SILENT = ("DaemonSet", "StatefulSet")
REFUSALS = {"fieldSelector": "type=Warning,reason=FailedCreate"}


@dataclasses.dataclass
class Tracked:
    """A pod as it is known now, whether the batch made it, and since when it is on its way out.

    ``left_before`` is whether it was on its way out before the batch began.
    """

    state: PodState
    new: bool
    leaving_since: float = 0.0
    left_before: bool = False


class Tracker:
    """The newest known object of each wanted workload; a context manager that ends its watches.

    ``pods_version`` is that of the list of pods which the snapshot was made of.
    """

    def __init__(self, client: Client, wanted: set[ObjectRef], pods_version: str) -> None:
        self._client = client
        self._wanted = wanted
        self._pods_version = pods_version
        self._objects: dict[ObjectRef, Json] = {}
        self._gone: set[str] = set()
        self._pods: dict[ObjectRef, dict[str, Tracked]] = {}
        self._backlog = Backlog()
        #: When the batch began, by the clock of the API server.
        self._began: datetime.datetime | None = None
        #: UIDs of the pods that went before somebody followed them, and of those that the last list had.
        self._left: set[str] = set()
        self._listed: set[str] | None = None
        self._refusals: dict[ObjectRef, str] = {}
        self._touched: set[ObjectRef] = set()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        #: Of a pod too, which is no reason to look at its workload.
        self._heard = threading.Condition(lock)
        self._feeds: list[Feed] = []

    def __enter__(self) -> Tracker:
        pods = Feed(self._client, self._place("pods"), self._put_pod, self._list_pods)
        self._feeds.append(pods)
        # first, so that what happened since the snapshot is known before the first batch begins
        pods.start(self._pods_version)
        for kind in sorted({kind for dummy, kind, dummy_name in self._wanted}):
            self._feed(COLLECTIONS[kind], kind)
        if any(kind in SILENT for dummy, kind, dummy_name in self._wanted):
            events = Feed(self._client, self._place("events"), self._take_event, None, REFUSALS)
            # who may not read events waits for the timeout instead
            with contextlib.suppress(ForbiddenError):
                events.start(events.newest())
                self._feeds.append(events)
        return self

    def __exit__(self, *dummy: object) -> None:
        for feed in self._feeds:
            feed.stop()

    def _feed(self, path: str, kind: str) -> None:
        feed = Feed(
            self._client,
            path,
            lambda event: self._take(kind, event.change, event.object),
            lambda: self._list(kind),
        )
        self._feeds.append(feed)
        feed.start(self._list(kind))

    def _place(self, resource: str) -> str:
        """One watch each: of the namespace if all is in one, else of the cluster."""
        names = {namespace for namespace, dummy, dummy_name in self._wanted}
        return f"/api/v1/namespaces/{names.pop()}/{resource}" if len(names) == 1 else f"/api/v1/{resource}"

    def get(self, key: ObjectRef) -> Json | None:
        """Return the newest object of a workload, or None if it was deleted."""
        with self._changed:
            return self._objects.get(key)

    def put(self, key: ObjectRef, obj: Json) -> None:
        """Take in the answer of a write, unless the watch was quicker: then it knows as much or more."""
        with self._changed:
            known = self._objects.get(key)
            quicker = known is not None and _at_least_as_new(known, obj)
            if not quicker and obj["metadata"].get("uid") not in self._gone:
                self._objects[key] = obj

    def renew(self, key: ObjectRef, obj: Json) -> None:
        """Take in what was just read, unless something newer is known."""
        with self._changed:
            known = self._objects.get(key)
            if known is None or _at_least_as_new(obj, known):
                self._objects[key] = obj

    def follow(self, keys: Iterable[ObjectRef], before: Iterable[tuple[ObjectRef, Pod]] = ()) -> None:
        """Keep the pods of these workloads; those that are there now, or are given, are none that a rollout made.

        What is given was read before, so that what went since is left out.
        """
        with self._changed:
            self._take_pods()
            # the API server keeps whole seconds
            self._began = server_now(self._client).replace(microsecond=0)
            self._pods = {key: self._pods.get(key, {}) for key in keys}
            for known in self._pods.values():
                for one in known.values():
                    one.new = False
            self._refusals = {}
            for key, pod in before:
                if key in self._pods and not self._went(pod.uid):
                    self._pods[key].setdefault(pod.uid, Tracked(PodState(pod), False, left_before=pod.deleting))

    def _went(self, uid: str) -> bool:
        return uid in self._left or (self._listed is not None and uid not in self._listed)

    def pods_of(self, key: ObjectRef) -> list[Tracked]:
        """Return the known pods of a followed workload."""
        with self._changed:
            self._take_pods()
            return list(self._pods.get(key, {}).values())

    def refusal(self, key: ObjectRef) -> str | None:
        """Return why no pod of a followed workload can be created, unless one could since."""
        with self._changed:
            if key in self._refusals:
                self._take_pods()
            return self._refusals.get(key)

    def wait(self, seconds: float) -> None:
        """Return when something changed, or after some seconds."""
        with self._heard:
            self._heard.wait(seconds)

    def touched(self, seconds: float) -> set[ObjectRef]:
        """Return the workloads that something was heard of since the last call, or is within some seconds."""
        with self._changed:
            if not self._touched:
                self._changed.wait(seconds)
            found, self._touched = self._touched, set()
            return found

    def _touch(self, keys: Iterable[ObjectRef]) -> None:
        self._touched.update(keys)
        self._changed.notify_all()
        self._heard.notify_all()

    def _list(self, kind: str) -> str:
        def wanted(obj: Json) -> tuple[ObjectRef, Json] | None:
            key = (obj["metadata"]["namespace"], kind, name_of(obj))
            return (key, obj) if key in self._wanted else None

        pairs, version = self._client.collect(COLLECTIONS[kind], wanted, doing=f"Reading {kind}s")
        found = dict(pair for pair in pairs if pair)
        with self._changed:
            listed = [key for key in self._wanted if key[1] == kind]
            for key in listed:
                known = self._objects.pop(key, None)
                if key in found:
                    # our own write can be newer than the list
                    newer = found[key] if known is None or _at_least_as_new(found[key], known) else known
                    self._objects[key] = newer
            self._touch(listed)
        return version

    def _list_pods(self) -> str:
        # of all, because the next batch may begin meanwhile
        found, version = list_states(self._client, self._place("pods"), self._wanted)
        with self._changed:
            # the list is newer
            self._backlog.take()
            self._listed, self._left = {state.pod.uid for dummy, state in found}, set()
            for key, known in self._pods.items():
                there = {state.pod.uid: state for owner, state in found if owner == key}
                for uid in set(known) - set(there):
                    del known[uid]
                for state in there.values():
                    self._keep(key, state, new=True)
            self._touch(self._pods)
        return version

    def _take(self, kind: str, change: str, obj: Json) -> None:
        key = (obj["metadata"]["namespace"], kind, name_of(obj))
        if key not in self._wanted:
            return
        with self._changed:
            known = self._objects.get(key)
            if change == "DELETED":
                self._gone.add(obj["metadata"].get("uid", ""))
                if known is not None and known["metadata"].get("uid") == obj["metadata"].get("uid"):
                    del self._objects[key]
            elif known is None or _at_least_as_new(obj, known):
                # an event from before our own write must not hide it
                self._objects[key] = obj
            self._touch([key])

    def _put_pod(self, event: Event) -> None:
        with self._changed:
            if self._backlog.put(event):
                self._take_pods()
            self._heard.notify_all()

    def _take_pods(self) -> None:
        for change, event in self._backlog.take():
            self._take_pod(change, event.uid, event.object)

    def _take_pod(self, change: str, uid: str, obj: Json) -> None:
        key = key_of_owner(obj, self._wanted)
        if key is None:
            return
        if key not in self._pods:
            self._left.update([uid] if change == "DELETED" else ())
        elif change == "DELETED":
            self._pods[key].pop(uid, None)
        else:
            self._keep(key, read_pod_state(obj), new=change == "ADDED")

    def _keep(self, key: ObjectRef, state: PodState, *, new: bool) -> None:
        known = self._pods[key].get(state.pod.uid)
        if known is None:
            known = self._pods[key][state.pod.uid] = Tracked(state, new)
            self._refusals.pop(key, None)
        known.state = state
        if not state.pod.deleting or known.leaving_since or known.left_before:
            return
        if state.left and self._began and state.left < self._began:
            known.left_before, known.new = True, False
        else:
            known.leaving_since = time.monotonic()

    def _take_event(self, event: Event) -> None:
        obj = event.object
        about = obj.get("involvedObject") or {}
        key = (str(about.get("namespace")), str(about.get("kind")), str(about.get("name")))
        with self._changed:
            if event.change != "DELETED" and key in self._pods and key not in self._refusals:
                self._refusals[key] = str(obj.get("message") or "")
                self._touch([key])


def key_of_owner(pod: Json, keys: Iterable[ObjectRef]) -> ObjectRef | None:
    """Return which of some workloads a raw pod belongs to; those with a ReplicaSet between are named by it."""
    owner = next((o for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    return _key(pod["metadata"]["namespace"], Owner(owner["kind"], owner["name"]), keys) if owner else None


def _key(namespace: str, owner: Owner, keys: Iterable[ObjectRef]) -> ObjectRef | None:
    if owner.kind != "ReplicaSet":
        key = ObjectRef(namespace, owner.kind, owner.name)
        return key if key in keys else None
    above = (ObjectRef(namespace, kind, owner.name.rpartition("-")[0]) for kind in ("Deployment", ROLLOUT))
    return next((key for key in above if key in keys), None)


def list_states(client: Client, path: str, keys: Iterable[ObjectRef]) -> tuple[list[tuple[ObjectRef, PodState]], str]:
    """Return the pods of some workloads as they are now, and the version of the list."""

    def mine(obj: Json) -> tuple[ObjectRef, PodState] | None:
        key = key_of_owner(obj, keys)
        return (key, read_pod_state(obj)) if key else None

    found, version = client.collect(path, mine, doing="Reading pods")
    return [pair for pair in found if pair], version


def _at_least_as_new(one: Json, other: Json) -> bool:
    """Whether one object is at least as new as another: generations only grow while the uid is the same."""
    if one["metadata"].get("uid") != other["metadata"].get("uid"):
        return True
    return bool(one["metadata"].get("generation", 0) >= other["metadata"].get("generation", 0))
