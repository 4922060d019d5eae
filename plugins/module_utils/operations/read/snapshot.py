# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one snapshot of a cluster: one list per kind, side by side, raw JSON."""

from __future__ import annotations

import concurrent.futures
import functools
import typing as t
from collections.abc import Callable, Collection

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    ForbiddenError,
    NotFoundError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import Unreadable, shown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Owner, Pod, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import manager_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    OPERATOR_VERSION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_mesh, written_by
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Budget, Namespace, read_budget
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    COLLECTIONS,
    ROLLOUT,
    Workload,
    read_workload,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import (
    around_from,
    submit_surroundings,
)

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
NAMESPACES = "/api/v1/namespaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#: Selectors of Istio's CRDs: those that istioctl wrote, and those that Helm wrote alone.
OF_ISTIO = (OPERATOR_VERSION_LABEL, f"app.kubernetes.io/part-of=istio,!{OPERATOR_VERSION_LABEL}")

#: Owners of pods that have owners of their own, and which workloads those of ReplicaSets are.
PARENTS = {"ReplicaSet": "/apis/apps/v1/replicasets", "Job": "/apis/batch/v1/jobs"}
OF_REPLICA_SETS = ("Deployment", ROLLOUT)
KINDS = frozenset((*PARENTS, *COLLECTIONS))


def fetch_mesh(client: Client, istio_namespace: str) -> Mesh:
    """Return the control planes of a cluster as they are now."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
        return _mesh_from(_submit_mesh(pool, client, istio_namespace), istio_namespace)


def _submit_mesh(pool: concurrent.futures.Executor, client: Client, namespace: str) -> dict[str, t.Any]:
    core, apps = f"{NAMESPACES}/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    lists: dict[str, tuple[str, str, dict[str, t.Any]]] = {
        "mutating": (f"{ADMISSION}/mutatingwebhookconfigurations", "mutating webhooks", {}),
        "validating": (f"{ADMISSION}/validatingwebhookconfigurations", "validating webhooks", {}),
        "deployments": (f"{apps}/deployments", f"istiod Deployments in {namespace}", {"labelSelector": "app=istiod"}),
        "services": ("/api/v1/services", "istiod Services", {"labelSelector": "app=istiod"}),
        "config_maps": (f"{core}/configmaps", f"ConfigMaps in {namespace}", {"labelSelector": REVISION_LABEL}),
    }
    return {
        name: pool.submit(client.list, path, doing=f"Reading {what}", **query)
        for name, (path, what, query) in lists.items()
    }


def _mesh_from(jobs: dict[str, t.Any], namespace: str) -> Mesh:
    return read_mesh(namespace, load=load_yaml, **{name: job.result() for name, job in jobs.items()})


def fetch_snapshot(
    client: Client,
    istio_namespace: str,
    *,
    pods: bool,
    surroundings: bool = False,
    identified: t.Callable[[str], None] = lambda dummy: None,
    enough: t.Callable[[Snapshot], bool] | None = None,
) -> Snapshot:
    """Return a snapshot; with ``pods`` also pods, their owners, workloads and budgets of all namespaces.

    With ``surroundings`` also what only checks look at; what may not be read of that is left out and named.
    ``identified`` hears the cluster's identity as soon as it is known, while the rest is still being read.
    ``enough`` is asked with the pods alone. Where it says yes, only owners of stale ones are read, unless these turn
    out to be workloads.
    """
    # alone: a cluster that does not answer costs the tries of one request, not of thirty
    version = client.get("/version", doing="Reading the version of the API server")
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        jobs = _submit_mesh(pool, client, istio_namespace)
        namespaces = pool.submit(client.list, NAMESPACES, doing="Reading namespaces", metadata=True)
        crds = [pool.submit(client.list, CRDS, doing="Reading CRDs", metadata=True, labelSelector=s) for s in OF_ISTIO]
        lost: list[Unreadable] = []
        running = pool.submit(fetch_pods, client, lost) if pods else None
        above = _submit_above(pool, client, KINDS, lost) if pods and not enough else {}
        around = submit_surroundings(pool, client, istio_namespace) if surroundings else {}
        names = {name_of(obj): read_namespace(obj) for obj in namespaces.result()}
        ids = {name_of(obj): obj["metadata"].get("uid", "") for obj in namespaces.result()}
        if "kube-system" not in ids:
            raise ClusterError(
                f"Cluster {client.connection.label} shows no namespace kube-system: it cannot be identified."
            )
        identified(ids["kube-system"])
        found, listed = running.result() if running else ((), "")
        snapshot = Snapshot(
            cluster_id=ids["kube-system"],
            kubernetes_version=str(version.get("gitVersion", "")),
            mesh=_mesh_from(jobs, istio_namespace),
            namespaces=names,
            crd_versions={name_of(obj): written_by(obj) for job in crds for obj in job.result()},
            crd_managers={name_of(obj): manager_of(obj) for job in crds for obj in job.result()},
            pods=found,
            pods_version=listed,
            around=around_from(around),
        )
        if enough and enough(snapshot):
            snapshot = snapshot.under(
                **_above_from(_submit_above(pool, client, snapshot.owners_in_question, lost)), lost=tuple(lost)
            )
            if not snapshot.stale_workloads():
                return snapshot
        if enough:
            above = _submit_above(pool, client, KINDS, lost)
        return snapshot.under(**_above_from(above), lost=tuple(lost))


def read_namespace(obj: Json) -> Namespace:
    """Return what of a raw namespace counts."""
    return Namespace(name_of(obj), labels_of(obj), annotations_of(obj), obj["metadata"].get("resourceVersion", ""))


#: What reading an object that nobody thought of may run into.
SURPRISES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def _collect(
    client: Client,
    path: str,
    kind: str,
    each: Callable[[Json], t.Any],
    lost: list[Unreadable],
    *,
    metadata: bool = False,
) -> tuple[list[t.Any], str]:
    """Return what is made of all objects of a kind, and the version of the list; one that surprises is kept in lost."""

    def tried(obj: Json) -> t.Any:
        try:
            return each(obj)
        except SURPRISES as exc:
            where = str(ObjectRef(str(obj["metadata"].get("namespace") or ""), kind, name_of(obj)))
            return Unreadable(where, "content", f"{type(exc).__name__}: {shown(exc)}")

    found, version = client.collect(path, tried, doing=f"Reading {kind}s", metadata=metadata)
    lost += [one for one in found if isinstance(one, Unreadable)]
    return [one for one in found if not isinstance(one, Unreadable)], version


def fetch_pods(client: Client, lost: list[Unreadable] | None = None) -> tuple[tuple[Pod, ...], str]:
    """Return all pods, reduced page by page so that memory stays small, and the version of the list.

    What cannot be read goes to ``lost``.
    """
    found, version = _collect(client, "/api/v1/pods", "Pod", read_pod, [] if lost is None else lost)
    return tuple(found), version


def _submit_above(
    pool: concurrent.futures.Executor, client: Client, kinds: Collection[str], lost: list[Unreadable]
) -> dict[str, t.Any]:
    """Read what is above pods whose owners are of some kinds; of all kinds also the budgets of workloads."""

    def workloads(kind: str) -> list[Workload]:
        each = functools.partial(read_workload, kind)
        try:
            return _collect(client, COLLECTIONS[kind], kind, each, lost)[0]
        except (ForbiddenError, NotFoundError):
            # no Argo Rollouts here, or none that this user may read: then they are only named
            if kind != ROLLOUT:
                raise
            return []

    jobs: dict[str, t.Any] = {}
    for kind, path in PARENTS.items():
        if kind in kinds:
            jobs[kind] = pool.submit(_fetch_parents, client, kind, path)
    for kind in COLLECTIONS:
        if kind in kinds or (kind in OF_REPLICA_SETS and "ReplicaSet" in kinds):
            jobs[kind] = pool.submit(workloads, kind)
    if kinds == KINDS:
        jobs["budgets"] = pool.submit(fetch_budgets, client)
    return jobs


def fetch_budgets(client: Client) -> tuple[Budget, ...]:
    """Return all PodDisruptionBudgets."""
    found = client.list("/apis/policy/v1/poddisruptionbudgets", doing="Reading PodDisruptionBudgets")
    return tuple(map(read_budget, found))


def _fetch_parents(client: Client, kind: str, path: str) -> dict[ObjectRef, Owner]:
    """Return what owns the objects of a kind that owns pods: a Deployment leaves ten old ReplicaSets behind."""

    def parent(obj: Json) -> tuple[ObjectRef, Owner] | None:
        above = next((one for one in obj["metadata"].get("ownerReferences") or () if one.get("controller")), None)
        return (
            (ObjectRef(obj["metadata"]["namespace"], kind, name_of(obj)), Owner(above["kind"], above["name"]))
            if above
            else None
        )

    return dict(filter(None, client.collect(path, parent, doing=f"Reading {kind}s", metadata=True)[0]))


def _above_from(jobs: dict[str, t.Any]) -> dict[str, t.Any]:
    workloads, parents = ([kind for kind in kinds if kind in jobs] for kinds in (COLLECTIONS, PARENTS))
    return {
        "workloads": {found.ref: found for kind in workloads for found in jobs[kind].result()},
        "parents": {key: owner for kind in parents for key, owner in jobs[kind].result().items()},
        "budgets": jobs["budgets"].result() if "budgets" in jobs else (),
    }
