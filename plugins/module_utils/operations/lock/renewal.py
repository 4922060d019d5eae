# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews a lock until it is released or lost (safety rule S8).

As in the leader elections of Kubernetes, a holder that could not renew in time acts as if it had lost the lock, before
another client may take it. Time is measured by the clocks of this machine, one of which advances while it is suspended.
"""

from __future__ import annotations

import threading
import time

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ConflictError,
    LockedError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lease_store import LeaseStore
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock_errors import lost_error
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import (
    ClockReadings,
    longest_since,
    read_clocks,
)

#: Share of its seconds for which a holder relies on the last renewal. The rest covers requests in flight and the
#: resolution of the API server's clock, which is one second.
FRESH = 2 / 3
#: Renewals of a lock within its seconds.
RENEWALS = 3
TRIES = 3
LONGEST_LIMIT, SHORTEST_LIMIT = 10.0, 0.5


class Renewal:
    """Renews the lock of one cluster for the process that has taken it."""

    def __init__(self, leases: LeaseStore, process: str, seconds: int) -> None:
        self.pause = seconds / RENEWALS
        #: Seconds that one of the two requests of a renewal may take to connect, and to get its answer.
        self.limit = max(SHORTEST_LIMIT, min(LONGEST_LIMIT, self.pause / 4))
        self._leases = leases
        self._process = process
        self._seconds = seconds
        self._end = threading.Event()
        self._lost: LockedError | None = None
        self._last = read_clocks()

    def begin(self, since: ClockReadings) -> None:
        """Renew in a thread from now on; ``since`` was read before the lock was taken."""
        self._last = since
        threading.Thread(target=self._renew_until_end, daemon=True, name="lock").start()

    def end(self) -> None:
        """Stop renewing."""
        self._end.set()

    def require_fresh(self) -> None:
        """Return if this process holds the lock for long enough to write.

        Raises:
            LockedError: another client holds it, or there is no holder; then a whole run may have happened meanwhile.
            ApiError: the API server refuses to renew it.
            ClusterError: the cluster does not answer in time.
        """
        for attempt in range(1, TRIES + 1):
            if self._lost:
                raise self._lost
            if longest_since(self._last) <= self._seconds * FRESH:
                return
            try:
                self.renew()
            except (ApiError, ClusterError):
                if attempt == TRIES:
                    raise
                time.sleep(self.limit / 4)
        raise self._too_slow()

    def renew(self) -> None:
        """Renew the lock once; see `require_fresh` for the errors."""
        for attempt in range(1, TRIES + 1):
            since = read_clocks()
            lease = self._leases.read(self.limit)
            if lease is None or lease.process != self._process:
                self._lost = lost_error(self._leases.label, lease)
                raise self._lost
            try:
                self._leases.renew(lease, self.limit)
            except (ConflictError, NotFoundError):
                # Another client took or released it meanwhile, or another process of this run renewed it.
                if attempt == TRIES:
                    raise
            else:
                self._last = since
                return

    def _renew_until_end(self) -> None:
        pause = self.pause
        while not self._end.wait(pause):
            try:
                self.renew()
                pause = self.pause
            except LockedError:
                return
            except MeshError:
                # The cause may disappear soon, such as a kubeconfig that is being rewritten.
                pause = self.limit

    def _too_slow(self) -> ClusterError:
        return ClusterError(
            f"The lock of cluster {self._leases.label} could not be renewed in time, because each renewal takes longer "
            "than it lasts; nothing more was written. Increase istio_lock_seconds, and run again."
        )
