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
import json
import os
import socket
import threading
import typing as t
import uuid
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ConflictError,
    ForbiddenError,
    LockedError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import (
    NAME,
    Lease,
    in_the_way,
    lease_body,
    stamp,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    DONE,
    FAILED,
    KEY,
    STOPPED,
    Record,
    begun,
    ended,
    read_record,
    run_id,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.holder import (
    gone,
    moment,
    process_of,
    user_name,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock_keeper import LockKeeper
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.notes import note
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.renewal import Renewal

#: How long a lock outlives its holder, where nobody can see that it died.
LOCK_SECONDS = 300
TRIES = 3


class Lock:
    """The lock of a cluster as one task sees it.

    Args:
        run: what the playbook says of its run, or None: then the task has the lock for itself and keeps no record.
        controller: the process of ansible-playbook, where the task runs inside it; it is the same for a whole run.
        keeper: looks after the lock of a run between its tasks.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        run: Mapping[str, t.Any] | None,
        controller: int | None,
        keeper: LockKeeper | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._run = run
        self.seconds = int((run or {}).get("lock_seconds") or LOCK_SECONDS)
        self._of_run = process_of(controller) if controller else ""
        self._lasting = bool(controller) and run is not None
        self.process = self._of_run if self._lasting else f"task/{uuid.uuid4()}"
        self._keeper = keeper or LockKeeper()
        self._door = threading.Lock()
        self._renewal = Renewal(client, namespace, self.process, self.seconds)
        self._without = self._over = self.taken = False
        self.warnings: list[str] = []
        #: Id of the run that the task belongs to, or of the task itself; adopted is that of the lock it works under.
        self.run_id = run_id(self.process)
        self.adopted: str | None = None

    @classmethod
    def of(cls, client: Client, namespace: str, process: str, seconds: int) -> Lock:
        """Return the lock that a process has taken."""
        found = cls(client, namespace, {"lock_seconds": seconds}, None)
        found.process = found._of_run = process
        found._renewal = Renewal(client, namespace, process, seconds)
        return found

    @property
    def client(self) -> Client:
        """The cluster."""
        return self._client

    @property
    def namespace(self) -> str:
        """Where the lock is."""
        return self._namespace

    @property
    def started_by(self) -> str:
        """Who runs, for people."""
        run = self._run or {}
        user = run.get("started_by") or f"{user_name()}@{socket.gethostname()}"
        return f"{user}, job {run['job']}" if run.get("job") else str(user)

    def lease(self) -> Lease | None:
        """Return who holds the lock, also if it ran out."""
        return self._renewal.lease()

    def renew(self) -> None:
        """Renew the lock that was taken; see `Renewal`."""
        self._renewal.renew()

    def held(self) -> Lease | None:
        """Return who holds the lock now."""
        found = self.lease()
        return found if found and (self._ours(found) or self._is_held(found)) else None

    def _ours(self, lease: Lease) -> bool:
        """Whether this task took it, or the run of the playbook that the task is in."""
        return bool(lease.process) and lease.process in (self.process, self._of_run)

    def _is_held(self, lease: Lease) -> bool:
        return not self._ours(lease) and in_the_way(lease, self.process, self._renewal.now(), dead=gone(lease))

    def record(self) -> Record | None:
        """Return what the cluster remembers of the last run that changed it."""
        try:
            path = f"/api/v1/namespaces/{self._namespace}/configmaps/{NAME}"
            return read_record(self._client.get(path, doing="Reading the record of the last run"))
        except NotFoundError:
            return None

    def current_id(self) -> str:
        """Return the id of the run that the task belongs to, also before its first write."""
        if self._run is None:
            return self.run_id
        return str(begun(self.record(), self._run, self.started_by, self.process, "")["id"])

    def require_free(self) -> Lease | None:
        """Return the lock as it is, if nobody else works on the cluster.

        Raises:
            LockedError: somebody does.
        """
        try:
            found = self.lease()
        except ForbiddenError as exc:
            if self._run is not None:
                raise
            self._go_without(exc)
            return None
        if found and found.holder != (self._run or {}).get("break_lock") and self._is_held(found):
            raise LockedError(
                f"Cluster {self._client.connection.label} is being worked on by {found.holder} since "
                f"{stamp(found.acquired)}; nothing was written. Wait for that run. If it is dead, its lock runs out at "
                f"{stamp(found.expires)}.",
                {"lock": found.as_dict()},
            )
        return found

    def before_write(self) -> None:
        """Take the lock before the first write of a task; later see to it that it is still ours.

        Raises:
            LockedError: somebody else holds it, or took it after it had run out.
            ClusterError: whether it is still ours cannot be told, because the cluster does not answer.
        """
        with self._door:
            if self._over:
                raise LockedError(f"The run on cluster {self._client.connection.label} was ended; it writes no more.")
            if self.taken:
                self._renewal.assure()
            else:
                self._take()

    def _take(self) -> None:
        since, found = moment(), self.require_free()
        if self._without:
            return
        if found and self._ours(found) and found.process != self.process:
            # a task without the option run, in a playbook whose run has locked, works under that lock
            self.process, self.seconds, self._lasting = found.process, found.seconds, True
            self.adopted = self.run_id = str((self.record() or {}).get("id") or run_id(self.process))
            self._renewal = Renewal(self._client, self._namespace, self.process, self.seconds)
        if self._lasting:
            self._keeper.start_renewal(self)
            found = self._not_lost(found)
        try:
            self.taken = self._write(found)
        except ForbiddenError as exc:
            if self._run is not None:
                raise
            self._go_without(exc)
        if not self.taken:
            return
        if self._lasting:
            self._keeper.mark_taken(self)
        self._renewal.begin(since)
        if self._run is not None:
            record = begun(self.record(), self._run, self.started_by, self.process, stamp(self._renewal.now()))
            self.run_id = record["id"]
            self._keep(record)

    def _not_lost(self, found: Lease | None) -> Lease | None:
        """Return the lock as it is, if no task before this one had it, or it is still that of the run."""
        if (found and self._ours(found)) or not self._keeper.was_taken(self):
            return found
        found = self.lease()  # another worker may have taken it since it was read
        if not found or not self._ours(found):
            raise self._renewal.taken_away(found)
        return found

    def _go_without(self, exc: ForbiddenError) -> None:
        if not self._without:
            self.warnings.append(
                f"Cluster {self._client.connection.label} is not locked while this task works, so a run may start "
                f"meanwhile: {exc.message}. Allow this user what docs/permissions.md lists for leases."
            )
        self._without = True

    def finish(self, failure: str = "") -> None:
        """End a task: note what failed, and give a lock back that no later task could."""
        self._renewal.end()
        if not self.taken:
            return
        with contextlib.suppress(MeshError):
            if failure and self._run is not None:
                self._close(FAILED, failure)
            if not self._lasting:
                self.release()

    def close(self, state: str, fingerprint: Callable[[], str] = lambda: "") -> bool:
        """End a run: complete its record and give its lock back; return whether it had one."""
        found = self.lease()
        if found is None or not self._ours(found):
            return False
        self._close(state, "", fingerprint())
        self._keeper.mark_released(self)
        self.release()
        return True

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        for dummy in range(TRIES):
            found = self.lease()
            if found is None or not self._ours(found):
                return
            only = {"preconditions": {"resourceVersion": found.resource_version}}
            body = {"apiVersion": "v1", "kind": "DeleteOptions", **only}
            # another process of this run may renew it at this moment
            with contextlib.suppress(ConflictError, NotFoundError):
                self._client.request("DELETE", self._renewal.path, doing="Giving the lock back", body=body)
                return

    def take_over(self) -> None:
        """Begin the record of a run that found nothing to do, if the run before it did not come to its end.

        Else that one would be told of as interrupted for good.
        """
        before = self.record()
        if self._run is not None and before and before.get("process") != self.process and before.get("state") != DONE:
            with contextlib.suppress(LockedError):
                self.before_write()
            self._renewal.end()

    def interrupt(self) -> None:
        """End a run that somebody ended in the middle of a task: nothing comes after it."""
        self._renewal.end()
        self._over, self.taken = True, False
        with contextlib.suppress(MeshError):
            self.close(STOPPED)

    def _write(self, before: Lease | None) -> bool:
        """Take the lock as it was read; return False where there is no namespace yet that could hold it."""
        for dummy in range(TRIES):
            try:
                self._send(before)
            except (ConflictError, NotFoundError) as exc:
                if before is None and isinstance(exc, NotFoundError):
                    return False
                # who was quicker is named, if it was not our own answer that got lost or this run that renewed it
                before, failure = self.require_free(), exc
                if before is None or not self._ours(before):
                    break
            else:
                return True
        raise LockedError(
            f"Another run began on cluster {self._client.connection.label} at this moment; nothing was written. Run "
            "again."
        ) from failure

    def _send(self, before: Lease | None) -> None:
        writer = process_of(os.getpid())
        who = before.holder if before and self._ours(before) else self.started_by
        body = lease_body(self._namespace, who, self.process, self.seconds, self._renewal.now(), before, writer)
        doing, path = "Locking the cluster", self._renewal.path
        if before:
            self._client.merge(path, body, doing=doing)
        else:
            self._client.request("POST", path.rpartition("/")[0], doing=doing, body=body)

    def _close(self, state: str, message: str, fingerprint: str = "") -> None:
        record = self.record()
        if record and record.get("process") in (self.process, self._of_run):
            self._keep(ended(record, state, stamp(self._renewal.now()), message, fingerprint))

    def _keep(self, record: Record) -> None:
        text = json.dumps(record, indent=1, sort_keys=True)
        note(self._client, self._namespace, {KEY: text}, doing="Keeping the record of the run")
