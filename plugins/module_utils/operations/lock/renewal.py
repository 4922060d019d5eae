# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that was taken, and is renewed until it is given back or lost (safety rule S8).

As in the leader elections of Kubernetes, who could not renew in time acts as if the lock were lost, before others may
take it. What time is, the clocks of this machine say, of which one goes on while it is suspended.
"""

from __future__ import annotations

import datetime
import threading
import time

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ConflictError,
    LockedError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import (
    NAME,
    Lease,
    read_lease,
    renewed_body,
    stamp,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.holder import Moment, age, moment

#: Share of its seconds after which a holder no longer relies on the last renewal. The rest is for what is under way,
#: and for the clock of the API server, which is told in whole seconds.
FRESH = 2 / 3
#: How often a lock is renewed in its seconds.
RENEWALS = 3
TRIES = 3
LONGEST, SHORTEST = 10.0, 0.5


class Renewal:
    """Renews the lock of one cluster for the process that has taken it."""

    def __init__(self, client: Client, namespace: str, process: str, seconds: int) -> None:
        self.path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{NAME}"
        self.pause = seconds / RENEWALS
        #: How long one of the two requests of a renewal may wait for a connection, and for its answer.
        self.once = max(SHORTEST, min(LONGEST, self.pause / 4))
        self._client = client
        self._process = process
        self._seconds = seconds
        self._end = threading.Event()
        self._lost: LockedError | None = None
        self._last = moment()

    def now(self) -> datetime.datetime:
        """Return the time of the API server."""
        return server_now(self._client)

    def lease(self, once: float | None = None) -> Lease | None:
        """Return who holds the lock, also if it ran out."""
        try:
            return read_lease(self._client.request("GET", self.path, doing="Reading the lock", once=once))
        except NotFoundError:
            return None

    def begin(self, since: Moment) -> None:
        """Renew from now on, in a thread; ``since``: before the lock was taken."""
        self._last = since
        threading.Thread(target=self._go_on, daemon=True, name="lock").start()

    def end(self) -> None:
        """Renew no more."""
        self._end.set()

    def assure(self) -> None:
        """Return if the lock is ours for long enough to write.

        Raises:
            LockedError: it is somebody else's, or nobody's; then a whole run may have been there meanwhile.
            ApiError: the API server refuses to renew it.
            ClusterError: the cluster does not answer in time.
        """
        for attempt in range(1, TRIES + 1):
            if self._lost:
                raise self._lost
            if age(self._last) <= self._seconds * FRESH:
                return
            try:
                self.renew()
            except (ApiError, ClusterError):
                if attempt == TRIES:
                    raise
                time.sleep(self.once / 4)
        raise self._outdated()

    def renew(self) -> None:
        """Renew it once; see `assure` for what it raises."""
        for attempt in range(1, TRIES + 1):
            since = moment()
            found = self.lease(self.once)
            if found is None or found.process != self._process:
                self._lost = self.taken_away(found)
                raise self._lost
            try:
                body = renewed_body(found, self.now())
                self._client.merge(self.path, body, doing="Renewing the lock", once=self.once)
            except (ConflictError, NotFoundError):
                # somebody took it or gave it back, or another process of this run renewed it
                if attempt == TRIES:
                    raise
            else:
                self._last = since
                return

    def _go_on(self) -> None:
        pause = self.pause
        while not self._end.wait(pause):
            try:
                self.renew()
                pause = self.pause
            except LockedError:
                return
            except MeshError:
                # also what may be mended meanwhile, such as a kubeconfig that is being written anew
                pause = self.once

    def taken_away(self, lease: Lease | None) -> LockedError:
        """Return what is said of a lock that was lost."""
        cluster = self._client.connection.label
        if lease is None:
            return LockedError(
                f"The lock of cluster {cluster} is gone, which this run held; nothing more was written. Somebody "
                "removed it, or another run took it once it had run out, and has ended since; run again."
            )
        return LockedError(
            f"Cluster {cluster} is being worked on by {lease.holder} since {stamp(lease.acquired)}, who took the lock "
            "of this run; nothing more was written. Wait for that run, and run again.",
            {"lock": lease.as_dict()},
        )

    def _outdated(self) -> ClusterError:
        return ClusterError(
            f"The lock of cluster {self._client.connection.label} could not be renewed in time, as each renewal takes "
            "longer than it would last; nothing more was written. Give a larger istio_lock_seconds, and run again."
        )
