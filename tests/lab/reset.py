# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick way back to an empty cluster.

The namespace controller waits five seconds before it looks at a deleted namespace, and half the
grace period of every pod it finds. Here everything in it is deleted at once, and then the
finalizer that the controller would take away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .errors import ApiError, LabError
from .resources import group_path

Json = dict[str, Any]
Request = Callable[..., Json]
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SYSTEM = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
OF_THE_CLUSTER = frozenset({"kubernetes", "default", "kube-root-ca.crt"})  # names in namespace default
AT_ONCE = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
DELETABLE = frozenset({"deletecollection", "list"})
TIMEOUT = 180.0


def reset(request: Request, kept: Iterable[str]) -> None:
    """Remove webhooks first (they would refuse what follows), then namespaces, then cluster-wide leftovers."""
    for resource in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        _delete(request, f"{ADMISSION}/{resource}")
    stay = SYSTEM | frozenset(kept)
    namespaces = request("GET", "/api/v1/namespaces")["items"]
    leave = {item["metadata"]["name"] for item in namespaces} - stay
    for name in leave:
        _delete(request, f"/api/v1/namespaces/{name}")
    with ThreadPoolExecutor(4) as pool:
        _empty(request, pool, leave)
        list(pool.map(lambda name: _finalize(request, name), leave))
    for resource in ("clusterroles", "clusterrolebindings"):
        _delete_istio(request, f"{RBAC}/{resource}")
    for item in namespaces:
        if item["metadata"]["name"] in SYSTEM:
            _unlabel(request, item["metadata"])


def _empty(request: Request, pool: ThreadPoolExecutor, namespaces: set[str]) -> None:
    """Delete until nothing is listed: some objects wait for a controller to take a finalizer away."""
    paths = _collections(request)
    deadline = time.monotonic() + TIMEOUT
    while left := [one for found in pool.map(lambda path: _sweep(request, path, namespaces), paths) for one in found]:
        if time.monotonic() > deadline:
            raise LabError(f"Still there after {TIMEOUT:.0f} s: {', '.join(left[:10])}")
        time.sleep(0.1)


def _collections(request: Request) -> list[tuple[str, str]]:
    """(group path, resource) of everything that lives in namespaces."""
    groups = [group["preferredVersion"]["groupVersion"] for group in request("GET", "/apis")["groups"]]
    found: list[tuple[str, str]] = []
    for version in ["v1", *(group for group in groups if not group.startswith("events.k8s.io/"))]:
        path = group_path(version)
        for item in _listed(request, path, "resources"):
            if item["namespaced"] and set(item["verbs"]) >= DELETABLE:
                found.append((path, item["name"]))
    return found


def _sweep(request: Request, collection: tuple[str, str], namespaces: set[str]) -> list[str]:
    """Delete one resource in these namespaces and in `default`; return what was found."""
    path, resource = collection
    items = [item["metadata"] for item in _listed(request, f"{path}/{resource}")]
    crowded = {item["namespace"] for item in items} & namespaces
    for namespace in crowded:
        _delete(request, f"{path}/namespaces/{namespace}/{resource}")
    strays = [item["name"] for item in items if item["namespace"] == "default" and item["name"] not in OF_THE_CLUSTER]
    # Events and EndpointSlices of `default` come and go by themselves.
    strays = [] if resource in ("events", "endpointslices", "endpoints") else strays
    for name in strays:
        _delete(request, f"{path}/namespaces/default/{resource}/{name}")
    return [f"{resource} in {namespace}" for namespace in crowded] + [f"{resource} default/{name}" for name in strays]


def _listed(request: Request, path: str, what: str = "items") -> list[Json]:
    """A list; the kind of a CRD that was just deleted is told of for a moment longer."""
    try:
        return list(request("GET", path)[what])
    except ApiError as error:
        if error.status != 404:
            raise
        return []


def _finalize(request: Request, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}}
    try:
        request("PUT", f"/api/v1/namespaces/{name}/finalize", body)
    except ApiError as error:
        if error.status != 404:
            raise


def _delete_istio(request: Request, path: str) -> None:
    for item in request("GET", path)["items"]:
        if item["metadata"]["name"].startswith("istio"):
            _delete(request, f"{path}/{item['metadata']['name']}")


def _delete(request: Request, path: str) -> None:
    try:
        request("DELETE", path, AT_ONCE)
    except ApiError as error:
        if error.status not in (404, 409):
            raise


def _unlabel(request: Request, metadata: Json) -> None:
    """Take labels and annotations off that no fresh namespace has."""
    labels = {key: None for key in metadata.get("labels", {}) if key != "kubernetes.io/metadata.name"}
    notes = dict.fromkeys(metadata.get("annotations", {}))
    if labels or notes:
        body = {"metadata": {"labels": labels, "annotations": notes}}
        request("PATCH", f"/api/v1/namespaces/{metadata['name']}", body)
