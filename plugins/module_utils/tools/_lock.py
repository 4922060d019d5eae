# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Locks a cluster for a run and keeps its record (safety rule S8).

The lock is taken with the first write of a run, so that a run which finds nothing to do writes nothing at all. It is
renewed as long as a task works. A run whose lock ran out between two tasks takes it again, unless somebody else did.
"""

from __future__ import annotations

import contextlib
import datetime
import getpass
import json
import os
import re
import socket
import threading
import typing as t
import uuid
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client._client import Client, Json
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    ApiError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    LockedError,
    MeshError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._lease import (
    NAME,
    Lease,
    in_the_way,
    lease_body,
    read_lease,
    stamp,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._record import (
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

#: How long a lock outlives its holder, where nobody can see that it died.
LOCK_SECONDS = 300


class Lock:
    """The lock of a cluster as one task sees it.

    Args:
        run: what the playbook says of its run, or None: then the lock is only respected.
        controller: the process of ansible-playbook, where the task runs inside it; it is the same for a whole run.
    """

    def __init__(self, client: Client, namespace: str, run: Mapping[str, t.Any] | None, controller: int | None) -> None:
        self._client = client
        self._namespace = namespace
        self._run = run
        self._seconds = int((run or {}).get("lock_seconds") or LOCK_SECONDS)
        self.process = _process(controller) if controller else f"task/{uuid.uuid4()}"
        self._lasting = controller is not None
        self._end = threading.Event()
        self._door = threading.Lock()
        self._lost: MeshError | None = None
        self.taken = False
        #: Id of the run that the task belongs to; of a task outside of any run its own.
        self.run_id = run_id(self.process)

    @property
    def who(self) -> str:
        """Who runs, for people."""
        run = self._run or {}
        user = run.get("who") or f"{_user()}@{socket.gethostname()}"
        return f"{user}, job {run['job']}" if run.get("job") else str(user)

    @property
    def _path(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"

    @property
    def _record_path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps"

    def lease(self) -> Lease | None:
        """Return who holds the lock, also if it ran out."""
        return read_lease(_get(self._client, f"{self._path}/{NAME}", "Reading the lock"))

    def held(self) -> Lease | None:
        """Return who holds the lock now."""
        found = self.lease()
        return found if found and (found.process == self.process or self._is_held(found)) else None

    def _is_held(self, lease: Lease) -> bool:
        return in_the_way(lease, self.process, self._now(), dead=_dead(lease.process))

    def record(self) -> Record | None:
        """Return what the cluster remembers of the last run that changed it."""
        return read_record(_get(self._client, f"{self._record_path}/{NAME}", "Reading the record of the last run"))

    def current_id(self) -> str:
        """Return the id of the run that the task belongs to, also before its first write."""
        if self._run is None:
            return self.run_id
        return str(begun(self.record(), self._run, self.who, self.process, "")["id"])

    def require_free(self) -> Lease | None:
        """Return the lock as it is, if nobody else works on the cluster.

        Raises:
            LockedError: somebody does.
        """
        try:
            found = self.lease()
        except ForbiddenError:
            if self._run is not None:
                raise
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
        """Take the lock before the first write of a task, or renew it; then renew it until the task ends.

        Raises:
            LockedError: somebody else holds it, or took it after it had run out.
        """
        with self._door:
            if self._lost:
                raise self._lost
            if self._run is None or self.taken:
                return
            self._write(self.require_free())
            self.taken = True
            record = begun(self.record(), self._run, self.who, self.process, stamp(self._now()))
            self.run_id = record["id"]
            self._keep(record)
            threading.Thread(target=self._renew, daemon=True, name="lock").start()

    def finish(self, failure: str = "") -> None:
        """End a task: note what failed, and give a lock back that no later task could."""
        self._end.set()
        if not self.taken:
            return
        with contextlib.suppress(MeshError):
            if failure:
                self._close(FAILED, failure)
            if not self._lasting:
                self.release()

    def close(self, state: str, fingerprint: Callable[[], str] = lambda: "") -> bool:
        """End a run: complete its record and give its lock back; return whether it had one."""
        found = self.lease()
        if found is None or found.process != self.process:
            return False
        self._close(state, "", fingerprint())
        self.release()
        return True

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        found = self.lease()
        if found and found.process == self.process:
            only = {"preconditions": {"resourceVersion": found.resource_version}}
            body = {"apiVersion": "v1", "kind": "DeleteOptions", **only}
            with contextlib.suppress(ConflictError, NotFoundError):
                self._client.request("DELETE", f"{self._path}/{NAME}", doing="Giving the lock back", body=body)

    def take_over(self) -> None:
        """Begin the record of a run that found nothing to do, if the run before it did not come to its end.

        Else that one would be told of as interrupted for good.
        """
        before = self.record()
        if self._run is not None and before and before.get("process") != self.process and before.get("state") != DONE:
            with contextlib.suppress(LockedError):
                self.before_write()
            self._end.set()

    def interrupt(self) -> None:
        """End a run that somebody ended in the middle of a task: nothing comes after it."""
        self._end.set()
        with contextlib.suppress(MeshError):
            self.close(STOPPED)

    def _write(self, before: Lease | None) -> None:
        body = lease_body(self._namespace, self.who, self.process, self._seconds, self._now(), before)
        doing = "Locking the cluster"
        try:
            if before:
                self._client.merge(f"{self._path}/{NAME}", body, doing=doing)
            else:
                self._client.request("POST", self._path, doing=doing, body=body)
        except (ConflictError, NotFoundError) as exc:
            # who was quicker is named, if it was not our own answer that got lost
            found = self.require_free()
            if found is None or found.process != self.process:
                raise LockedError(
                    f"Another run began on cluster {self._client.connection.label} at this moment; nothing was "
                    "written. Run again."
                ) from exc

    def _renew(self) -> None:
        while not self._end.wait(self._seconds / 3):
            try:
                self._write(self.require_free())
            except LockedError as exc:
                self._lost = exc
                return
            except (ApiError, ClusterError):
                continue

    def _close(self, state: str, message: str, fingerprint: str = "") -> None:
        record = self.record()
        if record and record.get("process") == self.process:
            self._keep(ended(record, state, stamp(self._now()), message, fingerprint))

    def _keep(self, record: Record) -> None:
        data = {KEY: json.dumps(record, indent=1, sort_keys=True)}
        try:
            self._client.merge(f"{self._record_path}/{NAME}", {"data": data}, doing="Keeping the record of the run")
        except NotFoundError:
            metadata = {"name": NAME, "namespace": self._namespace}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            self._client.request("POST", self._record_path, doing="Keeping the record of the run", body=body)

    def _now(self) -> datetime.datetime:
        """Return the time of the API server, so that the clocks of two controllers need not agree."""
        told = self._client.date
        return parsedate_to_datetime(told) if told else datetime.datetime.now(datetime.UTC)


def _get(client: Client, path: str, doing: str) -> Json | None:
    try:
        return client.get(path, doing=doing)
    except NotFoundError:
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> str:
    """Return what is the same for all who can look at each other's processes; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _start(pid: int) -> str:
    """Return when a process began, in ticks since boot (proc(5), field 22); empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _process(pid: int) -> str:
    return f"{_machine()}/{pid}/{_start(pid)}"


def _dead(process: str) -> bool:
    """Whether a process ran here and is gone; of those elsewhere nobody knows."""
    machine, dummy, rest = process.rpartition("/")
    machine, dummy, pid = machine.rpartition("/")
    known = bool(machine) and machine == _machine() and re.fullmatch("[0-9]{1,10}", pid) is not None
    return known and _start(int(pid)) != rest
