# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes workloads and their pods by watch, one per kind, for as long as a restart takes.

Only pods of the current batch are kept, and of a pod that changed several times since the last check only the newest
state is read, so that neither requests nor memory grow with the number of pods.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import threading
import time
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import PodState, read_pod_state
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.pod_reads import (
    list_states,
    ref_of_owner,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.watch_thread import (
    PendingEvents,
    ResourceWatch,
)

#: A Deployment reports refused pods in a condition; these kinds report them in events only.
EVENTS_ONLY = ("DaemonSet", "StatefulSet")
REFUSALS = {"fieldSelector": "type=Warning,reason=FailedCreate"}


@dataclasses.dataclass
class TrackedPod:
    """A pod as it was seen last, whether the batch created it, and since when (monotonic) it has been terminating.

    ``left_before`` is whether it was terminating before the batch began.
    """

    state: PodState
    new: bool
    leaving_since: float = 0.0
    left_before: bool = False


class WorkloadTracker:
    """The newest seen object of each workload of a restart; a context manager that ends its watches.

    Args:
        refs: the workloads.
        pods_version: the resource version of the list of pods that the snapshot was made of.
    """

    def __init__(self, client: Client, refs: set[ObjectRef], pods_version: str) -> None:
        self._client = client
        self._refs = refs
        self._pods_version = pods_version
        self._objects: dict[ObjectRef, Json] = {}
        #: UIDs of deleted workloads.
        self._deleted: set[str] = set()
        self._pods: dict[ObjectRef, dict[str, TrackedPod]] = {}
        self._pending = PendingEvents()
        #: When the batch began, by the clock of the API server.
        self._began: datetime.datetime | None = None
        #: UIDs of the pods that ended before their batch, and of the pods of the last list.
        self._ended: set[str] = set()
        self._listed: set[str] | None = None
        self._refusals: dict[ObjectRef, str] = {}
        self._touched: set[ObjectRef] = set()
        lock = threading.RLock()
        #: Notified of changes after which a workload is to be checked.
        self._workload_changed = threading.Condition(lock)
        #: Notified of every change, also of a pod.
        self._any_changed = threading.Condition(lock)
        self._watches: list[ResourceWatch] = []

    def __enter__(self) -> WorkloadTracker:
        pods = ResourceWatch(self._client, self._path("pods"), self._receive_pod, self._list_pods)
        self._watches.append(pods)
        # Pods come first, so that all changes since the snapshot are seen before the first batch begins.
        pods.start(self._pods_version)
        for kind in sorted({ref.kind for ref in self._refs}):
            self._watch_kind(COLLECTIONS[kind], kind)
        if any(ref.kind in EVENTS_ONLY for ref in self._refs):
            events = ResourceWatch(self._client, self._path("events"), self._receive_event, None, REFUSALS)
            # Without the right to read events, a refusal is only noticed by the timeout.
            with contextlib.suppress(ForbiddenError):
                events.start(events.current_version())
                self._watches.append(events)
        return self

    def __exit__(self, *dummy: object) -> None:
        for watch in self._watches:
            watch.stop()

    def _watch_kind(self, path: str, kind: str) -> None:
        watch = ResourceWatch(
            self._client,
            path,
            lambda event: self._take(kind, event.change, event.object),
            lambda: self._list(kind),
        )
        self._watches.append(watch)
        watch.start(self._list(kind))

    def _path(self, resource: str) -> str:
        """Return the collection to watch: of the namespace if all workloads are in one, else of the cluster."""
        namespaces = {ref.namespace for ref in self._refs}
        return f"/api/v1/namespaces/{namespaces.pop()}/{resource}" if len(namespaces) == 1 else f"/api/v1/{resource}"

    def get(self, ref: ObjectRef) -> Json | None:
        """Return the newest object of a workload, or None if it was deleted."""
        with self._workload_changed:
            return self._objects.get(ref)

    def put(self, ref: ObjectRef, obj: Json) -> None:
        """Take in the answer to a write, unless the watch already reported the same or a newer state."""
        with self._workload_changed:
            current = self._objects.get(ref)
            reported = current is not None and _at_least_as_new(current, obj)
            if not reported and obj["metadata"].get("uid") not in self._deleted:
                self._objects[ref] = obj

    def renew(self, ref: ObjectRef, obj: Json) -> None:
        """Take in an object that was just read, unless a newer one was seen."""
        with self._workload_changed:
            current = self._objects.get(ref)
            if current is None or _at_least_as_new(obj, current):
                self._objects[ref] = obj

    def follow(self, refs: Iterable[ObjectRef], before: Iterable[tuple[ObjectRef, Pod]] = ()) -> None:
        """Keep the pods of these workloads; pods seen so far or passed in ``before`` count as old.

        Pods in ``before`` were read earlier, so that those that ended since are left out.
        """
        with self._workload_changed:
            self._read_pending_pods()
            # The API server keeps whole seconds.
            self._began = server_now(self._client).replace(microsecond=0)
            self._pods = {ref: self._pods.get(ref, {}) for ref in refs}
            for pods in self._pods.values():
                for tracked in pods.values():
                    tracked.new = False
            self._refusals = {}
            for ref, pod in before:
                if ref in self._pods and not self._has_ended(pod.uid):
                    self._pods[ref].setdefault(pod.uid, TrackedPod(PodState(pod), False, left_before=pod.deleting))

    def _has_ended(self, uid: str) -> bool:
        return uid in self._ended or (self._listed is not None and uid not in self._listed)

    def pods_of(self, ref: ObjectRef) -> list[TrackedPod]:
        """Return the pods of a workload of the current batch."""
        with self._workload_changed:
            self._read_pending_pods()
            return list(self._pods.get(ref, {}).values())

    def refusal(self, ref: ObjectRef) -> str | None:
        """Return why no pod of a workload could be created, unless one was created since."""
        with self._workload_changed:
            if ref in self._refusals:
                self._read_pending_pods()
            return self._refusals.get(ref)

    def wait(self, seconds: float) -> None:
        """Return after any change, or after some seconds."""
        with self._any_changed:
            self._any_changed.wait(seconds)

    def touched(self, seconds: float) -> set[ObjectRef]:
        """Return the workloads with a change since the last call; without any, wait for some seconds."""
        with self._workload_changed:
            if not self._touched:
                self._workload_changed.wait(seconds)
            touched, self._touched = self._touched, set()
            return touched

    def _touch(self, refs: Iterable[ObjectRef]) -> None:
        self._touched.update(refs)
        self._workload_changed.notify_all()
        self._any_changed.notify_all()

    def _list(self, kind: str) -> str:
        def read(obj: Json) -> tuple[ObjectRef, Json] | None:
            ref = ObjectRef(obj["metadata"]["namespace"], kind, name_of(obj))
            return (ref, obj) if ref in self._refs else None

        pairs, version = self._client.collect(COLLECTIONS[kind], read, doing=f"Reading {kind}s")
        listed = dict(pair for pair in pairs if pair)
        with self._workload_changed:
            refs = [ref for ref in self._refs if ref.kind == kind]
            for ref in refs:
                current = self._objects.pop(ref, None)
                if ref in listed:
                    # Our own write may be newer than the list.
                    newer = listed[ref] if current is None or _at_least_as_new(listed[ref], current) else current
                    self._objects[ref] = newer
            self._touch(refs)
        return version

    def _list_pods(self) -> str:
        # The pods of all workloads are listed, because the next batch may begin meanwhile.
        states, version = list_states(self._client, self._path("pods"), self._refs)
        with self._workload_changed:
            # The list is newer than the pending events.
            self._pending.take()
            self._listed, self._ended = {state.pod.uid for dummy, state in states}, set()
            for ref, pods in self._pods.items():
                present = {state.pod.uid: state for owner, state in states if owner == ref}
                for uid in set(pods) - set(present):
                    del pods[uid]
                for state in present.values():
                    self._keep(ref, state, new=True)
            self._touch(self._pods)
        return version

    def _take(self, kind: str, change: str, obj: Json) -> None:
        ref = ObjectRef(obj["metadata"]["namespace"], kind, name_of(obj))
        if ref not in self._refs:
            return
        with self._workload_changed:
            current = self._objects.get(ref)
            if change == "DELETED":
                self._deleted.add(obj["metadata"].get("uid", ""))
                if current is not None and current["metadata"].get("uid") == obj["metadata"].get("uid"):
                    del self._objects[ref]
            elif current is None or _at_least_as_new(obj, current):
                # An event from before our own write must not hide it.
                self._objects[ref] = obj
            self._touch([ref])

    def _receive_pod(self, event: Event) -> None:
        with self._workload_changed:
            if self._pending.put(event):
                self._read_pending_pods()
            self._any_changed.notify_all()

    def _read_pending_pods(self) -> None:
        for change, event in self._pending.take():
            self._take_pod(change, event.uid, event.object)

    def _take_pod(self, change: str, uid: str, obj: Json) -> None:
        ref = ref_of_owner(obj, self._refs)
        if ref is None:
            return
        if ref not in self._pods:
            self._ended.update([uid] if change == "DELETED" else ())
        elif change == "DELETED":
            self._pods[ref].pop(uid, None)
        else:
            self._keep(ref, read_pod_state(obj), new=change == "ADDED")

    def _keep(self, ref: ObjectRef, state: PodState, *, new: bool) -> None:
        tracked = self._pods[ref].get(state.pod.uid)
        if tracked is None:
            tracked = self._pods[ref][state.pod.uid] = TrackedPod(state, new)
            self._refusals.pop(ref, None)
        tracked.state = state
        if not state.pod.deleting or tracked.leaving_since or tracked.left_before:
            return
        if state.left and self._began and state.left < self._began:
            tracked.left_before, tracked.new = True, False
        else:
            tracked.leaving_since = time.monotonic()

    def _receive_event(self, event: Event) -> None:
        obj = event.object
        about = obj.get("involvedObject") or {}
        ref = ObjectRef(str(about.get("namespace")), str(about.get("kind")), str(about.get("name")))
        with self._workload_changed:
            if event.change != "DELETED" and ref in self._pods and ref not in self._refusals:
                self._refusals[ref] = str(obj.get("message") or "")
                self._touch([ref])


def _at_least_as_new(obj: Json, other: Json) -> bool:
    """Whether an object is at least as new as another one: generations only grow while the uid is the same."""
    if obj["metadata"].get("uid") != other["metadata"].get("uid"):
        return True
    return bool(obj["metadata"].get("generation", 0) >= other["metadata"].get("generation", 0))
