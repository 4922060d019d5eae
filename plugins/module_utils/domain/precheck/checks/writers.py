# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check for other writers of a control plane, which would take back the changes of a run."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import (
    is_operator_deployment,
    of_control_plane,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _running_operators(snapshot: Snapshot) -> list[ObjectRef]:
    return sorted(
        workload.ref
        for workload in snapshot.workloads.values()
        if workload.kind == "Deployment"
        and workload.replicas
        and is_operator_deployment(workload.name, workload.template_labels)
    )


def _find_kept_control_planes(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    running = _running_operators(snapshot)
    for operator in of_control_plane(snapshot.precheck_inputs.operators, snapshot.mesh.namespace):
        if running and not operator.ignored:
            tag = f" with the image tag {operator.tag}" if operator.tag else ""
            yield (
                operator.ref,
                f"The in-cluster operator ({running[0]}) keeps the control plane as {operator.ref} describes it{tag}.",
            )
    written = snapshot.mesh.revisions.get(upgrade.revision)
    if written and written.manager.is_operator and upgrade.installer in (HELM, ISTIOCTL):
        yield (
            ObjectRef(written.namespace, "Deployment", written.deployment),
            f"{written.manager} keeps revision {written.name}, so that {upgrade.installer} cannot install it.",
        )


def _find_leftover_operators(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    running = _running_operators(snapshot)
    for operator in of_control_plane(snapshot.precheck_inputs.operators, snapshot.mesh.namespace):
        if running and not operator.ignored:
            continue
        finalizers = f"; its finalizer {', '.join(operator.finalizers)} keeps it from being deleted"
        yield operator.ref, f"No operator keeps it{finalizers if operator.finalizers else ''}."


def _find_pending_releases(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    managers = [revision.manager for revision in snapshot.mesh.revisions.values()]
    managers += snapshot.crd_managers.values()
    names = {manager.name for manager in managers if manager.kind == HELM}
    for release in snapshot.precheck_inputs.pending_releases:
        if release.name in names:
            yield (
                ObjectRef(snapshot.mesh.namespace, "Release", release.name),
                f"Its revision {release.revision} is {release.status}: another helm works on it, or was killed.",
            )


def _find_other_autoscalers(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    """Find autoscalers of istiod that its charts did not install; those have the name of the Deployment."""
    target, source = snapshot.mesh.revisions.get(upgrade.revision), snapshot.mesh.revisions.get(upgrade.source or "")
    for autoscaler in snapshot.precheck_inputs.autoscalers:
        if autoscaler.name == autoscaler.deployment:
            continue
        ref = ObjectRef(snapshot.mesh.namespace, "HorizontalPodAutoscaler", autoscaler.name)
        owner = f"It belongs to {autoscaler.owner.kind} {autoscaler.owner.name}. " if autoscaler.owner else ""
        if target and target.deployment and autoscaler.deployment == target.deployment:
            yield (
                ref,
                f"{owner}It sets the replicas of Deployment {target.deployment}, now {target.replicas}, and so does "
                "the installation. Until it scales again, istiod may run with fewer.",
            )
        elif source and source.deployment and autoscaler.deployment == source.deployment and source.replicas > 1:
            yield (
                ref,
                f"{owner}It scales only Deployment {source.deployment}, now to {source.replicas} replicas. Nothing "
                f"scales the control plane of revision {upgrade.revision} like that.",
            )


def _find_evicting_autoscalers(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    target = snapshot.mesh.revisions.get(upgrade.revision)
    istiod = ObjectRef(target.namespace, "Deployment", target.deployment) if target and target.deployment else None
    owners = (snapshot.workload_of(pod) for pod, dummy in snapshot.proxy_statuses if pod.is_meshed)
    with_proxy = {workload.ref for workload in owners if workload}
    for autoscaler in snapshot.precheck_inputs.vertical_autoscalers:
        ref = autoscaler.target
        is_istiod = ref == istiod
        if not autoscaler.evicts or not (is_istiod or (ref in with_proxy and upgrade.limits.allows(ref.namespace))):
            continue
        replicas = target.replicas if is_istiod and target else snapshot.workloads[ref].replicas
        # The updater evicts nothing of a workload with fewer replicas.
        if replicas >= autoscaler.fewest:
            yield autoscaler.ref, f"In mode {autoscaler.mode} it may evict pods of {ref} at any time."


CHECKS = (
    Check("MU130", ERROR, "control plane kept by an operator",
          "The operator restores its own version. After the injector configuration has changed, that istiod rejects "
          "every new pod.",
          "remove or upgrade the operator first; or let it install the revision, with istio_installer=external",
          _find_kept_control_planes, WARNING, ("operators",)),
    Check("MU131", WARNING, "IstioOperator without an operator",
          "It describes a control plane that nothing keeps. An operator that is installed again would restore it.",
          "delete it; if a finalizer keeps it, remove the finalizer first", _find_leftover_operators, None,
          ("operators",)),
    Check("MU134", WARNING, "Helm release in progress",
          "Helm refuses a second upgrade. The run waits for the first one, then stops, unless its own helm was killed.",
          "wait until the other helm has ended, or end the pending state with helm rollback", _find_pending_releases,
          None, ("pending_releases",)),
    Check("MU138", WARNING, "autoscaler that evicts pods",
          "Its evictions are not part of a batch. A pod that it evicts gets the proxy of the target before its turn, "
          "and is down in addition to those that a batch takes down.",
          "set its updateMode to Initial or Off until the upgrade has ended", _find_evicting_autoscalers, None,
          ("vertical_autoscalers",)),
    Check("MU139", WARNING, "istiod scaled by another autoscaler",
          "All proxies reconnect during an upgrade, so that istiod needs its replicas.",
          "let Istio's own autoscaler do it (pilot.autoscaleEnabled, autoscaleMin and autoscaleMax), or set "
          "pilot.replicaCount to the number that is needed", _find_other_autoscalers, None, ("autoscalers",)),
)  # fmt: skip
