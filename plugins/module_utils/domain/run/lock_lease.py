# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a cluster: its holder, its expiry, and whether another run may take it (rule S8).

It is a Lease as in the leader elections of Kubernetes (coordination.k8s.io/v1). All times are those of the API server.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.timestamps import format_time
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_int, as_time

#: Name of the Lease and of the ConfigMap with the record, in the namespace of the control planes.
STATE_NAME = "meshops-istio-run"
#: Annotations for runs on the same machine: the process of the run that holds the lock, and its worker that wrote last,
#: which may outlive the run by some seconds.
PROCESS_ANNOTATION, WRITER_ANNOTATION = "meshops.istio/process", "meshops.istio/writer"
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


class LockRow(t.TypedDict):
    """A lock in results; times are in UTC."""

    holder: str
    since: str
    expires: str


@dataclasses.dataclass(frozen=True)
class Lease:
    """A lock that a run or a task has taken."""

    holder: str
    process: str
    acquired: datetime.datetime
    renewed: datetime.datetime
    seconds: int
    resource_version: str
    writer: str = ""

    @property
    def expires(self) -> datetime.datetime:
        """When it expires unless it is renewed."""
        return self.renewed + datetime.timedelta(seconds=self.seconds)

    def as_dict(self) -> LockRow:
        """Return the JSON-ready form for results."""
        return {"holder": self.holder, "since": format_time(self.acquired), "expires": format_time(self.expires)}


def read_lease(obj: Mapping[str, t.Any] | None) -> Lease | None:
    """Return the lock of a raw Lease, or None if it has no holder."""
    spec = (obj or {}).get("spec") or {}
    if not obj or not spec.get("holderIdentity") or not spec.get("renewTime"):
        return None
    # No run writes a time that cannot be calculated with, so such a lock counts as expired.
    renew_time = as_time(spec["renewTime"])
    renewed = renew_time or EPOCH
    annotations = obj["metadata"].get("annotations") or {}
    return Lease(
        holder=spec["holderIdentity"],
        process=annotations.get(PROCESS_ANNOTATION, ""),
        acquired=as_time(spec.get("acquireTime")) or renewed,
        renewed=renewed,
        seconds=as_int(spec.get("leaseDurationSeconds")) if renew_time else 0,
        resource_version=obj["metadata"].get("resourceVersion", ""),
        writer=annotations.get(WRITER_ANNOTATION, ""),
    )


def is_held_by_other(lease: Lease | None, process: str, now: datetime.datetime, *, holder_ended: bool) -> bool:
    """Return whether another process holds the lock; ``holder_ended``: its process is proven to have ended."""
    return lease is not None and lease.process != process and not holder_ended and now < lease.expires


def lease_body(
    namespace: str,
    holder: str,
    process: str,
    seconds: int,
    now: datetime.datetime,
    previous: Lease | None,
    writer: str = "",
) -> dict[str, t.Any]:
    """Return the Lease that takes the lock, or renews it for another task; it replaces only the read version."""
    own = previous is not None and previous.process == process
    time = _micro(now)
    acquired = _micro(previous.acquired) if previous and own else time
    annotations = {PROCESS_ANNOTATION: process, WRITER_ANNOTATION: writer}
    metadata: dict[str, t.Any] = {"name": STATE_NAME, "namespace": namespace, "annotations": annotations}
    if previous:
        metadata["resourceVersion"] = previous.resource_version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": acquired,
            "renewTime": time,
        },
    }


def renewal_body(lease: Lease, now: datetime.datetime) -> dict[str, t.Any]:
    """Return the patch that only renews a lock; it replaces only the version that was read."""
    return {"metadata": {"resourceVersion": lease.resource_version}, "spec": {"renewTime": _micro(now)}}


def _micro(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
