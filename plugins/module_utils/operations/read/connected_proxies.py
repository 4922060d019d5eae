# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries every istiod of every revision for its connected proxies.

Since Istio 1.27 istiod answers only requests from localhost, such as those through a port-forward (istio/istio
pilot/pkg/xds/debug.go). An istiod knows only its own proxies, so the answer is complete when all have answered.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.port_forward import get_from_pod
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    PodError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import annotations_of, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import (
    Connected,
    merged,
    read_syncz,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.unconnected_pods import unconnected_pods

PORT_ANNOTATION = "prometheus.io/port"
MONITORING_PORT = 15014
SYNCZ = "/debug/syncz"
TIMEOUT_SECONDS = 5.0
THREADS = 8
#: If expected proxies are missing: number of queries, and the seconds between them.
QUERIES, PAUSE = 5, 1.0


def _accepts_connections(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a pod accepts connections, unlike the old pods that a rollout leaves for a while."""
    pod = read_pod(obj)
    return pod.ready and not pod.deleting


def _query_istiod(client: Client, namespace: str, pod: Mapping[str, t.Any]) -> list[Connected]:
    name, port = name_of(pod), annotations_of(pod).get(PORT_ANNOTATION, "")
    valid = re.fullmatch("[0-9]{1,5}", port) is not None and 0 < int(port) < 2**16
    body = get_from_pod(
        client, namespace, name, int(port) if valid else MONITORING_PORT, SYNCZ, timeout=TIMEOUT_SECONDS
    )
    try:
        return read_syncz(body, name, labels_of(pod).get(REVISION_LABEL) or DEFAULT)
    except ValueError as exc:
        raise PodError(f"The answer of pod {namespace}/{name} to {SYNCZ} cannot be parsed: {exc}.") from exc


def proxies_of(client: Client, namespace: str) -> tuple[Connected, ...]:
    """Return all proxies that are connected to the istiods in a namespace, which are queried side by side.

    Raises:
        UnansweredError: not every istiod could be queried, so it is unknown which proxies are missing.
    """
    doing = f"Reading istiod pods in {namespace}"
    try:
        pods = client.list(f"/api/v1/namespaces/{namespace}/pods", doing=doing, labelSelector="app=istiod")
        queried = [pod for pod in pods if _accepts_connections(pod)]
        if not queried:
            raise UnansweredError(
                f"No istiod in namespace {namespace} of cluster {client.connection.label} is ready to report its "
                "connected proxies."
            )
        with concurrent.futures.ThreadPoolExecutor(max_workers=THREADS) as pool:
            return merged(pool.map(lambda pod: _query_istiod(client, namespace, pod), queried))
    except (ApiError, ClusterError) as exc:
        raise UnansweredError(exc.message) from exc


def connected_to(client: Client, namespace: str, revision: str) -> tuple[Connected, ...]:
    """Return all proxies that are connected to istiods of one revision; without such an istiod there are no proxies.

    Raises:
        UnansweredError: a running istiod could not be queried; it may hold connections even if it is not ready.
    """
    doing = f"Reading istiod pods in {namespace}"
    try:
        pods = client.list(f"/api/v1/namespaces/{namespace}/pods", doing=doing, labelSelector="app=istiod")
        queried = [
            pod for pod in pods if (labels_of(pod).get(REVISION_LABEL) or DEFAULT) == revision and _is_running(pod)
        ]
        with concurrent.futures.ThreadPoolExecutor(max_workers=THREADS) as pool:
            return merged(pool.map(lambda pod: _query_istiod(client, namespace, pod), queried))
    except (ApiError, ClusterError) as exc:
        raise UnansweredError(exc.message) from exc


def _is_running(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a container of a pod runs, ready or not ready."""
    pod, status = read_pod(obj), obj.get("status") or {}
    running = any("running" in (container.get("state") or {}) for container in status.get("containerStatuses") or ())
    return pod.live and (pod.ready or running or ("containerStatuses" not in status and pod.phase == "Running"))


def with_proxies(client: Client, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with its connected proxies; if no pod has a proxy, no istiod is queried.

    While expected proxies are missing, the query is repeated: a proxy may be moving to another istiod.
    """
    if not any(pod.proxy_image for pod in snapshot.pods):
        return snapshot
    precheck_inputs = snapshot.precheck_inputs
    proxies: tuple[Connected, ...] = ()
    for attempt in range(QUERIES):
        if attempt:
            time.sleep(PAUSE)
        try:
            proxies = merged([proxies, proxies_of(client, snapshot.mesh.namespace)])
        except UnansweredError as exc:
            unread = {**precheck_inputs.unread, "proxies": exc.message}
            return dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(precheck_inputs, unread=unread))
        snapshot = dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(precheck_inputs, proxies=proxies))
        if not unconnected_pods(snapshot):
            break
    return snapshot
