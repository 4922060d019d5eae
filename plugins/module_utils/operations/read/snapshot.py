# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one snapshot of a cluster: one list per kind, side by side, as raw JSON."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Collection

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import CRDS, NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    FIELD_MANAGER,
    Json,
    annotations_of,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Unreadable
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import read_label_writers
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import manager_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    OPERATOR_VERSION_LABEL,
    SELECTING_LABELS,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import installer_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import (
    webhook_admission,
    with_answers,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import (
    MeshLists,
    mesh_from,
    submit_mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.pods_and_owners import (
    OWNER_KINDS,
    OwnerLists,
    fetch_pods,
    owners_from,
    submit_owners,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import (
    InputLists,
    precheck_inputs_from,
    submit_precheck_inputs,
)

#: Selectors of Istio's CRDs: those that istioctl wrote, and those that Helm wrote alone.
ISTIO_CRD_SELECTORS = (OPERATOR_VERSION_LABEL, f"app.kubernetes.io/part-of=istio,!{OPERATOR_VERSION_LABEL}")


@dataclasses.dataclass(frozen=True)
class FirstLists:
    """The lists that a snapshot begins with. They are read side by side; nothing decides about them."""

    mesh: MeshLists
    namespaces: concurrent.futures.Future[list[Json]]
    crds: list[concurrent.futures.Future[list[Json]]]
    pods: concurrent.futures.Future[tuple[tuple[Pod, ...], str]] | None
    owners: OwnerLists
    precheck_inputs: InputLists

    def cluster_id(self, label: str) -> str:
        """Return the UID of namespace kube-system.

        Raises:
            ClusterError: there is no such namespace.
        """
        for obj in self.namespaces.result():
            if name_of(obj) == "kube-system":
                return str(obj["metadata"].get("uid", ""))
        raise ClusterError(f"Cluster {label} shows no namespace kube-system: it cannot be identified.")


def fetch_snapshot(
    client: Client,
    istio_namespace: str,
    *,
    pods: bool,
    precheck_inputs: bool = False,
    ask: bool = True,
    on_identified: Callable[[str], None] = lambda dummy: None,
    pods_suffice: Callable[[Snapshot], bool] | None = None,
) -> Snapshot:
    """Return a snapshot; with ``pods`` also pods, their owners, workloads and budgets of all namespaces.

    Args:
        precheck_inputs: read also what only checks need. Kinds that this user may not read are left out and named.
        ask: ask the API server by dry runs about proxies for which the resolver is not enough; with the inputs of
            the precheck, about all workloads that other webhooks or policies may change or refuse.
        on_identified: gets the cluster's identity as soon as it is known, while the rest is still being read.
        pods_suffice: decides by a snapshot without owners whether the caller needs owners of stale pods only. All
            owners are read nevertheless if those of stale pods are workloads.
    """
    # First and alone: a cluster that does not answer costs the tries of one request, not of thirty.
    version = client.get("/version", doing="Reading the version of the API server")
    lost: list[Unreadable] = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        owner_kinds = OWNER_KINDS if pods and not pods_suffice else ()
        first = _submit_first(
            pool, client, istio_namespace, lost, pods=pods, owner_kinds=owner_kinds, precheck_inputs=precheck_inputs
        )
        cluster_id = first.cluster_id(client.connection.label)
        on_identified(cluster_id)
        snapshot = _snapshot_from(first, istio_namespace, cluster_id, str(version.get("gitVersion", "")))
        answered = functools.partial(with_answers, client, everything=precheck_inputs) if ask and pods else _unchanged
        if not pods_suffice:
            return answered(snapshot.with_owners(owners_from(first.owners), lost))
        if pods_suffice(snapshot):
            owners = owners_from(submit_owners(pool, client, snapshot.owner_kinds_to_read, lost))
            snapshot = snapshot.with_owners(owners, lost)
            # Nothing else has changed, so whatever is not stale by its version needs no dry run.
            snapshot = answered(snapshot) if snapshot.stale_workloads() else snapshot
            if not snapshot.stale_workloads():
                return snapshot
        return answered(snapshot.with_owners(owners_from(submit_owners(pool, client, OWNER_KINDS, lost)), lost))


def _unchanged(snapshot: Snapshot) -> Snapshot:
    return snapshot


def _submit_first(
    pool: concurrent.futures.Executor,
    client: Client,
    istio_namespace: str,
    lost: list[Unreadable],
    *,
    pods: bool,
    owner_kinds: Collection[str],
    precheck_inputs: bool,
) -> FirstLists:
    def crds(selector: str) -> list[Json]:
        return client.list(CRDS, doing="Reading CRDs", metadata=True, labelSelector=selector)

    return FirstLists(
        mesh=submit_mesh(pool, client, istio_namespace),
        namespaces=pool.submit(client.list, NAMESPACES, doing="Reading namespaces", metadata=True),
        crds=[pool.submit(crds, selector) for selector in ISTIO_CRD_SELECTORS],
        pods=pool.submit(fetch_pods, client, lost) if pods else None,
        owners=submit_owners(pool, client, owner_kinds, lost),
        precheck_inputs=submit_precheck_inputs(pool, client, istio_namespace) if precheck_inputs else {},
    )


def _snapshot_from(first: FirstLists, istio_namespace: str, cluster_id: str, kubernetes_version: str) -> Snapshot:
    pods, pods_version = first.pods.result() if first.pods else ((), "")
    return Snapshot(
        cluster_id=cluster_id,
        kubernetes_version=kubernetes_version,
        mesh=mesh_from(first.mesh, istio_namespace),
        namespaces={name_of(obj): read_namespace(obj) for obj in first.namespaces.result()},
        crd_versions={name_of(obj): installer_version(obj) for job in first.crds for obj in job.result()},
        crd_managers={name_of(obj): manager_of(obj) for job in first.crds for obj in job.result()},
        pods=pods,
        pods_version=pods_version,
        admission=webhook_admission(first.mesh["mutating"].result(), first.mesh["validating"].result()),
        precheck_inputs=precheck_inputs_from(first.precheck_inputs),
    )


def read_namespace(obj: Json) -> Namespace:
    """Return what of a raw namespace decides about injection, and who wrote that."""
    metadata = obj["metadata"]
    return Namespace(
        name_of(obj),
        labels_of(obj),
        annotations_of(obj),
        metadata.get("resourceVersion", ""),
        read_label_writers(obj, SELECTING_LABELS, FIELD_MANAGER),
        bool(metadata.get("deletionTimestamp")),
    )
