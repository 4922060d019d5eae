# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Query the cluster, and every istiod of a revision, for everything that may depend on that revision."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    NotFoundError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.connected_proxy_blockers import (
    unmatched_proxies,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import (
    PAUSE,
    QUERIES,
    connected_to,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import remote_clusters
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    fetch_configuration,
    machines,
)

CRON_JOBS = "/apis/batch/v1/cronjobs"
CONFIGURATION, PROXIES = "configuration", "connected proxy"


def fetch_removal_inputs(
    client: Client, snapshot: Snapshot, revision: str, owned: Sequence[OwnedObject], patience: float
) -> RemovalInputs:
    """Return the facts about a revision, with the reason for each that cannot be read.

    Args:
        patience: seconds to wait for terminating pods.
    """
    inputs = RemovalInputs(
        owned=owned,
        cron_jobs=client.list(CRON_JOBS, doing="Reading CronJobs"),
        now=server_now(client),
        patience=patience,
    )
    read = fetch_configuration(client)
    unread = {CONFIGURATION: read.unread_reason} if read.unread_reason else {}
    inputs = dataclasses.replace(inputs, configuration=read.objects, unread=unread)
    inputs = _with_connected_proxies(client, snapshot, revision, inputs)
    if PROXIES in inputs.unread or unmatched_proxies(snapshot, revision, inputs):
        inputs = dataclasses.replace(inputs, hints=_hints(client, snapshot.mesh.namespace))
    return inputs


def _with_connected_proxies(client: Client, snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> RemovalInputs:
    """Add the connected proxies; while one of them has no pod, read again, because pods come and go."""
    result = inputs
    for attempt in range(QUERIES):
        if attempt:
            time.sleep(PAUSE)
        try:
            result = dataclasses.replace(inputs, connected=connected_to(client, snapshot.mesh.namespace, revision))
        except UnansweredError as exc:
            result = dataclasses.replace(inputs, unread={**inputs.unread, PROXIES: exc.message})
            continue
        if not unmatched_proxies(snapshot, revision, result):
            break
    return result


def _hints(client: Client, namespace: str) -> list[str]:
    """Return machines and clusters that are registered here, and what of them this user may not read."""
    hints: list[str] = []
    for kind, read in (("machines", machines), ("clusters", lambda client: _remote_clusters(client, namespace))):
        try:
            hints += read(client)
        except NotFoundError:
            continue
        except ForbiddenError as exc:
            hints.append(f"{kind} that could not be read, because {exc.text}")
    return hints


def _remote_clusters(client: Client, namespace: str) -> list[str]:
    return [f"cluster {name}" for name in remote_clusters(client, namespace)]
