# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One watch in a thread: resumes where it broke off, and lists again when that is too old."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading
import time
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ForbiddenError,
    GoneError,
)

WATCH_SECONDS = 60
#: Without the right to watch, the right to list is enough, only slower.
LIST_SECONDS = 3.0
#: How long events are let gather: being woken by each costs more than reading it, and nobody looks more often.
GATHER_SECONDS = 0.1
#: An event that comes sooner was there already.
AT_ONCE_SECONDS = 0.001
#: Events that wait to be looked at, at most: of pods of 12 kB each.
MOST = 500


class Backlog:
    """What happened to objects that nobody has looked at yet: of each object only what is newest is ever parsed."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, Event]] = {}

    def put(self, event: Event) -> bool:
        """Keep an event; returns whether so many wait that they must be looked at."""
        before, dummy = self._waiting.get(event.uid, ("", event))
        change = "ADDED" if before == "ADDED" and event.change == "MODIFIED" else event.change
        self._waiting[event.uid] = change, event
        return len(self._waiting) >= MOST

    def take(self) -> list[tuple[str, Event]]:
        """Return what happened to each object since the last call, and what it is now."""
        found, self._waiting = list(self._waiting.values()), {}
        return found


@dataclasses.dataclass
class Feed:
    """Takes in every change of a collection.

    ``relist`` reads the collection anew and returns its resource version; without it the feed ends where nothing may
    be watched.
    """

    client: Client
    path: str
    take: Callable[[Event], None]
    relist: Callable[[], str] | None
    query: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    _version: str = ""
    _stop: bool = False

    def start(self, version: str) -> None:
        """Follow what happens after a resource version."""
        threading.Thread(target=self._follow, args=(version,), daemon=True, name=f"watch {self.path}").start()

    def stop(self) -> None:
        """End with the next event, or with the watch."""
        self._stop = True

    def newest(self) -> str:
        """Return the resource version that the collection has now, without reading it."""
        query = {"limit": 1, **self.query}
        page = self.client.request("GET", self.path, doing=f"Reading {self.path}", params=query)
        return str(page["metadata"].get("resourceVersion", ""))

    def _follow(self, version: str) -> None:
        self._version = version
        failures = 0
        while not self._stop:
            began, before = time.monotonic(), self._version
            try:
                self._watch()
            except GoneError:
                self._again()
            except ForbiddenError:
                if self.relist is None:
                    return
                time.sleep(LIST_SECONDS)
                self._again()
            except (ClusterError, ApiError):
                pass
            useful = self._version != before or time.monotonic() - began > 1.0
            failures = 0 if useful else min(failures + 1, 5)
            if failures:
                time.sleep(0.1 * 2.0**failures * random.uniform(0.5, 1.0))

    def _again(self) -> None:
        with contextlib.suppress(ClusterError, ApiError):
            self._version = self.relist() if self.relist else self.newest()

    def _watch(self) -> None:
        query = {"resource_version": self._version, "seconds": WATCH_SECONDS, **self.query}
        asked: float | None = None
        for event in self.client.watch(self.path, **query):
            # what happened before the watch began is there with the first one
            waited = asked is not None and time.monotonic() - asked >= AT_ONCE_SECONDS
            if self._stop:
                return
            if event.change != "BOOKMARK":
                self.take(event)
            # last, so that what could not be read comes again
            self._version = event.version or self._version
            if waited:
                time.sleep(GATHER_SECONDS)
            asked = time.monotonic()
