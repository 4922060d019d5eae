# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods whose proxies are connected to no istiod that was asked."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def expected_pods(snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return revision -> pods whose proxy has to be connected to an istiod of this cluster.

    A pod that is not ready has a reason of its own, and a remote control plane cannot be asked.
    """
    found: dict[str, list[Pod]] = collections.defaultdict(list)
    for pod in snapshot.pods:
        revision = pod.revision if snapshot.in_this_mesh(pod) else None
        if revision and pod.live and pod.ready and not pod.deleting and not snapshot.mesh.is_remote(revision):
            found[revision].append(pod)
    return dict(sorted(found.items()))


def unconnected_pods(snapshot: Snapshot) -> dict[str, list[Pod]]:
    """Return revision -> those of its pods whose proxy is connected to no istiod; nothing where none was asked."""
    if snapshot.precheck_inputs.proxies is None:
        return {}
    known = {(one.namespace, one.name) for one in snapshot.precheck_inputs.proxies}
    lost = {
        revision: [pod for pod in pods if (pod.namespace, pod.name) not in known]
        for revision, pods in expected_pods(snapshot).items()
    }
    return {revision: pods for revision, pods in lost.items() if pods}
