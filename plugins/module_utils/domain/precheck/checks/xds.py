# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what istiod itself knows: which proxies are connected, and what they reject."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Pod
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
#: What of a proxy's complaint is shown: it may hold a whole configuration.
SHOWN = 200


def _by_workload(snapshot: Snapshot, pods: Iterable[Pod]) -> dict[str, str]:
    """Return workload (else pod) -> its pods in words: the pods of a workload mostly fail alike."""
    names: dict[str, list[str]] = collections.defaultdict(list)
    for pod in pods:
        names[str(snapshot.owner_ref(pod))].append(pod.name)
    return {
        place: f"pod {found[0]}" if len(found) == 1 else f"{len(found)} pods ({min(found)} is one)"
        for place, found in sorted(names.items())
    }


def _unknown(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    everyone = expected_pods(snapshot)
    for revision, lost in unconnected_pods(snapshot).items():
        if len(lost) > 1 and len(lost) == len(everyone[revision]):
            yield f"revision {revision}", f"No istiod knows any of its {len(lost)} proxies."
            continue
        for place, pods in _by_workload(snapshot, lost).items():
            yield place, f"No istiod knows the proxy of {pods}."


def _connected(snapshot: Snapshot) -> Iterator[tuple[Pod, list[Connected]]]:
    """Yield the live pods whose proxies are connected; proxies of machines and of other clusters are left out."""
    found: dict[tuple[str, str], list[Connected]] = collections.defaultdict(list)
    for one in snapshot.precheck_inputs.proxies or ():
        found[one.namespace, one.name].append(one)
    for pod in snapshot.pods:
        if pod.live and not pod.deleting and snapshot.in_this_mesh(pod) and (pod.namespace, pod.name) in found:
            yield pod, found[pod.namespace, pod.name]


def _rejecting(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    rejected: dict[tuple[str, str], list[Pod]] = collections.defaultdict(list)
    for pod, connections in _connected(snapshot):
        for kind, error in {item for one in connections for item in one.rejected.items()}:
            rejected[kind, " ".join(error.split())[:SHOWN]].append(pod)
    for (kind, error), found in sorted(rejected.items()):
        for place, pods in _by_workload(snapshot, found).items():
            yield place, f"The proxy of {pods} rejects its {kind} configuration: {error}"


def _elsewhere(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    strayed: dict[tuple[str, str], list[Pod]] = collections.defaultdict(list)
    for pod, connections in _connected(snapshot):
        own, theirs = pod.revision, {one.revision for one in connections}
        if own and own not in theirs:
            strayed[own, min(theirs)].append(pod)
    for (own, other), found in sorted(strayed.items()):
        for place, pods in _by_workload(snapshot, found).items():
            yield place, f"The proxy of {pods} is of revision {own}, but connected to the istiod of {other}."


CHECKS = (
    Check("MU070", WARNING, "proxies that no istiod knows",
          "They keep the configuration that they got last, and their certificates end within a day.",
          "read the log of their container istio-proxy; if it cannot come back, restart them with rollout_restart and "
          "scope=all", _unknown, WARNING, NEEDS),
    Check("MU071", WARNING, "configuration rejected", "The proxy goes on with what it had, and misses every change.",
          "mend what the error names, mostly an EnvoyFilter or a WasmPlugin", _rejecting, ERROR, NEEDS),
    Check("MU072", WARNING, "proxies of one revision connected to another",
          "They lose their control plane when that other revision is removed.",
          "take discoveryAddress out of meshConfig.defaultConfig and of annotation proxy.istio.io/config, then restart "
          "them", _elsewhere, ERROR, NEEDS),
)  # fmt: skip
