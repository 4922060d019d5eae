# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that query other services: istiod, the connections of its proxies, a URL, a Prometheus server.

Each function returns problems, or an empty list when the gate is passed. An error of the API server, or of the login
of this task, proves nothing about the revision, so it is raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import fetch, url_without_login
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    PodError,
    ProbeError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import as_login, as_token, basic
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.prometheus import measured_problem, samples
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import (
    Endpoint,
    HttpGate,
    PrometheusGate,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import (
    PodState,
    Problem,
    Trouble,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import proxies_of
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: The container of a proxy, whose log is evidence too.
PROXY = "istio-proxy"


def check_istiod(task: TaskContext, snapshot: Snapshot, revisions: Iterable[str]) -> list[Problem]:
    """Check that the control planes of a batch are rolled out and inject, now that they serve more proxies.

    Raises:
        ApiError: the API server refuses a request.
        ClusterError: it does not answer.
    """
    mesh = fetch_mesh(task.client, task.istio_namespace)
    for revision in sorted(revisions):
        if problem := readiness.prove(task.client, mesh, snapshot.namespaces, revision, None).problem:
            return [Problem(None, Trouble("istiod", f"revision {revision}: {problem}"))]
    return []


def _raise_api_error(exc: UnansweredError) -> None:
    """Raise the error of the API server that kept an istiod from being queried, but not the error of a pod."""
    causes = [cause for cause in (exc.__cause__,) if isinstance(cause, (ApiError, ClusterError))]
    for cause in causes:
        if not isinstance(cause, PodError):
            raise cause from exc


def check_connections(task: TaskContext, pods: Iterable[tuple[Workload, PodState, str]]) -> list[Problem]:
    """Check that every new proxy is connected to its revision, and accepts the configuration that it receives.

    Raises:
        ApiError: the API server refuses a request.
        ClusterError: it does not answer.
    """
    try:
        proxies = {(p.namespace, p.name, p.revision): p for p in proxies_of(task.client, task.istio_namespace)}
    except UnansweredError as exc:
        _raise_api_error(exc)
        return [Problem(None, Trouble("connected", exc.message.rstrip(".")))]
    problems = []
    for workload, state, revision in pods:
        proxy = proxies.get((state.pod.namespace, state.pod.name, revision))
        if proxy is None:
            trouble = Trouble("NotConnected", f"its proxy is not connected to revision {revision}", PROXY)
            problems.append(Problem(workload, trouble, state.pod.name))
        elif proxy.rejected:
            rejections = "; ".join(f"{kind}: {reason}" for kind, reason in proxy.rejected.items())
            trouble = Trouble("Rejected", f"its proxy rejects {rejections}", PROXY)
            problems.append(Problem(workload, trouble, state.pod.name))
    return problems


def check_http(gate: HttpGate) -> list[Problem]:
    """Check that a URL answers with an expected status."""
    endpoint = gate.endpoint
    try:
        status = fetch(
            as_login(endpoint.url),
            timeout=endpoint.timeout,
            ca_path=endpoint.ca_path,
            headers=_login_headers(endpoint),
            max_body=0,
        )[0]
    except ProbeError as exc:
        return [Problem(None, Trouble("http", exc.message))]
    if status in gate.statuses:
        return []
    expected = " or ".join(map(str, gate.statuses))
    return [
        Problem(None, Trouble("http", f"{url_without_login(endpoint.url)} answers with HTTP {status}, not {expected}"))
    ]


def check_prometheus(gate: PrometheusGate) -> list[Problem]:
    """Check that every sample of a query compares as required."""
    endpoint = gate.endpoint
    url = f"{as_login(endpoint.url).rstrip('/')}/api/v1/query?{urlencode({'query': gate.query})}"
    try:
        answer = fetch(url, timeout=endpoint.timeout, ca_path=endpoint.ca_path, headers=_login_headers(endpoint))
        reason = measured_problem(samples(*answer), gate.compare, gate.value)
    except ProbeError as exc:
        reason = exc.message
    except ValueError as exc:
        reason = f"{url_without_login(endpoint.url)}: {exc}"
    return [Problem(None, Trouble("prometheus", f"query {gate.query}: {reason}"))] if reason else []


def _login_headers(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.token:
        return {"Authorization": f"Bearer {as_token(endpoint.token)}"}
    if endpoint.username:
        return {"Authorization": basic(as_login(endpoint.username), as_login(endpoint.password or ""))}
    return {}
