# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether the revision label of a workload's pods selects its revision, and whether it can be changed.

Source of which labels count: the selectors of the webhooks rev.object and object, which match pods only in a namespace
without such a label (istio/istio manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml).
"""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import relabelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import describe_label
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionResult,
    PodShape,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECT_LABEL,
    REVISION_LABEL,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import ROLLOUT
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    Unrestartable,
    unrestartable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload


def selects_revision(snapshot: Snapshot, workload: Workload, source: str | None) -> bool:
    """Return whether labels of a workload's pods select its revision, or an earlier run moved it.

    With a source revision this holds only if the pods select that revision, or did before the last move.
    """
    labels = workload.template_labels
    if workload.component or workload.host_network or labels.get(INJECT_LABEL) == "false":
        return False
    if not workload.journal.changes:
        injection = injection_with_label(snapshot, workload, labels.get(REVISION_LABEL))
        if not {REVISION_LABEL, INJECT_LABEL} & set(labels) or not (injection.revision or injection.rejected):
            return False
    selected = {
        labels.get(REVISION_LABEL),
        *(change.before.get(REVISION_LABEL) for change in workload.journal.changes[-1:]),
    }
    return source is None or source in {snapshot.mesh.resolve(DEFAULT if name is None else name) for name in selected}


def injection_with_label(snapshot: Snapshot, workload: Workload, label: str | None) -> InjectionResult:
    """Return the injection result for pods of a workload with another revision label, or with none."""
    labels = relabelled(workload.template_labels, label)
    namespace = snapshot.namespaces[workload.namespace]
    shape = PodShape(labels, workload.template_annotations, workload.host_network)
    return resolve(snapshot.mesh, namespace.name, namespace.labels, shape)


def unmovable(workload: Workload) -> Unrestartable | None:
    """Return why the label of a workload's pods cannot be changed, or would not replace them, or None."""
    if workload.kind == ROLLOUT:
        return Unrestartable(
            "argo_rollout",
            "a change of its pod template is an update of the Argo Rollout with separate steps",
            f"change label {REVISION_LABEL} of its pods in the source of the Rollout, and promote the update",
        )
    if workload.journal.unreadable:
        return Unrestartable(
            "unreadable",
            f"its annotation {workload.journal.unreadable[0]} cannot be read, so the previous label of its pods is "
            "lost",
            "remove that annotation, and set the label that its pods should have",
        )
    expressions = workload.selector.get("matchExpressions") or ()
    if REVISION_LABEL in (workload.selector.get("matchLabels") or {}) or any(
        term.get("key") == REVISION_LABEL for term in expressions
    ):
        return Unrestartable(
            "selector",
            f"its selector requires label {REVISION_LABEL} of its pods, and a selector cannot be changed",
            f"create it again with a selector without {REVISION_LABEL}",
        )
    return unrestartable(workload)


def undo_loss(snapshot: Snapshot, workload: Workload, undo: Undo) -> str:
    """Return why new pods of a workload would lose their proxy if its move is undone, or an empty string."""
    return proxy_loss(snapshot, workload, undo.state.get(REVISION_LABEL))


def proxy_loss(snapshot: Snapshot, workload: Workload, label: str | None) -> str:
    """Return why new pods of a workload would lose their proxy with a label, or an empty string."""
    injection = injection_with_label(snapshot, workload, label)
    if injection.revision is not None:
        return ""
    reason = injection.rejected or injection.reason
    return f"with {describe_label(label)} new pods of {workload} would get no proxy, because {reason}"
