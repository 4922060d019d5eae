# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of whether istiod answers and may grow: certificates, endpoints, scaling, quotas."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.common.certificates import last_day
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Injector
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _called(snapshot: Snapshot) -> list[Injector]:
    """Return the injectors that call an istiod of this cluster."""
    local = snapshot.mesh.local_services
    return [injector for injector in snapshot.mesh.injectors if injector.service in local and not injector.deactivated]


def _silent(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    ready: dict[tuple[str, str], int] = collections.Counter()
    for one in snapshot.precheck_inputs.endpoints:
        ready[one.service] += one.ready
    for injector in _called(snapshot):
        namespace, name = injector.service or ("", "")
        # slices are read in Istio's own namespace only
        if namespace == snapshot.mesh.namespace and not ready[namespace, name]:
            yield (
                cluster_object("webhook", injector.name),
                f"It calls Service {namespace}/{name}, which has no ready endpoint.",
            )


def _untrusted(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.injectors:
        if injector.service is None or injector.deactivated:
            continue
        days = (last_day(hook.get("clientConfig", {}).get("caBundle") or "") for hook in injector.webhooks)
        ended = min((day for day in days if day and goal.today and day < goal.today), default=None)
        if not injector.has_ca_bundle:
            yield (
                cluster_object("webhook", injector.name),
                "Its caBundle is empty: istiod has not filled in its certificate.",
            )
        elif ended:
            yield cluster_object("webhook", injector.name), f"The certificates of its caBundle have ended on {ended}."


def _scaling(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    for one in snapshot.precheck_inputs.autoscalers:
        if source is None or not source.deployment or one.deployment != source.deployment:
            continue
        place = f"HorizontalPodAutoscaler {source.namespace}/{one.name}"
        if one.wants_more:
            yield place, f"It would run more than the {one.highest} replicas that it is allowed."
        elif one.stuck and one.current > one.lowest:
            yield (
                place,
                f"It cannot scale ({one.stuck}): {source.name} runs {one.current} replicas, a control plane with the "
                f"same settings would stay at {one.lowest}.",
            )


def _quota(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    if source is None or goal.strategy == "in_place" or snapshot.mesh.runs(goal.revision):
        return
    copies = max(1, source.replicas)
    for quota in snapshot.precheck_inputs.quotas:
        lacking = quota.lacking(copies, source.need, source.limits)
        if lacking:
            yield (
                f"ResourceQuota {source.namespace}/{quota.name}",
                f"It leaves no room for {copies} more pods like those of {source.name}: {', '.join(lacking)}.",
            )


CHECKS = (
    Check("MU019", ERROR, "injector that is not trusted", "The API server calls it in vain: pods are rejected.",
          "see why istiod of its revision does not write its certificate, or remove the webhook", _untrusted, ERROR),
    Check("MU045", WARNING, "istiod cannot grow", "All proxies connect anew during an upgrade.",
          "raise pilot.autoscaleMax, or mend what the autoscaler reports", _scaling, needs=("autoscalers",)),
    Check("MU046", WARNING, "quota without room for a second control plane", "Its pods would be refused.",
          "raise the quota for the time of the upgrade", _quota, needs=("quotas",)),
    Check("MU047", ERROR, "injector without endpoints", "Pods that it selects are rejected, or start without a proxy.",
          "bring istiod of its revision up, or have the Service select its pods", _silent, ERROR, needs=("endpoints",)),
)  # fmt: skip
