# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks every istiod of every revision which proxies are connected to it.

Since Istio 1.27 only requests from localhost are answered, which is what a port-forward makes (istio/istio
pilot/pkg/xds/debug.go). An istiod knows its own proxies only, so that the answer is whole when all have answered.
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import (
    Connected,
    merged,
    read_syncz,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.unconnected_pods import unconnected_pods

PORT = "prometheus.io/port"
MONITORING = 15014
SYNCZ = "/debug/syncz"
SECONDS = 5.0
AT_ONCE = 8
#: Where some are missing: how often istiods are asked, and the seconds between.
LOOKS, PAUSE = 5, 1.0


def _serves(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a pod takes connections: a rollout leaves some behind that do not any more."""
    pod = read_pod(obj)
    return pod.ready and not pod.deleting


def _ask(client: Client, namespace: str, pod: Mapping[str, t.Any]) -> list[Connected]:
    name, port = name_of(pod), annotations_of(pod).get(PORT, "")
    known = re.fullmatch("[0-9]{1,5}", port) is not None and 0 < int(port) < 2**16
    body = get_from_pod(client, namespace, name, int(port) if known else MONITORING, SYNCZ, timeout=SECONDS)
    try:
        return read_syncz(body, name, labels_of(pod).get(REVISION_LABEL) or DEFAULT)
    except ValueError as exc:
        raise PodError(f"The answer of pod {namespace}/{name} to {SYNCZ} cannot be understood: {exc}.") from exc


def proxies_of(client: Client, namespace: str) -> tuple[Connected, ...]:
    """Return all proxies that are connected to the istiods in a namespace; these are asked side by side.

    Raises:
        UnansweredError: not every istiod could be asked, so that nobody knows which proxies are missing.
    """
    doing = f"Reading istiod pods in {namespace}"
    try:
        pods = client.list(f"/api/v1/namespaces/{namespace}/pods", doing=doing, labelSelector="app=istiod")
        asked = [pod for pod in pods if _serves(pod)]
        if not asked:
            raise UnansweredError(
                f"No istiod in namespace {namespace} of cluster {client.connection.label} is ready to tell which "
                "proxies are connected to it."
            )
        with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return merged(pool.map(lambda pod: _ask(client, namespace, pod), asked))
    except (ApiError, ClusterError) as exc:
        raise UnansweredError(exc.message) from exc


def connected_to(client: Client, namespace: str, revision: str) -> tuple[Connected, ...]:
    """Return all proxies that are connected to istiods of one revision; nobody is, where none of these runs.

    Raises:
        UnansweredError: one that runs could not be asked: also one that is not ready, or ends, may hold connections.
    """
    doing = f"Reading istiod pods in {namespace}"
    try:
        pods = client.list(f"/api/v1/namespaces/{namespace}/pods", doing=doing, labelSelector="app=istiod")
        asked = [pod for pod in pods if (labels_of(pod).get(REVISION_LABEL) or DEFAULT) == revision and _runs(pod)]
        with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return merged(pool.map(lambda pod: _ask(client, namespace, pod), asked))
    except (ApiError, ClusterError) as exc:
        raise UnansweredError(exc.message) from exc


def _runs(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a container of a pod runs, ready or not."""
    pod, status = read_pod(obj), obj.get("status") or {}
    running = any("running" in (one.get("state") or {}) for one in status.get("containerStatuses") or ())
    return pod.live and (pod.ready or running or ("containerStatuses" not in status and pod.phase == "Running"))


def with_proxies(client: Client, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with the proxies that are connected; where none is expected, nobody is asked.

    While some are missing it looks again: a proxy that moves to another istiod is nowhere for a moment.
    """
    if not any(pod.proxy_image for pod in snapshot.pods):
        return snapshot
    precheck_inputs = snapshot.precheck_inputs
    found: tuple[Connected, ...] = ()
    for attempt in range(LOOKS):
        if attempt:
            time.sleep(PAUSE)
        try:
            found = merged([found, proxies_of(client, snapshot.mesh.namespace)])
        except UnansweredError as exc:
            unread = {**precheck_inputs.unread, "proxies": exc.message}
            return dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(precheck_inputs, unread=unread))
        snapshot = dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(precheck_inputs, proxies=found))
        if not unconnected_pods(snapshot):
            break
    return snapshot
