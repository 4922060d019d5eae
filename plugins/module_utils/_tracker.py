# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Follows workloads by watch, one per kind, for as long as a restart runs."""

from __future__ import annotations

import threading
import time

from ansible_collections.meshops.istio.plugins.module_utils._client import Client, Json
from ansible_collections.meshops.istio.plugins.module_utils._errors import (
    ApiError,
    ClusterError,
    ForbiddenError,
    GoneError,
)
from ansible_collections.meshops.istio.plugins.module_utils._mesh import name_of
from ansible_collections.meshops.istio.plugins.module_utils._workloads import ROLLED

Key = tuple[str, str, str]
WATCH_SECONDS = 60


class Tracker:
    """The newest known object of each wanted workload; a context manager that ends its watches.

    A broken watch resumes where it stopped; one that is too old starts again with a list.
    """

    def __init__(self, client: Client, wanted: set[Key]) -> None:
        self._client = client
        self._wanted = wanted
        self._objects: dict[Key, Json] = {}
        self._gone: set[str] = set()
        self._changed = threading.Condition()
        self._stop = False

    def __enter__(self) -> Tracker:
        for kind in sorted({kind for dummy, kind, dummy_name in self._wanted}):
            version = self._list(kind)
            threading.Thread(target=self._follow, args=(kind, version), daemon=True, name=f"watch-{kind}").start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop = True

    def get(self, key: Key) -> Json | None:
        """Return the newest object of a workload, or None if it was deleted."""
        with self._changed:
            return self._objects.get(key)

    def put(self, key: Key, obj: Json) -> None:
        """Take in the answer of a write, unless the watch was quicker: then it knows as much or more."""
        with self._changed:
            known = self._objects.get(key)
            quicker = known is not None and _at_least_as_new(known, obj)
            if not quicker and obj["metadata"].get("uid") not in self._gone:
                self._objects[key] = obj

    def wait(self, seconds: float) -> None:
        """Return when something changed, or after some seconds."""
        with self._changed:
            self._changed.wait(seconds)

    def _key(self, kind: str, obj: Json) -> Key:
        return (obj["metadata"]["namespace"], kind, name_of(obj))

    def _list(self, kind: str) -> str:
        def wanted(obj: Json) -> tuple[Key, Json] | None:
            key = self._key(kind, obj)
            return (key, obj) if key in self._wanted else None

        path = f"/apis/apps/v1/{ROLLED[kind]}"
        pairs, version = self._client.collect(path, wanted, doing=f"Reading {ROLLED[kind]}")
        found = dict(pair for pair in pairs if pair)
        with self._changed:
            for key in [key for key in self._wanted if key[1] == kind]:
                self._objects.pop(key, None)
                if key in found:
                    self._objects[key] = found[key]
            self._changed.notify_all()
        return version

    def _follow(self, kind: str, version: str) -> None:
        while not self._stop:
            try:
                version = self._watch(kind, version)
            except GoneError:
                version = self._relist(kind, version)
            except ForbiddenError:
                # the right to list is enough, only slower
                time.sleep(2.0)
                version = self._relist(kind, version)
            except (ClusterError, ApiError):
                time.sleep(1.0)

    def _relist(self, kind: str, version: str) -> str:
        try:
            return self._list(kind)
        except (ClusterError, ApiError):
            time.sleep(1.0)
            return version

    def _watch(self, kind: str, version: str) -> str:
        for event in self._client.watch(
            f"/apis/apps/v1/{ROLLED[kind]}", resource_version=version, seconds=WATCH_SECONDS
        ):
            obj = event["object"]
            version = obj["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._take(self._key(kind, obj), event["type"], obj)
            if self._stop:
                break
        return version

    def _take(self, key: Key, change: str, obj: Json) -> None:
        if key not in self._wanted:
            return
        with self._changed:
            known = self._objects.get(key)
            if change == "DELETED":
                self._gone.add(obj["metadata"].get("uid", ""))
                self._objects.pop(key, None)
            elif known is None or _at_least_as_new(obj, known):
                # an event from before our own write must not hide it
                self._objects[key] = obj
            self._changed.notify_all()


def _at_least_as_new(one: Json, other: Json) -> bool:
    """Whether one object is at least as new as another: generations only grow while the uid is the same."""
    if one["metadata"].get("uid") != other["metadata"].get("uid"):
        return True
    return bool(one["metadata"].get("generation", 0) >= other["metadata"].get("generation", 0))
