# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of injection: labels, webhooks and the owners of the default."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import dangling_name, overlapping
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.default_tag import default_problem
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECTION_LABEL,
    REVISION_LABEL,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

DATAPLANE_MODE = "istio.io/dataplane-mode"


def _dangling(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        name = dangling_name(snapshot.mesh, namespace.labels)
        if name is not None:
            yield f"namespace {namespace.name}", f"Its label asks for {name!r}, which no injector owns."


def _orphans(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.orphans():
        service = "/".join(injector.service or ())
        yield cluster_object("webhook", injector.name), f"It calls Service {service}, which does not exist."


def _orphan_validators(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for name, service in snapshot.mesh.orphan_validators.items():
        yield cluster_object("validator", name), f"It calls Service {service}, which does not exist."


def _default_split(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    problem = default_problem(snapshot.mesh)
    if problem:
        yield "tag default", f"The owners of the default disagree: {problem}."


def _parked_default(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.injectors:
        if injector.deactivated and DEFAULT not in snapshot.mesh.tags:
            yield f"webhook {injector.name}", "It is parked behind tag default, but there is no tag default."


def _rejected(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    seen = {
        pod.namespace: found.injection.rejected for pod, found in snapshot.proxy_statuses if found.injection.rejected
    }
    for namespace, reason in sorted(seen.items()):
        yield f"namespace {namespace}", f"New pods are rejected: {reason}."


def _overlapping(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        callers = overlapping(snapshot.mesh, namespace.labels)
        if callers:
            names = ", ".join(f"{i.name} (revision {i.revision})" for i in callers)
            yield (
                cluster_object("namespace", namespace.name),
                f"Several injectors match its pods, the last one wins: {names}.",
            )


def _several_labels(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for namespace in snapshot.namespaces.values():
        labels = namespace.labels
        asked = [f"{key}={labels[key]}" for key in (INJECTION_LABEL, REVISION_LABEL) if key in labels]
        if labels.get(DATAPLANE_MODE) == "ambient" and asked:
            asked.append(f"{DATAPLANE_MODE}=ambient")
        if len(asked) > 1:
            got = snapshot.injection_of(namespace.name).revision
            wins = f"its pods get revision {got}" if got else "its pods get no sidecar"
            yield cluster_object("namespace", namespace.name), f"It has {' and '.join(asked)}: {wins}."


def _unreadable(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for revision in snapshot.mesh.revisions.values():
        for name, why in revision.unreadable.items():
            yield (
                f"ConfigMap {revision.namespace}/{name}",
                f"What revision {revision.name} injects, or was installed with, is not known: {why}.",
            )


CHECKS = (
    Check("MU010", ERROR, "dangling label", "Pods of this namespace start without a proxy, silently.",
          "label the namespace with a revision or tag that exists", _dangling, ERROR),
    Check("MU011", ERROR, "orphan webhook", "Every pod that it selects is rejected.",
          "remove the tag or install the revision again", _orphans, ERROR),
    Check("MU012", WARNING, "owners of the default disagree", "Injection and validation follow different revisions.",
          "move the tag default with istio_tag", _default_split, WARNING),
    Check("MU013", ERROR, "default parked without a tag", "istio-injection=enabled injects nothing.",
          "create the tag default with istio_tag", _parked_default, ERROR),
    Check("MU014", ERROR, "pods rejected", "A restart there would take the workload down.",
          "mend or remove the webhook that rejects", _rejected, ERROR),
    Check("MU015", ERROR, "orphan validator", "Every write of the Istio configuration that it checks is rejected.",
          "move the tag default with istio_tag, or remove the revision with istio_revision state=absent",
          _orphan_validators, ERROR),
    Check("MU016", WARNING, "overlapping injectors", "Which revision a pod gets depends on the names of webhooks.",
          "remove or narrow one of them", _overlapping, WARNING),
    Check("MU017", WARNING, "several injection labels", "istio-injection hides istio.io/rev (IST0123).",
          "keep one of the labels; namespace_revision changes both at once", _several_labels, WARNING),
    Check("MU018", ERROR, "unreadable configuration", "istiod reads it too, and which image is right cannot be judged.",
          "install the revision again, or write the ConfigMap back as its installer made it", _unreadable, ERROR),
)  # fmt: skip
