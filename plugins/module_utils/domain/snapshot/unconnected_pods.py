# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds pods whose proxies are not connected to any of the queried istiods."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def expected_pods(snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return revision -> pods whose proxy should be connected to an istiod of this cluster.

    A pod that is not ready has another problem, and a remote control plane cannot be queried.
    """
    pods: dict[str, list[Pod]] = collections.defaultdict(list)
    for pod in snapshot.pods:
        revision = pod.revision if snapshot.in_this_mesh(pod) else None
        if revision and pod.live and pod.ready and not pod.deleting and not snapshot.mesh.is_remote(revision):
            pods[revision].append(pod)
    return dict(sorted(pods.items()))


def unconnected_pods(snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return revision -> its pods whose proxy is not connected to an istiod; empty if no istiod was queried."""
    if snapshot.precheck_inputs.proxies is None:
        return {}
    connected = {(proxy.namespace, proxy.name) for proxy in snapshot.precheck_inputs.proxies}
    lost = {
        revision: [pod for pod in pods if (pod.namespace, pod.name) not in connected]
        for revision, pods in expected_pods(snapshot).items()
    }
    return {revision: pods for revision, pods in lost.items() if pods}
