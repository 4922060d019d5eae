# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the terminating pods with a proxy of a revision: a removal waits for them, or they block it."""

from __future__ import annotations

import datetime
from collections.abc import Container, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Seconds after its deadline when a terminating pod is stuck: its node is dead, or a finalizer keeps it.
OVERDUE = 30


def pods_with_revision(snapshot: Snapshot, revision: str) -> Iterable[Pod]:
    """Return the pods with a proxy of a revision of this mesh, terminating ones too: they need its istiod."""
    return (p for p in snapshot.pods if p.live and p.revision == revision and snapshot.in_this_mesh(p))


def terminating_pods(snapshot: Snapshot, revision: str, shared: Container[ObjectRef] = ()) -> list[Pod]:
    """Return the terminating pods with a proxy of a revision: they need its istiod until they are gone."""
    pods = (pod for pod in pods_with_revision(snapshot, revision) if pod.deleting)
    return [pod for pod in pods if snapshot.owner_ref(pod) not in shared]


def seconds_left(pod: Pod, now: datetime.datetime | None) -> float | None:
    """Return the seconds until a terminating pod must be gone, below 0 if it is overdue, None if that is unknown."""
    due = as_time(pod.gone_at)
    return (due - now).total_seconds() if due and now else None


def pods_to_await(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Pod]:
    """Return the terminating pods that are gone soon, so that waiting for them is enough."""
    times = ((pod, seconds_left(pod, inputs.now)) for pod in terminating_pods(snapshot, revision, inputs.shared))
    return [pod for pod, seconds in times if seconds is not None and -OVERDUE <= seconds <= inputs.patience]


def terminating_proxy_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return a blocker for each terminating pod that is not gone soon."""
    awaited = {pod.uid for pod in pods_to_await(snapshot, revision, inputs)}
    blockers = []
    for pod in terminating_pods(snapshot, revision, inputs.shared):
        seconds = seconds_left(pod, inputs.now)
        remedy = f"wait until {pod.gone_at}, when it is gone at the latest"
        if seconds is None or seconds < -OVERDUE:
            node = f"node {pod.node}" if pod.node else "its node"
            remedy = (
                f"it had to be gone at {pod.gone_at}: check {node} and its finalizers; once no container of it runs "
                "there, delete the pod by force, or the node"
            )
        subject = str(ObjectRef(pod.namespace, "Pod", pod.name))
        text = f"{subject} is terminating, and has a proxy of revision {revision} until it is gone"
        if pod.uid not in awaited:
            blockers.append(Blocker("terminating_proxy", subject, text, remedy))
    return blockers
