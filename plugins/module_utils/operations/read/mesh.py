# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the control planes of a cluster: webhooks, istiod Deployments, Services and ConfigMaps."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION, NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_mesh

MeshLists = Mapping[str, concurrent.futures.Future[list[Json]]]


def fetch_mesh(client: Client, istio_namespace: str) -> Mesh:
    """Return the control planes of a cluster as they are now."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
        return mesh_from(submit_mesh(pool, client, istio_namespace), istio_namespace)


def submit_mesh(pool: concurrent.futures.Executor, client: Client, namespace: str) -> MeshLists:
    """Start all lists that make up the control planes of a cluster."""
    core, apps = f"{NAMESPACES}/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    lists: dict[str, tuple[str, str, dict[str, t.Any]]] = {
        "mutating": (f"{ADMISSION}/mutatingwebhookconfigurations", "mutating webhooks", {}),
        "validating": (f"{ADMISSION}/validatingwebhookconfigurations", "validating webhooks", {}),
        "deployments": (f"{apps}/deployments", f"istiod Deployments in {namespace}", {"labelSelector": "app=istiod"}),
        # without a label: the Service of a remote control plane has no label app=istiod
        "services": (f"{core}/services", f"Services in {namespace}", {}),
        "config_maps": (f"{core}/configmaps", f"ConfigMaps in {namespace}", {"labelSelector": REVISION_LABEL}),
    }
    return {
        name: pool.submit(client.list, path, doing=f"Reading {kind}", **query)
        for name, (path, kind, query) in lists.items()
    }


def mesh_from(lists: MeshLists, namespace: str) -> Mesh:
    """Return the mesh once all its lists are read."""
    return read_mesh(namespace, load=load_yaml, **{name: job.result() for name, job in lists.items()})
