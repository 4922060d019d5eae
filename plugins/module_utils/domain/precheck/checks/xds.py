# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the XDS status of istiod: which proxies are connected, and which configuration they reject."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.unconnected_pods import (
    expected_pods,
    unconnected_pods,
)

NEEDS = ("proxies",)
#: Number of characters of a proxy's error that are shown, because the error may contain a whole configuration.
SHOWN = 200


def _describe_by_owner(snapshot: Snapshot, pods: Iterable[Pod]) -> dict[ObjectRef, str]:
    """Return the owners of pods with a text for their pods, because the pods of a workload mostly fail alike."""
    names_by_owner: dict[ObjectRef, list[str]] = collections.defaultdict(list)
    for pod in pods:
        names_by_owner[snapshot.owner_ref(pod)].append(pod.name)
    return {
        owner: f"pod {names[0]}" if len(names) == 1 else f"{len(names)} pods (for example {min(names)})"
        for owner, names in sorted(names_by_owner.items())
    }


def _find_unconnected_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    expected = expected_pods(snapshot)
    for revision, unconnected in unconnected_pods(snapshot).items():
        if len(unconnected) > 1 and len(unconnected) == len(expected[revision]):
            yield (
                cluster_object("revision", revision),
                f"None of its {len(unconnected)} proxies is connected to an istiod.",
            )
            continue
        for owner, pods in _describe_by_owner(snapshot, unconnected).items():
            yield owner, f"The proxy of {pods} is not connected to any istiod."


def _connected_pods(snapshot: Snapshot) -> Iterator[tuple[Pod, list[Connected]]]:
    """Yield the live pods whose proxies are connected; proxies of VMs and of other clusters are skipped."""
    connections: dict[tuple[str, str], list[Connected]] = collections.defaultdict(list)
    for proxy in snapshot.precheck_inputs.proxies or ():
        connections[proxy.namespace, proxy.name].append(proxy)
    for pod in snapshot.pods:
        key = (pod.namespace, pod.name)
        if pod.live and not pod.deleting and snapshot.in_this_mesh(pod) and key in connections:
            yield pod, connections[key]


def _find_rejected_configuration(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    rejected: dict[tuple[str, str], list[Pod]] = collections.defaultdict(list)
    for pod, connections in _connected_pods(snapshot):
        for kind, error in {item for proxy in connections for item in proxy.rejected.items()}:
            rejected[kind, " ".join(error.split())[:SHOWN]].append(pod)
    for (kind, error), rejecting_pods in sorted(rejected.items()):
        for owner, pods in _describe_by_owner(snapshot, rejecting_pods).items():
            yield owner, f"The proxy of {pods} rejects its {kind} configuration: {error}"


def _find_misconnected_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    pods_by_revisions: dict[tuple[str, str], list[Pod]] = collections.defaultdict(list)
    for pod, connections in _connected_pods(snapshot):
        connected_to = {proxy.revision for proxy in connections}
        if pod.revision and pod.revision not in connected_to:
            pods_by_revisions[pod.revision, min(connected_to)].append(pod)
    for (revision, other), misconnected in sorted(pods_by_revisions.items()):
        for owner, pods in _describe_by_owner(snapshot, misconnected).items():
            yield owner, f"The proxy of {pods} belongs to revision {revision}, but is connected to istiod of {other}."


CHECKS = (
    Check("MU070", WARNING, "proxies not connected to any istiod",
          "They keep their last configuration, and their certificates expire within a day.",
          "read the log of their container istio-proxy; if they cannot reconnect, restart them with rollout_restart "
          "and scope=all", _find_unconnected_proxies, WARNING, NEEDS),
    Check("MU071", WARNING, "configuration rejected by proxies",
          "The proxy keeps its previous configuration, and misses every change.",
          "fix the object that the error names, usually an EnvoyFilter or a WasmPlugin",
          _find_rejected_configuration, ERROR, NEEDS),
    Check("MU072", WARNING, "proxies connected to another revision",
          "They lose their control plane when that other revision is removed.",
          "remove discoveryAddress from meshConfig.defaultConfig and from annotation proxy.istio.io/config, then "
          "restart them", _find_misconnected_proxies, ERROR, NEEDS),
)  # fmt: skip
