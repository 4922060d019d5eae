# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that fail: a workload of each cluster that does not come up, and the cluster before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integration.meshes import break_it
from integration.objects import Pod, labels, pods
from integration.support import CANARY, NEW_VERSION, Desk, Play
from lab import Cluster

NEVER_READY, CRASH_LOOP = "never-ready", "crash-loop"
MOVED_BEFORE, NOT_REACHED = "shop", "search"
#: Only what never gets ready needs the end of its time; it must be enough for what does get ready, on a slow machine.
SHORT, LONG = 20, 240


@dataclass(frozen=True)
class Victim:
    """A workload that does not come up with the proxy of the target."""

    namespace: str
    kind: str
    name: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


#: In a namespace labelled istio-injection=enabled; the others' are labelled istio.io/rev, the last one's with a tag.
ENABLED = Victim("catalog", "Deployment", "browse")
SET = Victim("payments", "StatefulSet", "ledger")
DAEMON = Victim("logging", "DaemonSet", "collector")
GATEWAY = Victim("ingress", "Deployment", "ingressgateway")
TAGGED = Victim("reports", "Deployment", "monthly")


@dataclass(frozen=True)
class Attempt:
    """A run that failed: how a cluster was before and after it."""

    cluster: Cluster
    victim: Victim
    fault: str
    play: Play
    labels_before: dict[str, dict[str, str]]
    pods_before: dict[tuple[str, str], Pod]
    labels_after: dict[str, dict[str, str]]
    pods_after: dict[tuple[str, str], Pod]

    def of(self, namespace: str) -> tuple[dict[str, Pod], dict[str, Pod]]:
        """The pods of a namespace before and after."""
        found = (self.pods_before, self.pods_after)
        before, after = ({key[1]: pod for key, pod in one.items() if key[0] == namespace} for one in found)
        return before, after


def attempt(
    desk: Desk,
    fault: str,
    victims: tuple[Victim, Victim],
    *,
    waves: bool = True,
    playbook: str = CANARY,
    proxy: str = NEW_VERSION,
    **options: Any,
) -> list[Attempt]:
    """Break one workload on each cluster and run a playbook, in three waves with the victim in the middle one."""
    clusters = desk.lab.clusters
    for cluster, victim in zip(clusters, victims, strict=True):
        break_it(cluster, victim.path, fault, proxy=proxy)
    for cluster in clusters:
        cluster.wait_ready()
    before = [(labels(cluster), pods(cluster)) for cluster in clusters]
    given = {
        cluster.name: {"istio_waves": [[MOVED_BEFORE], [victim.namespace], [NOT_REACHED]]}
        for cluster, victim in zip(clusters, victims, strict=True)
    }
    # the applications are broken, not their proxies: here one of them is to stand for a wave that fails
    stop = {"istio_on_workload_failure": "stop"}
    options = {"istio_batch_timeout": SHORT if fault == NEVER_READY else LONG, **stop, **options}
    play = desk.play(clusters, playbook=playbook, hosts=given if waves else None, **options)
    after = [(labels(cluster), pods(cluster)) for cluster in clusters]
    rows = zip(clusters, victims, before, after, strict=True)
    return [Attempt(one, victim, fault, play, *was, *now) for one, victim, was, now in rows]


def fix(desk: Desk, *victims: Victim) -> None:
    """Take the faults away, on both clusters; a StatefulSet never replaces its own broken pod, a person has to."""
    for cluster in desk.lab.clusters:
        for victim in victims:
            break_it(cluster, victim.path, None)
        sets = [victim for victim in victims if victim.kind == "StatefulSet"]
        for (namespace, name), pod in pods(cluster, [victim.namespace for victim in sets]).items():
            if not pod.ready:
                cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", {"gracePeriodSeconds": "0"})
    for cluster in desk.lab.clusters:
        cluster.wait_ready()
