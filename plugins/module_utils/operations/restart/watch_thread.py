# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a collection in a thread: resumes a broken watch, and lists again if the version is too old."""

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
#: How long events gather: waking up for each costs more than reading it, and the checks run less often anyway.
GATHER_SECONDS = 0.1
#: An event that arrives sooner was waiting already.
AT_ONCE_SECONDS = 0.001
#: The most events that wait to be read; events of pods have 12 kB each.
MOST = 500


class PendingEvents:
    """Events that were not read yet; of each object only the newest state is ever parsed."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[str, Event]] = {}

    def put(self, event: Event) -> bool:
        """Keep an event; returns whether so many are pending that they must be read."""
        before, dummy = self._pending.get(event.uid, ("", event))
        change = "ADDED" if before == "ADDED" and event.change == "MODIFIED" else event.change
        self._pending[event.uid] = change, event
        return len(self._pending) >= MOST

    def take(self) -> list[tuple[str, Event]]:
        """Return the change of each object since the last call, and its newest event."""
        events, self._pending = list(self._pending.values()), {}
        return events


@dataclasses.dataclass
class ResourceWatch:
    """Passes every change of a collection on to a function.

    ``relist`` reads the collection again and returns its resource version; without it the thread ends if the collection
    may not be watched.
    """

    client: Client
    path: str
    receive: Callable[[Event], None]
    relist: Callable[[], str] | None
    query: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    _version: str = ""
    _stopped: bool = False

    def start(self, version: str) -> None:
        """Watch the changes after a resource version."""
        threading.Thread(target=self._follow, args=(version,), daemon=True, name=f"watch {self.path}").start()

    def stop(self) -> None:
        """End with the next event, or with the current request."""
        self._stopped = True

    def current_version(self) -> str:
        """Return the resource version that the collection has now, without reading its items."""
        query = {"limit": 1, **self.query}
        page = self.client.request("GET", self.path, doing=f"Reading {self.path}", params=query)
        return str(page["metadata"].get("resourceVersion", ""))

    def _follow(self, version: str) -> None:
        self._version = version
        failures = 0
        while not self._stopped:
            began, before = time.monotonic(), self._version
            try:
                self._watch()
            except GoneError:
                self._list_again()
            except ForbiddenError:
                if self.relist is None:
                    return
                time.sleep(LIST_SECONDS)
                self._list_again()
            except (ClusterError, ApiError):
                pass
            useful = self._version != before or time.monotonic() - began > 1.0
            failures = 0 if useful else min(failures + 1, 5)
            if failures:
                time.sleep(0.1 * 2.0**failures * random.uniform(0.5, 1.0))

    def _list_again(self) -> None:
        with contextlib.suppress(ClusterError, ApiError):
            self._version = self.relist() if self.relist else self.current_version()

    def _watch(self) -> None:
        query = {"resource_version": self._version, "seconds": WATCH_SECONDS, **self.query}
        waiting_since: float | None = None
        for event in self.client.watch(self.path, **query):
            # The first event of a watch may be older than the watch, so it was not waited for.
            waited = waiting_since is not None and time.monotonic() - waiting_since >= AT_ONCE_SECONDS
            if self._stopped:
                return
            if event.change != "BOOKMARK":
                self.receive(event)
            # The version is set last, so that an event that cannot be read arrives again.
            self._version = event.version or self._version
            if waited:
                time.sleep(GATHER_SECONDS)
            waiting_since = time.monotonic()
