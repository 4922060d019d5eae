# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that a helm works on, or that one left when it was killed: whose it was.

Helm keeps no name with a pending record, and nobody ends that state. So each helm of ours is announced in the ConfigMap
of the record before it starts, and taken out of it once it has ended. Whatever else is pending is somebody else's.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Collection, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Release
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import HelmError, NotFoundError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_int, as_time, read_json_map
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import NAME, stamp
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.notes import note


class OurHelm:
    """What helms of this collection are at, or were when they were killed; ``namespace`` is that of the releases."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._namespace = namespace

    @contextlib.contextmanager
    def working(self, release: str, revision: int, seconds: int) -> Iterator[None]:
        """Announce a helm that makes or removes a revision of a release, while it runs, for so many seconds at most."""
        told = {"revision": revision, "began": stamp(self.now()), "seconds": seconds}
        self._tell(release, json.dumps(told))
        began = time.monotonic()
        try:
            yield
        except HelmError:
            if time.monotonic() - began < seconds:
                self._tell(release, None)
            # else it was killed, and what it left is ours
            raise
        self._tell(release, None)

    def left(self, release: Release) -> bool:
        """Whether it is one of ours that left a release like this, and has had the time that it gave itself."""
        told = self._told(release)
        return told is not None and self.now() >= self._end(told)

    def ours(self, release: Release) -> bool:
        """Whether it is one of ours that left a release like this, or works on it."""
        return self._told(release) is not None

    def now(self) -> datetime.datetime:
        """Return the time of the API server."""
        return server_now(self._client)

    @staticmethod
    def _end(told: Json) -> datetime.datetime:
        """Return when a helm has had its time; who can write this ConfigMap can write anything there."""
        began = as_time(told["began"])
        if began is None:
            raise ValueError("it has no time of its begin")
        return began + datetime.timedelta(seconds=as_int(told["seconds"]))

    def _told(self, release: Release) -> Json | None:
        try:
            found = self._client.get(f"{self._path}/{NAME}", doing="Reading what helm was at")
            told = read_json_map((found.get("data") or {}).get(_key(release.name)))
            right = told["revision"] == release.revision and bool(self._end(told))
        except (NotFoundError, ValueError, KeyError, OverflowError):
            return None
        return told if right else None

    def _tell(self, release: str, text: str | None) -> None:
        doing = "Noting what helm is at"
        # without a namespace there is no release in it either
        with contextlib.suppress(NotFoundError):
            if text is None:
                self._client.merge(f"{self._path}/{NAME}", {"data": {_key(release): None}}, doing=doing)
            else:
                note(self._client, self._namespace, {_key(release): text}, doing=doing)


def _key(release: str) -> str:
    return f"helm.{release}.json"


def busy(release: Release) -> bool:
    """Whether a helm works on a release, or was killed while it did."""
    return release.pending or release.status == "uninstalling"


def wait(
    releases: Callable[[], dict[str, Release]],
    concerned: Callable[[Release], bool],
    helm: OurHelm,
    *,
    patience: int,
    broken: Collection[str],
    once: bool,
    progress: Callable[[str], None],
    cluster: str,
) -> dict[str, Release]:
    """Return the releases once nobody works on those that are concerned, but for what is ours to end.

    Args:
        patience: seconds that somebody else's helm gets, from when it began, and from when it is first seen here.
        broken: releases whose state is ended whoever's it is.
        once: do not wait, as in check mode.

    Raises:
        SafetyError: somebody else's helm did not end in time; whether it is dead, nobody can see.
    """
    said, began = "", time.monotonic()
    while True:
        found = releases()
        working = [one for one in found.values() if concerned(one) and busy(one) and one.name not in broken]
        working = [one for one in working if not helm.left(one)]
        for one in working:
            late = (helm.now() - one.updated).total_seconds() > patience or time.monotonic() - began > patience
            if late and not helm.ours(one):
                raise _refusal(one, cluster)
        if once or not working:
            return found
        if said != working[0].name:
            said = working[0].name
            progress(f"waiting for release {said}: it is {working[0].status} since {working[0].updated:%H:%M:%S}")
        time.sleep(1)


def _refusal(release: Release, cluster: str) -> SafetyError:
    about = {"name": release.name, "status": release.status, "since": stamp(release.updated)}
    return SafetyError(
        f"Release {release.name} on cluster {cluster} is {release.status} since {about['since']}, by a helm that is "
        "none of this collection's and may still work on it; nothing was written. Wait until it has ended; if it is "
        "dead, end that state with helm rollback, or name the release in end_pending_releases (variable "
        "istio_end_pending_releases).",
        {"release": about},
    )
