# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second mesh in the cluster, installed as Istio's guide "Install Multiple Istio Control Planes" says."""

from __future__ import annotations

from integration.support import VERSION
from integration.workloads import namespace
from lab import Cluster

OTHER = "istio-b"
TEAM = "teamb"


def second_mesh(cluster: Cluster, revision: str | None = None, version: str = VERSION) -> None:
    """Install the control plane of mesh B in namespace istio-b, limited to namespaces of its user group."""
    cluster.apply([namespace(OTHER, usergroup="b")])
    group = "meshConfig.discoverySelectors[0].matchLabels.usergroup=b"
    cluster.install_istio(version, revision, sets=[f"values.global.istioNamespace={OTHER}", group])
