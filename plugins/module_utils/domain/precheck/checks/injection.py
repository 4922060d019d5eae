# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check injection: namespace labels, webhooks and the default revision."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    dangling_name,
    overlapping_injectors,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import default_problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

DATAPLANE_MODE = "istio.io/dataplane-mode"


def _find_dangling_labels(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        name = dangling_name(snapshot.mesh, namespace.labels)
        if name is not None:
            yield (
                cluster_object("namespace", namespace.name),
                f"Its label selects {name!r}, but no injection webhook has this revision or tag.",
            )


def _find_orphaned_webhooks(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.orphans():
        service = "/".join(injector.service or ())
        yield cluster_object("webhook", injector.name), f"It calls Service {service}, which does not exist."


def _find_orphaned_validators(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, service in snapshot.mesh.orphan_validators.items():
        yield cluster_object("validator", name), f"It calls Service {service}, which does not exist."


def _find_inconsistent_default(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    problem = default_problem(snapshot.mesh)
    if problem:
        yield cluster_object("tag", "default"), f"The owners of the default revision disagree: {problem}."


def _find_inactive_default(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.injectors:
        if injector.deactivated and DEFAULT not in snapshot.mesh.tags:
            yield (
                cluster_object("webhook", injector.name),
                "It is deactivated in favor of tag default, but tag default does not exist.",
            )


def _find_rejected_pods(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    reasons = {
        pod.namespace: status.injection.rejected
        for pod, status in snapshot.proxy_statuses
        if status.injection.rejected and not status.injection.must_ask
    }
    for namespace, reason in sorted(reasons.items()):
        yield cluster_object("namespace", namespace), f"New pods are rejected: {reason}."


def _find_overlapping_webhooks(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        injectors = overlapping_injectors(snapshot.mesh, namespace.labels)
        if injectors:
            names = ", ".join(f"{injector.name} (revision {injector.revision})" for injector in injectors)
            yield (
                cluster_object("namespace", namespace.name),
                f"Several injection webhooks match its pods: {names}. The injection by {injectors[-1].name} remains.",
            )


def _find_conflicting_labels(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        labels = namespace.labels
        conflicting = [f"{key}={labels[key]}" for key in (INJECTION_LABEL, REVISION_LABEL) if key in labels]
        if labels.get(DATAPLANE_MODE) == "ambient" and conflicting:
            conflicting.append(f"{DATAPLANE_MODE}=ambient")
        if len(conflicting) > 1:
            revision = snapshot.injection_of(namespace.name).revision
            effect = f"its pods get revision {revision}" if revision else "its pods get no sidecar"
            yield cluster_object("namespace", namespace.name), f"It has {' and '.join(conflicting)}: {effect}."


def _find_dangling_templates(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    """Find the owners of pods without a proxy whose label names a revision that no injector owns."""
    reasons: dict[ObjectRef, str] = {}
    for workload in snapshot.workloads.values():
        if workload.namespace in snapshot.namespaces and not workload.replicas:
            injection = snapshot.injection_of(workload.namespace, workload.template_labels)
            if injection.code is InjectionReason.DANGLING_POD_LABEL:
                reasons[workload.ref] = injection.reason
    for pod, status in snapshot.proxy_statuses:
        if status.injection.code is InjectionReason.DANGLING_POD_LABEL and not pod.proxy_image:
            reasons[snapshot.owner_ref(pod)] = status.injection.reason
    for ref, reason in sorted(reasons.items()):
        yield ref, f"Its pods are in no mesh, because {reason}."


def _find_unreadable_config_maps(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for revision in snapshot.mesh.revisions.values():
        for name, problem in revision.unreadable.items():
            yield (
                ObjectRef(revision.namespace, "ConfigMap", name),
                f"The injector configuration or the installed values of revision {revision.name} are unknown: "
                f"{problem}.",
            )


CHECKS = (
    Check("MU010", ERROR, "dangling injection label",
          "Pods of this namespace start without a sidecar, and without an error.",
          "label the namespace with a revision or tag that exists", _find_dangling_labels, ERROR),
    Check("MU133", WARNING, "dangling label of pods",
          "Their label counts, as their namespace has none: they start without a sidecar, and without an error.",
          "change label istio.io/rev in the pod template to a revision or tag that exists, or remove it",
          _find_dangling_templates, WARNING),
    Check("MU011", ERROR, "orphaned injection webhook", "The API server rejects every pod that it selects.",
          "remove the tag, or install the revision again", _find_orphaned_webhooks, ERROR),
    Check("MU012", WARNING, "inconsistent default revision", "Injection and validation use different revisions.",
          "move the tag default with istio_tag", _find_inconsistent_default, WARNING),
    Check("MU013", ERROR, "default injector deactivated without tag default",
          "istio-injection=enabled injects nothing.", "create the tag default with istio_tag", _find_inactive_default,
          ERROR),
    Check("MU014", ERROR, "new pods rejected", "A restart would take the workload down.",
          "fix or remove the webhook that rejects them", _find_rejected_pods, ERROR),
    Check("MU015", ERROR, "orphaned validation webhook",
          "The API server rejects every write of Istio configuration that it validates.",
          "move the tag default with istio_tag, or remove the revision with istio_revision state=absent",
          _find_orphaned_validators, ERROR),
    Check("MU016", WARNING, "overlapping injection webhooks",
          "The revision that a pod gets depends on the names and the reinvocationPolicy of the webhooks.",
          "remove or narrow one of them",
          _find_overlapping_webhooks, WARNING),
    Check("MU017", WARNING, "conflicting injection labels",
          "istio-injection takes precedence over istio.io/rev (IST0123).",
          "keep one of the labels; namespace_revision changes both in one step", _find_conflicting_labels, WARNING),
    Check("MU018", ERROR, "unreadable configuration of a revision",
          "istiod reads it too, and the correct proxy image cannot be determined.",
          "install the revision again, or restore the ConfigMap as its installer wrote it",
          _find_unreadable_config_maps, ERROR),
)  # fmt: skip
