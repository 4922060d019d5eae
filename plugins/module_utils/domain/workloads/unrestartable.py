# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons why a rollout cannot replace pods, with a remedy for each (safety rule S6).

Source: Kubernetes documentation of Deployment, StatefulSet (partition, OnDelete), DaemonSet.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.owner_rules import rule_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    HEALTHY,
    RESTARTING,
    Workload,
)

ROLLOUT_GROUP = "argoproj.io"
#: Codes of causes that only a snapshot shows.
PINNED_IMAGE, NO_ROOM, REFUSED = "pinned_image", "no_room", "refused"


@dataclasses.dataclass(frozen=True)
class Unrestartable:
    """Why a rollout cannot replace the pods of an owner, and the remedy."""

    code: str
    reason: str
    remedy: str


#: A workload without pods is not stale, but a restart cannot upgrade it either.
SCALED_TO_ZERO = Unrestartable(
    "scaled_to_zero", "it has no pods to restart", "nothing: its pods get the new proxy when it is scaled up"
)

#: Option broken_workloads decides it, so that only a snapshot shows it.
BROKEN_BEFORE = Unrestartable(
    "broken_before",
    "none of its pods is ready, and workloads that were broken before are left as they are",
    "repair it, or let it be restarted after the others with istio_broken_workloads=last, then run again",
)


def unrestartable(workload: Workload) -> Unrestartable | None:
    """Return why a change of the template would not replace the pods of a workload, or None."""
    if workload.kind == ROLLOUT:
        return _unrestartable_rollout(workload)
    if workload.paused:
        return Unrestartable("paused", "the Deployment is paused", "resume it: kubectl rollout resume")
    if workload.strategy == "OnDelete":
        return Unrestartable(
            "on_delete",
            "its update strategy is OnDelete",
            "restart it, then delete its pods one by one at a convenient time",
        )
    if workload.partition > 0:
        return Unrestartable(
            "partition",
            f"its rolling update stops at partition {workload.partition}",
            "lower the partition, or delete the pods below it one by one",
        )
    return None


def _unrestartable_rollout(workload: Workload) -> Unrestartable | None:
    """A Rollout restarts pods only while all are available, and is Healthy once its update is over (restart.go)."""
    if workload.phase in (HEALTHY, RESTARTING):
        return None
    if not workload.phase:
        return _argo_rollout(workload.name)
    return Unrestartable(
        "argo_rollout",
        f"the Argo Rollout is {workload.phase}: its update is not complete",
        "promote, abort or fix the update, then run again",
    )


def _argo_rollout(name: str) -> Unrestartable:
    return Unrestartable(
        "argo_rollout",
        "an Argo Rollout replaces its pods itself",
        f"set its spec.restartAt: kubectl argo rollouts restart {name}",
    )


def unrestartable_owner(owner: Owner | None) -> Unrestartable:
    """Return why pods that no Deployment, StatefulSet or DaemonSet owns cannot be restarted."""
    if owner is None:
        return Unrestartable("bare_pod", "no controller owns the pod", "create it again manually")
    if owner.kind == ROLLOUT and owner.group in ("", ROLLOUT_GROUP):
        return _argo_rollout(owner.name)
    rule = rule_of(owner.kind, owner.api_version)
    # Not str.format: the kind of an unknown owner is in the text, and any text may be in it.
    return Unrestartable(rule.code, *(text.replace("{}", owner.name) for text in (rule.reason, rule.remedy)))
