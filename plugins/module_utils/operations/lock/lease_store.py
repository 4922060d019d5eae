# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, takes, renews and deletes the Lease that locks a cluster."""

from __future__ import annotations

import contextlib
import datetime
import os

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ConflictError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import (
    STATE_NAME,
    Lease,
    lease_body,
    read_lease,
    renewal_body,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.processes import process_identity


class LeaseStore:
    """The Lease of one cluster; ``limit`` is the seconds that a request, which is then sent once, may take."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{STATE_NAME}"

    @property
    def label(self) -> str:
        """Name of the cluster in messages."""
        return self.client.connection.label

    def now(self) -> datetime.datetime:
        """Return the time of the API server."""
        return server_now(self.client)

    def read(self, limit: float | None = None) -> Lease | None:
        """Return the lock, also an expired one, or None if there is no holder."""
        try:
            return read_lease(self.client.request("GET", self.path, doing="Reading the lock", timeout=limit))
        except NotFoundError:
            return None

    def take(self, holder: str, process: str, seconds: int, previous: Lease | None) -> None:
        """Create the Lease, or replace the one that was read."""
        doing, writer = "Locking the cluster", process_identity(os.getpid())
        body = lease_body(self.namespace, holder, process, seconds, self.now(), previous, writer)
        if previous:
            self.client.merge(self.path, body, doing=doing)
        else:
            self.client.request("POST", self.path.rpartition("/")[0], doing=doing, body=body)

    def renew(self, lease: Lease, limit: float) -> None:
        """Renew the Lease that was read."""
        self.client.merge(self.path, renewal_body(lease, self.now()), doing="Renewing the lock", timeout=limit)

    def delete(self, lease: Lease) -> bool:
        """Delete the Lease that was read; return False if it changed since."""
        preconditions = {"preconditions": {"resourceVersion": lease.resource_version}}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **preconditions}
        with contextlib.suppress(ConflictError, NotFoundError):
            self.client.request("DELETE", self.path, doing="Releasing the lock", body=body)
            return True
        return False
