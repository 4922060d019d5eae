# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the ConfigMap in which the collection keeps its state on a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ConflictError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME


def set_state(client: Client, namespace: str, data: Mapping[str, str], *, doing: str) -> None:
    """Set keys of the state ConfigMap; create it if it is missing."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    try:
        client.merge(f"{path}/{STATE_NAME}", {"data": data}, doing=doing)
    except NotFoundError:
        metadata = {"name": STATE_NAME, "namespace": namespace}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        try:
            client.request("POST", path, doing=doing, body=body)
        except ConflictError:
            # Another client created it meanwhile, or an earlier try of ours did although its answer was an error.
            client.merge(f"{path}/{STATE_NAME}", {"data": data}, doing=doing)
