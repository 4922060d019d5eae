# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the names that a control plane gives its mesh, its cluster and its network."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision


def mesh_names(revision: Revision) -> dict[str, str]:
    """Return the names that a control plane gives its mesh, cluster and network; empty if its values are unknown.

    Unset names have the defaults of istiod (istio/istio manifests/charts/istio-control/istio-discovery/templates,
    deployment.yaml and configmap.yaml).
    """
    if not revision.merged_values:
        return {}
    trust_domain = _value(revision.merged_values, "meshConfig", "trustDomain") or "cluster.local"
    return {
        "mesh_id": _value(revision.merged_values, "global", "meshID") or trust_domain,
        "cluster_name": _value(revision.merged_values, "global", "multiCluster", "clusterName") or "Kubernetes",
        "network": _value(revision.merged_values, "global", "network"),
        "trust_domain": trust_domain,
    }


def _value(values: t.Any, *path: str) -> str:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return str(values or "")
