# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a cluster: who holds it, until when, and whether it may be taken (rule S8).

It is a Lease as the leader elections of Kubernetes use it (coordination.k8s.io/v1). All times are the API server's.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_int, as_time

#: Name of the Lease and of the ConfigMap that keeps the record, in the namespace of the control planes.
NAME = "meshops-istio-run"
#: Annotations, for those who run on the same machine: the process of the run that holds the lock, and its worker that
#: wrote last. That one may outlive the run by some seconds.
PROCESS, WRITER = "meshops.istio/process", "meshops.istio/writer"
LONG_AGO = datetime.datetime.fromtimestamp(0, datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Lease:
    """A lock that somebody took."""

    holder: str
    process: str
    acquired: datetime.datetime
    renewed: datetime.datetime
    seconds: int
    resource_version: str
    writer: str = ""

    @property
    def expires(self) -> datetime.datetime:
        """When it is nobody's any more, unless it is renewed."""
        return self.renewed + datetime.timedelta(seconds=self.seconds)

    def as_dict(self) -> dict[str, str]:
        """Return the JSON-ready form that results carry."""
        return {"holder": self.holder, "since": stamp(self.acquired), "expires": stamp(self.expires)}


def stamp(time: datetime.datetime) -> str:
    """Return a time as Kubernetes writes it, in seconds."""
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_lease(obj: Mapping[str, t.Any] | None) -> Lease | None:
    """Return the lock that a raw Lease stands for, or None if nobody holds it."""
    spec = (obj or {}).get("spec") or {}
    if not obj or not spec.get("holderIdentity") or not spec.get("renewTime"):
        return None
    # a time that nobody can calculate with is none that a run has written, so that the lock has run out
    told = as_time(spec["renewTime"])
    renewed = told or LONG_AGO
    annotations = obj["metadata"].get("annotations") or {}
    return Lease(
        holder=spec["holderIdentity"],
        process=annotations.get(PROCESS, ""),
        acquired=as_time(spec.get("acquireTime")) or renewed,
        renewed=renewed,
        seconds=as_int(spec.get("leaseDurationSeconds")) if told else 0,
        resource_version=obj["metadata"].get("resourceVersion", ""),
        writer=annotations.get(WRITER, ""),
    )


def in_the_way(lease: Lease | None, process: str, now: datetime.datetime, *, dead: bool) -> bool:
    """Return whether somebody else works on the cluster; ``dead``: the process of the holder is known to be gone."""
    return lease is not None and lease.process != process and not dead and now < lease.expires


def lease_body(
    namespace: str,
    holder: str,
    process: str,
    seconds: int,
    now: datetime.datetime,
    before: Lease | None,
    writer: str = "",
) -> dict[str, t.Any]:
    """Return the Lease that takes the lock, or renews it for another task; it replaces only what was read."""
    mine = before is not None and before.process == process
    time = _micro(now)
    acquired = _micro(before.acquired) if before and mine else time
    annotations = {PROCESS: process, WRITER: writer}
    metadata: dict[str, t.Any] = {"name": NAME, "namespace": namespace, "annotations": annotations}
    if before:
        metadata["resourceVersion"] = before.resource_version
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


def renewed_body(lease: Lease, now: datetime.datetime) -> dict[str, t.Any]:
    """Return what renews a lock and changes nothing else of it; it replaces only what was read."""
    return {"metadata": {"resourceVersion": lease.resource_version}, "spec": {"renewTime": _micro(now)}}


def _micro(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
