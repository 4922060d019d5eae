# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether istiod answers and can scale: certificates, endpoints, autoscalers and quotas."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.common.certificates import expiry_date
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Injector
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _local_injectors(snapshot: Snapshot) -> list[Injector]:
    """Return the active injectors that call an istiod of this cluster."""
    local = snapshot.mesh.local_services
    return [injector for injector in snapshot.mesh.injectors if injector.service in local and not injector.deactivated]


def _find_missing_endpoints(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    ready: dict[tuple[str, str], int] = collections.Counter()
    for endpoints in snapshot.precheck_inputs.endpoints:
        ready[endpoints.service] += endpoints.ready
    for injector in _local_injectors(snapshot):
        namespace, name = injector.service or ("", "")
        # EndpointSlices are read in Istio's own namespace only.
        if namespace == snapshot.mesh.namespace and not ready[namespace, name]:
            yield (
                cluster_object("webhook", injector.name),
                f"It calls Service {namespace}/{name}, which has no ready endpoint.",
            )


def _find_untrusted_webhooks(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.injectors:
        if injector.service is None or injector.deactivated:
            continue
        days = (expiry_date(hook.get("clientConfig", {}).get("caBundle") or "") for hook in injector.webhooks)
        expired = min((day for day in days if day and upgrade.today and day < upgrade.today), default=None)
        webhook = cluster_object("webhook", injector.name)
        if not injector.has_ca_bundle:
            yield webhook, "Its caBundle is empty: istiod has not written its certificate there."
        elif expired:
            yield webhook, f"The certificates of its caBundle expired on {expired}."


def _find_limited_autoscaler(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    for autoscaler in snapshot.precheck_inputs.autoscalers:
        if source is None or not source.deployment or autoscaler.deployment != source.deployment:
            continue
        ref = ObjectRef(source.namespace, "HorizontalPodAutoscaler", autoscaler.name)
        if autoscaler.wants_more:
            yield ref, f"It is at its maximum of {autoscaler.highest} replicas, and would scale up further."
        elif autoscaler.stuck and autoscaler.current > autoscaler.lowest:
            yield (
                ref,
                f"It cannot scale ({autoscaler.stuck}): {source.name} runs {autoscaler.current} replicas, but a "
                f"control plane with the same settings would stay at {autoscaler.lowest}.",
            )


def _find_small_quotas(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    if source is None or upgrade.strategy == "in_place" or snapshot.mesh.runs(upgrade.revision):
        return
    replicas = max(1, source.replicas)
    for quota in snapshot.precheck_inputs.quotas:
        exceeded = quota.lacking(replicas, source.requests, source.limits)
        if exceeded:
            yield (
                ObjectRef(source.namespace, "ResourceQuota", quota.name),
                f"It does not allow {replicas} more pods like those of {source.name}: {', '.join(exceeded)}.",
            )


CHECKS = (
    Check("MU019", ERROR, "injection webhook without a valid CA bundle",
          "The API server cannot verify the webhook, so pods are rejected.",
          "find out why istiod of its revision does not write its certificate, or remove the webhook",
          _find_untrusted_webhooks, ERROR),
    Check("MU045", WARNING, "istiod autoscaler cannot scale up", "All proxies reconnect during an upgrade.",
          "increase pilot.autoscaleMax, or fix the problem that the autoscaler reports", _find_limited_autoscaler,
          needs=("autoscalers",)),
    Check("MU046", WARNING, "quota too small for a second control plane", "Its pods would be rejected.",
          "increase the quota during the upgrade", _find_small_quotas, needs=("quotas",)),
    Check("MU047", ERROR, "injection webhook without endpoints",
          "Pods that it selects are rejected, or start without a sidecar.",
          "make istiod of its revision ready, or fix the Service so that it selects its pods", _find_missing_endpoints,
          ERROR, needs=("endpoints",)),
)  # fmt: skip
