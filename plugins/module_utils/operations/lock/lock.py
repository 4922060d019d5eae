# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks a cluster for a run and keeps its record (safety rule S8).

The first write of a run takes the lock, so a run that finds nothing to do writes nothing at all. While a task works,
its worker renews the lock; between two tasks the keeper of the run does (see `KeeperClient`). A task outside of any run
takes the lock for its own duration. A process whose renewals failed for too long writes nothing until one succeeds.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ConflictError,
    ForbiddenError,
    LockedError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.timestamps import format_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease, is_held_by_other
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import LOCK_SECONDS, RunOptions
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    DONE,
    FAILED,
    STOPPED,
    Record,
    begin_record,
    end_record,
    run_id,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_interface import (
    KeeperInterface,
    NoKeeper,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lease_store import LeaseStore
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock_errors import held_error, lost_error
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import (
    holder_has_ended,
    process_identity,
    read_clocks,
    user_at_host,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.record_store import RecordStore
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.renewal import Renewal

TRIES = 3


class Lock:
    """The lock of a cluster as one task sees it.

    Args:
        run: the run that the task is a part of, or None: then the task takes the lock for itself and keeps no record.
        controller: pid of ansible-playbook if the task runs inside it; it is the same for all tasks of a run.
        keeper: renews the lock of a run between its tasks.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        run: RunOptions | None,
        controller: int | None,
        keeper: KeeperInterface | None = None,
    ) -> None:
        self._run = run
        self.seconds = run.lock_seconds if run else LOCK_SECONDS
        self._playbook = process_identity(controller) if controller else ""
        self._outlives_task = bool(controller) and run is not None
        self.process = self._playbook if self._outlives_task else f"task/{uuid.uuid4()}"
        self._keeper = keeper or NoKeeper()
        self._mutex = threading.Lock()
        self._leases = LeaseStore(client, namespace)
        self._records = RecordStore(client, namespace)
        self._renewal = Renewal(self._leases, self.process, self.seconds)
        self._forbidden = self._interrupted = self.taken = False
        self.warnings: list[str] = []
        #: Id of the run that the task belongs to, or of the task itself.
        self.run_id = run_id(self.process)
        #: Id of the run whose lock a task without the option ``run`` works under.
        self.adopted_run_id: str | None = None

    @classmethod
    def taken_by(cls, client: Client, namespace: str, process: str, seconds: int) -> Lock:
        """Return the lock that a process has taken."""
        lock = cls(client, namespace, RunOptions(lock_seconds=seconds), None)
        lock.process = lock._playbook = process
        lock._renewal = Renewal(lock._leases, process, seconds)
        return lock

    @property
    def client(self) -> Client:
        """The cluster."""
        return self._leases.client

    @property
    def namespace(self) -> str:
        """Namespace of the lock."""
        return self._leases.namespace

    @property
    def started_by(self) -> str:
        """Name of the lock holder, for people."""
        return (self._run or RunOptions()).holder_name(user_at_host())

    def lease(self) -> Lease | None:
        """Return the lock, also an expired one, or None if there is no holder."""
        return self._leases.read()

    def renew(self) -> None:
        """Renew the lock that was taken; see `Renewal`."""
        self._renewal.renew()

    def held(self) -> Lease | None:
        """Return the lock if a run holds it now."""
        lease = self.lease()
        return lease if lease and (self._is_own(lease) or self._is_held_by_other(lease)) else None

    def _is_own(self, lease: Lease) -> bool:
        """Return whether this task took the lock, or the playbook run that the task is in."""
        return bool(lease.process) and lease.process in (self.process, self._playbook)

    def _is_held_by_other(self, lease: Lease) -> bool:
        return not self._is_own(lease) and is_held_by_other(
            lease, self.process, self._leases.now(), holder_ended=holder_has_ended(lease)
        )

    def record(self) -> Record | None:
        """Return the record of the last run that changed the cluster."""
        return self._records.read()

    def current_run_id(self) -> str:
        """Return the id of the run that the task belongs to, also before its first write."""
        if self._run is None:
            return self.run_id
        return str(begin_record(self.record(), self._run, self.started_by, self.process, "")["id"])

    def require_free(self) -> Lease | None:
        """Return the lock as it is, if no other run holds it.

        Raises:
            LockedError: another run holds it.
        """
        try:
            lease = self.lease()
        except ForbiddenError as exc:
            if self._run is not None:
                raise
            self._continue_unlocked(exc)
            return None
        may_break = lease is not None and self._run is not None and lease.holder == self._run.break_lock
        if lease and not may_break and self._is_held_by_other(lease):
            raise held_error(self._leases.label, lease)
        return lease

    def before_write(self) -> None:
        """Take the lock before the first write of a task; before later writes ensure that this run still holds it.

        Raises:
            LockedError: another run holds it, or took it after it had expired.
            ClusterError: the cluster does not answer, so it is unknown whether this run still holds it.
        """
        with self._mutex:
            if self._interrupted:
                raise LockedError(f"The run on cluster {self._leases.label} was ended; it writes no more.")
            if self.taken:
                self._renewal.require_fresh()
            else:
                self._take()

    def _take(self) -> None:
        since, lease = read_clocks(), self.require_free()
        if self._forbidden:
            return
        if lease and self._is_own(lease) and lease.process != self.process:
            self._adopt(lease)
        if self._outlives_task:
            self._keeper.start_renewal(self)
            lease = self._require_not_lost(lease)
        try:
            self.taken = self._write_lease(lease)
        except ForbiddenError as exc:
            if self._run is not None:
                raise
            self._continue_unlocked(exc)
        if not self.taken:
            return
        if self._outlives_task:
            self._keeper.mark_taken(self)
        self._renewal.begin(since)
        if self._run is not None:
            now = format_time(self._leases.now())
            record = begin_record(self.record(), self._run, self.started_by, self.process, now)
            self.run_id = record["id"]
            self._records.write(record)

    def _adopt(self, lease: Lease) -> None:
        """Work under the lock of the playbook's run, in a task without the option ``run``."""
        self.process, self.seconds, self._outlives_task = lease.process, lease.seconds, True
        self.adopted_run_id = self.run_id = str((self.record() or {}).get("id") or run_id(self.process))
        self._renewal = Renewal(self._leases, self.process, self.seconds)

    def _require_not_lost(self, lease: Lease | None) -> Lease | None:
        """Return the lock as it is, if the run still holds it or no earlier task of the run took it."""
        if (lease and self._is_own(lease)) or not self._keeper.was_taken(self):
            return lease
        lease = self.lease()  # Another worker of this run may have taken it since it was read.
        if not lease or not self._is_own(lease):
            raise lost_error(self._leases.label, lease)
        return lease

    def _continue_unlocked(self, exc: ForbiddenError) -> None:
        if not self._forbidden:
            self.warnings.append(
                f"Cluster {self._leases.label} is not locked while this task works, so another run may start "
                f"meanwhile: {exc.message}. Grant this user the permissions for leases in docs/permissions.md."
            )
        self._forbidden = True

    def finish(self, failure: str = "") -> None:
        """End a task: record its failure, and release a lock that no later task could release."""
        self._renewal.end()
        if not self.taken:
            return
        with contextlib.suppress(MeshError):
            if failure and self._run is not None:
                self._end_record(FAILED, failure)
            if not self._outlives_task:
                self.release()

    def end_run(self, state: str, fingerprint: Callable[[], str] = lambda: "") -> bool:
        """Complete the record of a run and release its lock; return whether the run held the lock."""
        lease = self.lease()
        if lease is None or not self._is_own(lease):
            return False
        self._end_record(state, "", fingerprint())
        self._keeper.mark_released(self)
        self.release()
        return True

    def release(self) -> None:
        """Release the lock, if this task or its run holds it."""
        for dummy in range(TRIES):
            lease = self.lease()
            # A deletion fails if another process of this run renews the lock meanwhile.
            if lease is None or not self._is_own(lease) or self._leases.delete(lease):
                return

    def take_over_record(self) -> None:
        """Begin the record of a run that found nothing to do, if the previous run did not complete.

        Otherwise the record would show the previous run as interrupted for good.
        """
        record = self.record()
        if self._run is None or not record or record.get("process") == self.process or record.get("state") == DONE:
            return
        with contextlib.suppress(LockedError):
            self.before_write()
        self._renewal.end()

    def interrupt(self) -> None:
        """End a run that the user or a signal ended in the middle of a task: it has no later task."""
        self._renewal.end()
        self._interrupted, self.taken = True, False
        with contextlib.suppress(MeshError):
            self.end_run(STOPPED)

    def _write_lease(self, previous: Lease | None) -> bool:
        """Take the lock as it was read; return False if the namespace that would hold it does not exist yet."""
        for dummy in range(TRIES):
            try:
                holder = previous.holder if previous and self._is_own(previous) else self.started_by
                self._leases.take(holder, self.process, self.seconds, previous)
            except (ConflictError, NotFoundError) as exc:
                if previous is None and isinstance(exc, NotFoundError):
                    return False
                # `require_free` names the other run. Otherwise the answer to our own request got lost, or another
                # process of this run renewed the lock.
                previous, failure = self.require_free(), exc
                if previous is None or not self._is_own(previous):
                    break
            else:
                return True
        raise LockedError(
            f"Another run began on cluster {self._leases.label} at this moment; nothing was written. Run again."
        ) from failure

    def _end_record(self, state: str, message: str, fingerprint: str = "") -> None:
        record = self.record()
        if record and record.get("process") in (self.process, self._playbook):
            self._records.write(end_record(record, state, format_time(self._leases.now()), message, fingerprint))
