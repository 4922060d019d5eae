# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the cluster, and every istiod of a revision, what hangs on that revision."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    NotFoundError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.dependents import Known, strangers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import Belonging
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import (
    LOOKS,
    PAUSE,
    connected_to,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import remote_clusters
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    fetch_configuration,
    machines,
)

CRON_JOBS = "/apis/batch/v1/cronjobs"
CONFIGURATION, PROXIES = "configuration", "connected proxy"


def known_of(client: Client, snapshot: Snapshot, revision: str, owned: Sequence[Belonging], patience: float) -> Known:
    """Return what is known of a revision; what may not be read, or does not answer, is named."""
    known = Known(
        owned=owned,
        cron_jobs=client.list(CRON_JOBS, doing="Reading CronJobs"),
        now=server_now(client),
        patience=patience,
    )
    read = fetch_configuration(client)
    unread = {CONFIGURATION: read.unread} if read.unread else {}
    known = dataclasses.replace(known, configuration=read.found, unread=unread)
    known = _with_connected(client, snapshot, revision, known)
    if PROXIES in known.unread or strangers(snapshot, revision, known):
        known = dataclasses.replace(known, hints=_hints(client, snapshot.mesh.namespace))
    return known


def _with_connected(client: Client, snapshot: Snapshot, revision: str, known: Known) -> Known:
    """Ask who is connected; while somebody is of whom no pod tells it looks again, as pods come and go."""
    found = known
    for attempt in range(LOOKS):
        if attempt:
            time.sleep(PAUSE)
        try:
            found = dataclasses.replace(known, connected=connected_to(client, snapshot.mesh.namespace, revision))
        except UnansweredError as exc:
            found = dataclasses.replace(known, unread={**known.unread, PROXIES: exc.message})
            continue
        if not strangers(snapshot, revision, found):
            break
    return found


def _hints(client: Client, namespace: str) -> list[str]:
    """Return machines and clusters that are announced here, as far as this user may read them."""
    found: list[str] = []
    with contextlib.suppress(ForbiddenError, NotFoundError):
        found += machines(client)
    with contextlib.suppress(ForbiddenError, NotFoundError):
        found += [f"cluster {name}" for name in remote_clusters(client, namespace)]
    return found
