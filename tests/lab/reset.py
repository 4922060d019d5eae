# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty a cluster quickly.

The namespace controller waits five seconds before it processes a deleted namespace, and half the
grace period of each pod in it. Here all its objects are deleted immediately, and then the
finalizer that the controller would remove.
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
OF_THE_CLUSTER = frozenset({"kubernetes", "default", "kube-root-ca.crt"})  # Names in namespace default.
AT_ONCE = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
DELETABLE = frozenset({"deletecollection", "list"})
TIMEOUT = 180.0


def reset(request: Request, kept: Iterable[str]) -> None:
    """Remove webhooks first, as they would refuse later requests, then namespaces, then cluster-wide objects."""
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
    """Delete until all lists are empty: some objects wait until a controller removes their finalizer."""
    paths = _collections(request)
    deadline = time.monotonic() + TIMEOUT
    while remaining := [
        name for names in pool.map(lambda path: _sweep(request, path, namespaces), paths) for name in names
    ]:
        if time.monotonic() > deadline:
            raise LabError(f"Still there after {TIMEOUT:.0f} s: {', '.join(remaining[:10])}")
        time.sleep(0.1)


def _collections(request: Request) -> list[tuple[str, str]]:
    """Return (group path, resource) of all namespaced resources; one may be in an older version of its group only."""
    groups = [group["versions"] for group in request("GET", "/apis")["groups"] if group["name"] != "events.k8s.io"]
    collections: dict[tuple[str, str], tuple[str, str]] = {}
    for version in ["v1", *(version["groupVersion"] for versions in groups for version in versions)]:
        path, group = group_path(version), version.rpartition("/")[0]
        for item in _listed(request, path, "resources"):
            if item["namespaced"] and set(item["verbs"]) >= DELETABLE:
                collections.setdefault((group, item["name"]), (path, item["name"]))
    return list(collections.values())


def _sweep(request: Request, collection: tuple[str, str], namespaces: set[str]) -> list[str]:
    """Delete the objects of one resource in these namespaces and in `default`, and return them."""
    path, resource = collection
    items = [item["metadata"] for item in _listed(request, f"{path}/{resource}")]
    crowded = {item["namespace"] for item in items} & namespaces
    for namespace in crowded:
        _delete(request, f"{path}/namespaces/{namespace}/{resource}")
    strays = [item["name"] for item in items if item["namespace"] == "default" and item["name"] not in OF_THE_CLUSTER]
    # The cluster itself creates and deletes Events and EndpointSlices in `default`.
    strays = [] if resource in ("events", "endpointslices", "endpoints") else strays
    for name in strays:
        _delete(request, f"{path}/namespaces/default/{resource}/{name}")
    return [f"{resource} in {namespace}" for namespace in crowded] + [f"{resource} default/{name}" for name in strays]


def _listed(request: Request, path: str, key: str = "items") -> list[Json]:
    """Return a list. Discovery still includes the kind of a CRD shortly after its deletion."""
    try:
        return list(request("GET", path)[key])
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
    """Remove labels and annotations that a new namespace does not have."""
    labels = {key: None for key in metadata.get("labels", {}) if key != "kubernetes.io/metadata.name"}
    notes = dict.fromkeys(metadata.get("annotations", {}))
    if labels or notes:
        body = {"metadata": {"labels": labels, "annotations": notes}}
        request("PATCH", f"/api/v1/namespaces/{metadata['name']}", body)
