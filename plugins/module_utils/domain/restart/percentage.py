# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A share of the workloads that choose their revision by the labels of their own pods.

Whose labels count: the selectors of the webhooks rev.object and object, which ask for a namespace without a label of
its own (istio/istio manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml).
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import require_owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import relabelled, with_labels
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import (
    Choice,
    label_patch,
    label_words,
    workload_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionResult,
    PodShape,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECT_LABEL,
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Kept, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Stuck
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    ROLLOUT,
    Unrestartable,
    Workload,
    unrestartable,
)

#: Codes of what does not go back: it was changed since, or what it would go back to is gone.
KEPT, GONE = "changed_since", "previous_revision_gone"


@dataclasses.dataclass(frozen=True)
class Share:
    """How many percent of the workloads of each namespace are to ask for a revision or tag.

    With a source only those count that ask for it, or asked for it before they were moved; with a run, none percent
    undoes what that run moved.
    """

    percent: int
    revision: str = ""
    source: str | None = None
    run: str | None = None
    led_to: str = ""


def read_share(params: Mapping[str, t.Any]) -> Share | None:
    """Return the share that the options ask for, or None.

    Raises:
        ParameterError: the options do not go together.
    """
    percent, revision, source = (params[name] for name in ("percent", "revision", "source_revision"))
    if params["run_id"] and percent is not None and percent > 0:
        raise ParameterError("Parameter run_id goes with percent=0, which undoes what that run moved.")
    if percent is None:
        alone = next((name for name in ("revision", "source_revision") if params[name] is not None), None)
        if alone:
            raise ParameterError(f"Parameter {alone} goes with percent, the share of workloads that it is about.")
        return None
    if not 0 <= percent <= 100:
        raise ParameterError(f"Parameter percent: {percent} is not a number from 0 to 100.")
    if percent and not revision:
        raise ParameterError("Parameter revision is missing: percent says how many workloads are to ask for it.")
    return Share(percent, revision or "", source, params["run_id"])


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a share comes to: the cluster as it will be, what changes for that, and what cannot.

    ``about`` is all that may be restarted: the share, what leaves it, and what was begun; None where there is no share.
    ``begun`` are the workloads whose move, or way back, an earlier task began: with the patch that takes a move back.
    """

    snapshot: Snapshot
    about: frozenset[ObjectRef] | None = None
    choices: Mapping[ObjectRef, Choice] = dataclasses.field(default_factory=dict)
    begun: Mapping[ObjectRef, dict[str, t.Any] | None] = dataclasses.field(default_factory=dict)
    stuck: list[Stuck] = dataclasses.field(default_factory=list)
    rows: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)

    def all_stuck(self, others: list[Stuck]) -> list[Stuck]:
        """Return what cannot be moved with what cannot be restarted; what is both for one reason only once."""
        own = {(one.namespace, one.kind, one.name, one.why.code) for one in self.stuck}
        return [*self.stuck, *(o for o in others if (o.namespace, o.kind, o.name, o.why.code) not in own)]


def plan(snapshot: Snapshot, selection: Selection, share: Share | None) -> Plan:
    """Return what has to change so that the share of the selected workloads asks for the revision.

    Raises:
        SafetyError: a namespace chooses for its pods, or a workload would lose its proxy.
    """
    if share is None:
        return Plan(snapshot)
    _refuse_labelled(snapshot, selection)
    if share.percent:
        require_owner(snapshot.mesh, share.revision)
    found = [w for w in snapshot.workloads.values() if selection.selects(w) and chooses(snapshot, w, share)]
    fixed = {w: why for w in found if (why := unmovable(w) or snapshot.unrestartable(w))}
    movable = [workload for workload in found if workload not in fixed]
    asking = chosen(movable, share.percent)
    made = (_choice(snapshot.mesh, workload, share, asks=workload.ref in asking) for workload in movable)
    choices = {choice.workload.ref: choice for choice in made if choice}
    kept = [] if share.percent else _kept(snapshot, movable, choices, share)
    choices = {key: choice for key, choice in choices.items() if key not in {one.ref for one, dummy in kept}}
    _refuse_loss(snapshot, choices.values())
    begun = _begun(snapshot, [workload for workload in movable if workload.ref not in choices])
    labels = {
        w.ref: choices[w.ref].after if w.ref in choices else w.template_labels.get(REVISION_LABEL) for w in movable
    }
    return Plan(
        with_labels(snapshot, labels),
        frozenset({*asking, *choices, *begun}),
        choices,
        begun,
        [
            *(_stuck(snapshot, one, why) for one, why in kept),
            *(
                _stuck(snapshot, w, why)
                for w, why in fixed.items()
                if share.percent or w.journal.unreadable or _was_moved(snapshot.mesh, w, share)
            ),
        ],
        _rows(movable, asking),
    )


def _refuse_labelled(snapshot: Snapshot, selection: Selection) -> None:
    for name in selection.namespaces:
        labels = snapshot.namespaces[name].labels
        key = next((key for key in (INJECTION_LABEL, REVISION_LABEL) if key in labels), None)
        if key is not None:
            raise SafetyError(
                f"Nothing was restarted: namespace {name} chooses for its pods by label {key}={labels[key]}, so that "
                "labels of their own count for nothing and no share of them can be moved. Move it as a whole with "
                "namespace_revision, or leave it out."
            )


def chooses(snapshot: Snapshot, workload: Workload, share: Share) -> bool:
    """Return whether the pods of a workload are in the mesh by labels of their own, or it was moved before."""
    labels = workload.template_labels
    if workload.component or workload.host_network or labels.get(INJECT_LABEL) == "false":
        return False
    if not workload.journal.changes:
        injection = _injection_of(snapshot, workload, labels.get(REVISION_LABEL))
        if not {REVISION_LABEL, INJECT_LABEL} & set(labels) or not (injection.revision or injection.rejected):
            return False
    asked = {
        labels.get(REVISION_LABEL),
        *(change.before.get(REVISION_LABEL) for change in workload.journal.changes[-1:]),
    }
    return share.source is None or share.source in {
        snapshot.mesh.resolve(DEFAULT if name is None else name) for name in asked
    }


def _was_moved(mesh: Mesh, workload: Workload, share: Share) -> bool:
    return isinstance(workload_undo(workload, share.run, mesh, share.led_to), Undo)


def _injection_of(snapshot: Snapshot, workload: Workload, label: str | None) -> InjectionResult:
    """Return what pods of a workload would get with another label."""
    labels = relabelled(workload.template_labels, label)
    namespace = snapshot.namespaces[workload.namespace]
    shape = PodShape(labels, workload.template_annotations, workload.host_network)
    return resolve(snapshot.mesh, namespace.name, namespace.labels, shape)


def unmovable(workload: Workload) -> Unrestartable | None:
    """Return why the label of a workload's pods cannot be changed, or would not replace them, or None."""
    if workload.kind == ROLLOUT:
        return Unrestartable(
            "argo_rollout",
            "a change of its pod template is an update of the Argo Rollout with steps of its own",
            f"change the label {REVISION_LABEL} of its pods where the Rollout is kept, and promote the update",
        )
    if workload.journal.unreadable:
        return Unrestartable(
            "unreadable",
            f"its annotation {workload.journal.unreadable[0]} cannot be read, so what its pods asked for is lost",
            "remove that annotation, and give its pods the label that they should have",
        )
    expressions = workload.selector.get("matchExpressions") or ()
    if REVISION_LABEL in (workload.selector.get("matchLabels") or {}) or any(
        one.get("key") == REVISION_LABEL for one in expressions
    ):
        return Unrestartable(
            "selector",
            f"its selector asks for label {REVISION_LABEL} of its pods, and nobody can change a selector",
            f"create it again with a selector without {REVISION_LABEL}",
        )
    return unrestartable(workload)


def chosen(workloads: Iterable[Workload], percent: int) -> set[ObjectRef]:
    """Return the share of each namespace that is moved: those with the lowest hashes, rounded up; gateways last.

    A larger share has all of a smaller one, and each run and each cluster has the same.
    """
    groups: dict[str, list[Workload]] = collections.defaultdict(list)
    for workload in workloads:
        groups[workload.namespace].append(workload)
    found = set()
    for group in groups.values():
        count = -(-len(group) * percent // 100)
        found |= {workload.ref for workload in sorted(group, key=_place)[:count]}
    return found


def _place(workload: Workload) -> tuple[bool, str]:
    name = f"{workload.namespace}/{workload.kind}/{workload.name}"
    return (workload.gateway, hashlib.sha256(name.encode()).hexdigest())


def _choice(mesh: Mesh, workload: Workload, share: Share, *, asks: bool) -> Choice | None:
    """Return what changes at a workload so that it asks for the revision, or again for what it asked for before.

    Who leaves the share of a revision goes back, not who was moved to another one, such as by the last upgrade.
    """
    before = workload.template_labels.get(REVISION_LABEL)
    if asks:
        return None if before == share.revision else Choice(workload, before, share.revision)
    back = workload_undo(workload, share.run, mesh, share.led_to)
    if isinstance(back, Undo) and share.revision in ("", before):
        return Choice(workload, before, back.state.get(REVISION_LABEL), back.journal)
    return None


def _kept(
    snapshot: Snapshot, workloads: Iterable[Workload], choices: Mapping[ObjectRef, Choice], share: Share
) -> list[tuple[Workload, Unrestartable]]:
    """Return the workloads that do not go back, each with the reason: none of them keeps another from going."""
    found = []
    for workload in workloads:
        back = workload_undo(workload, share.run, snapshot.mesh, share.led_to)
        lost = loss(snapshot, workload, back) if workload.ref in choices and isinstance(back, Undo) else ""
        if isinstance(back, Kept):
            found.append((workload, Unrestartable(KEPT, back.why, "move it yourself if it is to go back")))
        elif lost:
            remedy = "install that revision again, or move it to another one"
            found.append((workload, Unrestartable(GONE, lost, remedy)))
    return found


def loss(snapshot: Snapshot, workload: Workload, back: Undo) -> str:
    """Return how the new pods of a workload would lose their proxy on the way back, or an empty text."""
    return _loss(snapshot, workload, back.state.get(REVISION_LABEL))


def _loss(snapshot: Snapshot, workload: Workload, label: str | None) -> str:
    injection = _injection_of(snapshot, workload, label)
    if injection.revision is not None:
        return ""
    why = injection.rejected or injection.reason
    return f"with {label_words(label)} new pods of {workload} would get no proxy, because {why}"


def _refuse_loss(snapshot: Snapshot, choices: Iterable[Choice]) -> None:
    lost = next(filter(None, (_loss(snapshot, one.workload, one.after) for one in choices)), "")
    if lost:
        raise SafetyError(f"Nothing was restarted: {lost}.")


def _begun(snapshot: Snapshot, workloads: Iterable[Workload]) -> dict[ObjectRef, dict[str, t.Any] | None]:
    """Return the workloads whose pods do not have the label of their template yet: they are on their way out.

    Whoever gave the template back what it asked for before left no trace, so that is not taken back.
    """
    wanted = {workload.ref: workload for workload in workloads if not workload.stalled}
    found: dict[ObjectRef, dict[str, t.Any] | None] = {}
    for pod, dummy in snapshot.proxy_statuses:
        owner = snapshot.workload_of(pod)
        if (
            owner
            and owner.ref in wanted
            and pod.labels.get(REVISION_LABEL) != owner.template_labels.get(REVISION_LABEL)
        ):
            found[owner.ref] = None
            back = workload_undo(owner, None, snapshot.mesh)
            if isinstance(back, Undo):
                found[owner.ref] = label_patch(owner, back.state.get(REVISION_LABEL), back.journal.annotations)
    return found


def _stuck(snapshot: Snapshot, workload: Workload, why: Unrestartable) -> Stuck:
    pods = sum(snapshot.workload_of(pod) is workload for pod, dummy in snapshot.proxy_statuses)
    return Stuck(workload.namespace, workload.kind, workload.name, pods, why)


def _rows(workloads: Iterable[Workload], asking: Iterable[ObjectRef]) -> list[dict[str, t.Any]]:
    """Return, for each namespace, how many workloads choose for themselves and which of them the share is."""
    groups: dict[str, list[Workload]] = collections.defaultdict(list)
    for workload in sorted(workloads, key=lambda found: found.ref):
        groups[workload.namespace].append(workload)
    mine = set(asking)
    return [
        {"namespace": name, "workloads": len(group), "asking": [str(w) for w in group if w.ref in mine]}
        for name, group in groups.items()
    ]
