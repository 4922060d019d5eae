# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the proxies that are connected to istiod of a revision, although no pod of the revision has them."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.mesh_names import mesh_names
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.terminating_proxies import pods_with_revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def unmatched_proxies(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Connected]:
    """Return the connected proxies without a pod of this revision; such a pod is a blocker already."""
    pods = {(pod.namespace, pod.name) for pod in pods_with_revision(snapshot, revision)}
    unmatched = []
    for proxy in inputs.connected:
        pod = snapshot.pods_by_place.get((proxy.namespace, proxy.name))
        shared = pod is not None and snapshot.owner_ref(pod) in inputs.shared
        if proxy.revision == revision and (proxy.namespace, proxy.name) not in pods and not shared:
            unmatched.append(proxy)
    return unmatched


def connected_proxy_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return the owners of proxies that are connected to istiod of a revision, although no pod of it has them."""
    of_other_pods: dict[tuple[str, str], int] = collections.Counter()
    blockers = []
    for proxy in unmatched_proxies(snapshot, revision, inputs):
        pod = snapshot.pods_by_place.get((proxy.namespace, proxy.name))
        if pod is not None:
            of_other_pods[str(snapshot.owner_ref(pod)), pod.revision or ""] += 1
        else:
            blockers.append(_outside_proxy_blocker(snapshot, revision, proxy, inputs.hints))
    for (place, pod_revision), count in sorted(of_other_pods.items()):
        proxies = "1 proxy" if count == 1 else f"{count} proxies"
        suffix = f" of revision {pod_revision}" if pod_revision else ""
        text = f"{place} has {proxies}{suffix} connected to istiod of revision {revision}"
        remedy = (
            "remove discoveryAddress from meshConfig.defaultConfig and from annotation proxy.istio.io/config, then "
            "restart it"
            if pod_revision
            else "connect it to the revision that stays"
        )
        blockers.append(Blocker("connected_proxy", place, text, remedy))
    return blockers


def _outside_proxy_blocker(snapshot: Snapshot, revision: str, proxy: Connected, hints: Sequence[str]) -> Blocker:
    """Return a blocker for a proxy that no pod of this cluster has."""
    plane = snapshot.mesh.revisions.get(revision)
    cluster = mesh_names(plane).get("cluster_name", "") if plane else ""
    subject = f"proxy {proxy.namespace}/{proxy.name}"
    hint = f" (known here: {join_limited(hints)})" if hints else ""
    if proxy.cluster and cluster and proxy.cluster != cluster:
        text = f"{subject} of cluster {proxy.cluster} is connected to istiod of revision {revision}"
        return Blocker(
            "connected_proxy", subject, text, f"move it in cluster {proxy.cluster} to a revision that stays{hint}"
        )
    text = f"{subject}, which is not a pod of this cluster, is connected to istiod of revision {revision}"
    remedy = (
        "if it is a machine, connect its agent to the revision that stays, and restart the agent; if it belongs to "
        f"another cluster, move it there{hint}"
    )
    return Blocker("connected_proxy", subject, text, remedy)
