# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates that ask somebody: istiod itself, its connections, an URL, a Prometheus server.

Each function returns problems, or nothing when the gate is passed. Who cannot ask because of the API server or the own
login knows nothing against the revision: that is raised.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import fetch, shown
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    PodError,
    ProbeError,
    ProofError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import as_login, as_token, basic
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.prometheus import measured_problem, samples
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

Found = list[Problem]
#: The container of a proxy, whose log is evidence too.
PROXY = "istio-proxy"


def istiod(task: TaskContext, snapshot: Snapshot, revisions: Iterable[str]) -> Found:
    """The control planes that the batch went to are rolled out and inject, now that they have more to do.

    Raises:
        ApiError: the API server does not let us look.
        ClusterError: it does not answer.
    """
    try:
        mesh = fetch_mesh(task.client, task.istio_namespace)
        place = readiness.probe_namespace(snapshot.namespaces, task.istio_namespace)
        for revision in sorted(revisions):
            if reason := readiness.problem(task.client, mesh, place, revision, None):
                return [Problem(None, Trouble("istiod", f"revision {revision}: {reason}"))]
    except ProofError as exc:
        return [Problem(None, Trouble("istiod", exc.message.rstrip(".")))]
    return []


def _raise_trouble_of_reader(exc: UnansweredError) -> None:
    """Raise what the API server answered, or that it did not; a pod that does not answer is no such trouble."""
    causes = [one for one in (exc.__cause__,) if isinstance(one, (ApiError, ClusterError))]
    for cause in causes:
        if not isinstance(cause, PodError):
            raise cause from exc


def connected(task: TaskContext, pods: Iterable[tuple[Workload, PodState, str]]) -> Found:
    """Every new proxy is connected to the revision that it is to have, and rejects nothing that it is sent.

    Raises:
        ApiError: the API server does not let us ask.
        ClusterError: it does not answer.
    """
    try:
        found = {(one.namespace, one.name, one.revision): one for one in proxies_of(task.client, task.istio_namespace)}
    except UnansweredError as exc:
        _raise_trouble_of_reader(exc)
        return [Problem(None, Trouble("connected", exc.message.rstrip(".")))]
    problems = []
    for workload, state, revision in pods:
        proxy = found.get((state.pod.namespace, state.pod.name, revision))
        if proxy is None:
            trouble = Trouble("NotConnected", f"its proxy is not connected to revision {revision}", PROXY)
            problems.append(Problem(workload, trouble, state.pod.name))
        elif proxy.rejected:
            said = "; ".join(f"{kind}: {why}" for kind, why in proxy.rejected.items())
            trouble = Trouble("Rejected", f"its proxy rejects {said}", PROXY)
            problems.append(Problem(workload, trouble, state.pod.name))
    return problems


def http(options: Mapping[str, t.Any]) -> Found:
    """A URL answers with an expected status."""
    try:
        status = fetch(
            as_login(options["url"]),
            timeout=options["timeout"],
            ca_path=options["ca_path"],
            headers=_login(options),
            most=0,
        )[0]
    except ProbeError as exc:
        return [Problem(None, Trouble("http", exc.message))]
    if status in options["status"]:
        return []
    wanted = " or ".join(map(str, options["status"]))
    return [Problem(None, Trouble("http", f"{shown(options['url'])} answers with HTTP {status}, not {wanted}"))]


def prometheus(options: Mapping[str, t.Any]) -> Found:
    """Every sample of a query is as it should be."""
    url = f"{as_login(options['url']).rstrip('/')}/api/v1/query?{urlencode({'query': options['query']})}"
    try:
        answer = fetch(url, timeout=options["timeout"], ca_path=options["ca_path"], headers=_login(options))
        reason = measured_problem(samples(*answer), options["compare"], options["value"])
    except ProbeError as exc:
        reason = exc.message
    except ValueError as exc:
        reason = f"{shown(options['url'])}: {exc}"
    return [Problem(None, Trouble("prometheus", f"query {options['query']}: {reason}"))] if reason else []


def _login(options: Mapping[str, t.Any]) -> dict[str, str]:
    if options.get("token"):
        return {"Authorization": f"Bearer {as_token(options['token'])}"}
    if options.get("username"):
        return {"Authorization": basic(as_login(options["username"]), as_login(options["password"]))}
    return {}
