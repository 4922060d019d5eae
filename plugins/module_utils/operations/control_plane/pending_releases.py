# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for Helm releases that another helm works on, and detect those that a killed helm of this collection left.

A pending record of Helm does not name its client, and the state does not end by itself. So each helm of this collection
is noted in the ConfigMap of the run record before it starts, and removed from it once it has ended. Any other pending
release belongs to another client.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Collection, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Release
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import HelmError, NotFoundError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.timestamps import format_time
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_int, as_time, read_json_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.state_map import set_state


class HelmNotes:
    """Notes about the helms of this collection that run, or were killed; ``namespace`` is that of the releases."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._namespace = namespace

    @contextlib.contextmanager
    def announced(self, release: str, revision: int, seconds: int) -> Iterator[None]:
        """Keep a note about a helm while it runs, for at most ``seconds``; it creates or removes a release revision."""
        self._write(release, json.dumps({"revision": revision, "began": format_time(self.now()), "seconds": seconds}))
        began = time.monotonic()
        try:
            yield
        except HelmError:
            # At the timeout helm was killed: the note stays, so that the next run ends the pending state.
            if time.monotonic() - began < seconds:
                self._write(release, None)
            raise
        self._write(release, None)

    def is_abandoned(self, release: Release) -> bool:
        """Return whether a helm of this collection left the release in this state, and its time is over."""
        helm_note = self._read(release)
        return helm_note is not None and self.now() >= self._end(helm_note)

    def has_note(self, release: Release) -> bool:
        """Return whether a helm of this collection left the release in this state, or still works on it."""
        return self._read(release) is not None

    def now(self) -> datetime.datetime:
        """Return the time of the API server."""
        return server_now(self._client)

    @staticmethod
    def _end(helm_note: Json) -> datetime.datetime:
        """Return when the time of a helm is over; any user who can write the ConfigMap can write any value there."""
        began = as_time(helm_note["began"])
        if began is None:
            raise ValueError("it has no start time")
        return began + datetime.timedelta(seconds=as_int(helm_note["seconds"]))

    def _read(self, release: Release) -> Json | None:
        """Return the note about this revision of a release, None without a valid one."""
        try:
            config_map = self._client.get(f"{self._path}/{STATE_NAME}", doing="Reading the notes about helm")
            helm_note = read_json_map((config_map.get("data") or {}).get(_key(release.name)))
            valid = helm_note["revision"] == release.revision and bool(self._end(helm_note))
        except (NotFoundError, ValueError, KeyError, OverflowError):
            return None
        return helm_note if valid else None

    def _write(self, release: str, text: str | None) -> None:
        """Write the note about a release, or remove it."""
        doing = "Writing a note about helm"
        # Without the namespace there is no release in it either.
        with contextlib.suppress(NotFoundError):
            if text is None:
                self._client.merge(f"{self._path}/{STATE_NAME}", {"data": {_key(release): None}}, doing=doing)
            else:
                set_state(self._client, self._namespace, {_key(release): text}, doing=doing)


def _key(release: str) -> str:
    return f"helm.{release}.json"


def is_in_progress(release: Release) -> bool:
    """Return whether a helm works on a release, or was killed while it did."""
    return release.pending or release.status == "uninstalling"


def wait_for_releases(
    read_releases: Callable[[], dict[str, Release]],
    selected: Callable[[Release], bool],
    notes: HelmNotes,
    *,
    patience: int,
    ended: Collection[str],
    once: bool,
    progress: Callable[[str], None],
    cluster: str,
) -> dict[str, Release]:
    """Return the releases once no other helm works on the selected ones; an abandoned state does not count.

    Args:
        patience: seconds that the helm of another client gets, from its start, and from when it is first seen here.
        ended: names of releases whose pending state may be ended, whichever client left it.
        once: do not wait, as in check mode.

    Raises:
        SafetyError: the helm of another client did not end in time; it cannot be seen whether it is dead.
    """
    reported, began = "", time.monotonic()
    while True:
        releases = read_releases()
        busy = [r for r in releases.values() if selected(r) and is_in_progress(r) and r.name not in ended]
        busy = [release for release in busy if not notes.is_abandoned(release)]
        for release in busy:
            late = (notes.now() - release.updated).total_seconds() > patience or time.monotonic() - began > patience
            if late and not notes.has_note(release):
                raise _busy_error(release, cluster)
        if once or not busy:
            return releases
        if reported != busy[0].name:
            reported = busy[0].name
            progress(f"waiting for release {reported}: it is {busy[0].status} since {busy[0].updated:%H:%M:%S}")
        time.sleep(1)


def _busy_error(release: Release, cluster: str) -> SafetyError:
    row = {"name": release.name, "status": release.status, "since": format_time(release.updated)}
    return SafetyError(
        f"Release {release.name} on cluster {cluster} is {release.status} since {row['since']}, by a helm that this "
        "collection did not start and that may still work on it; nothing was written. Wait until it has ended; if it "
        "is dead, end that state with helm rollback, or name the release in end_pending_releases (variable "
        "istio_end_pending_releases).",
        {"release": row},
    )
