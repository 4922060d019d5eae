# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module namespace_revision: moves namespaces between revisions, and back."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, ProofError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    Move,
    both,
    move,
    require_owner,
    undos,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import leaving
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Kept
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.limits import expand_namespaces, is_pattern
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import kept_configuration
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import (
    Moved,
    apply_moves,
    put_back,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.undone_run import undone_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import (
    PLANNED_SPEC,
    is_planned,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "revision": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        "enroll": {"type": "bool", "default": False},
        "run_id": {"type": "str"},
        "allow": {"type": "list", "elements": "str", "default": []},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("revision",)),),
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse names that can never be right, before any request."""
    for name in params["namespaces"]:
        if name in IGNORED_NAMESPACES:
            raise ParameterError(f"Parameter namespaces: Istio never injects into the system namespace {name}.")
    require_known_codes(params["allow"])


def moves(snapshot: Snapshot, names: list[str], target: str, *, enroll: bool, cluster: str = "") -> list[Move]:
    """Return the moves that bring the namespaces to a revision or tag.

    Raises:
        ParameterError: a namespace does not exist.
        SafetyError: the target is owned by no injector, or a namespace is not in the mesh.
    """
    found = [snapshot.namespaces[name] for name in named_in(snapshot, names, cluster)]
    require_owner(snapshot.mesh, target)
    # a pattern means those that are in the mesh, where only these may be moved
    lost = [] if enroll else [n.name for n in found if n.revision_label is None]
    outside = [name for name in lost if name in names]
    found = [namespace for namespace in found if namespace.name not in lost]
    if outside:
        raise SafetyError(
            f"Namespaces {', '.join(outside)} are not in the mesh (no {INJECTION_LABEL}=enabled, no "
            "istio.io/rev, or opted out); "
            "moving them would inject their next pods. Set enroll=true if that is meant."
        )
    return [step for step in (move(namespace, target) for namespace in found) if step]


def named_in(snapshot: Snapshot, names: list[str], cluster: str) -> list[str]:
    """Return the namespaces that names and patterns mean.

    Raises:
        ParameterError: a namespace does not exist, or a pattern means none.
    """
    return expand_namespaces("namespaces", names, set(snapshot.namespaces) - IGNORED_NAMESPACES, cluster)


def run(task: TaskContext) -> TaskResult:
    """Move the namespaces and return what was moved."""
    return _restore(task) if task.params["state"] == "restored" else _move(task)


def _move(task: TaskContext) -> TaskResult:
    """Move all of the namespaces to a revision, or none of them."""
    target = str(task.params["revision"])
    snapshot = planned_snapshot(task, pods=False)
    label = task.client.connection.label
    steps = moves(snapshot, task.params["namespaces"], target, enroll=task.params["enroll"], cluster=label)
    revision = snapshot.mesh.resolve(target)
    if steps and revision and not is_planned(task, revision):
        readiness.require(task.client, snapshot.mesh, snapshot.namespaces, revision)
    warnings = _kept(task, snapshot, steps, revision)
    if steps and not task.check_mode:
        moved = _carry_out(task, steps)
        if moved.refused:
            _undo_half(task, steps, moved)
    return _outcome(steps, revision, {}, warnings)


def _restore(task: TaskContext) -> TaskResult:
    """Give the namespaces back what they had before a run."""
    snapshot = planned_snapshot(task, pods=False)
    given = task.params["namespaces"]
    # what was deleted since somebody listed it keeps no other namespace from going back
    gone = [name for name in given if not is_pattern(name) and name not in snapshot.namespaces]
    names = named_in(snapshot, [name for name in given if name not in gone], task.client.connection.label)
    steps, kept = undos(snapshot, names, *undone_run(task))
    kept |= _unproven(task, snapshot, steps)
    steps = [step for step in steps if step.namespace not in kept]
    warnings = _kept(task, snapshot, steps, None)
    if steps and not task.check_mode:
        refused = _carry_out(task, steps).refused
        kept |= {name: Kept(why, failed=True) for name, why in refused.items()}
        steps = [step for step in steps if step.namespace not in refused]
    outcome = _outcome(steps, None, kept, [*warnings, *(f"Namespace {name} is not there." for name in gone)])
    outcome.values["missing"] = gone
    return outcome


def _unproven(task: TaskContext, snapshot: Snapshot, steps: list[Move]) -> dict[str, Kept]:
    """Return the namespaces whose revision from before is not proven to take workloads (safety rule S3), and why."""
    leads = {step.namespace: snapshot.mesh.resolve(name) for step in steps if (name := selected_name(step.after))}
    problems: dict[str, str] = {}
    for revision in sorted(set(filter(None, leads.values()))):
        try:
            readiness.require(task.client, snapshot.mesh, snapshot.namespaces, revision)
        except ProofError as exc:
            problems[revision] = exc.message
    return {name: Kept(problems[to], failed=True) for name, to in leads.items() if to in problems}


def _carry_out(task: TaskContext, steps: list[Move]) -> Moved:
    for step in steps:
        task.progress(str(step))
    return apply_moves(task, steps)


def _undo_half(task: TaskContext, steps: list[Move], moved: Moved) -> None:
    """A wave of which a part is refused does not move: what had moved goes back."""
    back = put_back(task, steps, moved)
    stay = sorted(set(moved.namespaces) - set(back.namespaces))
    rest = f"moved and not put back: {'; '.join(f'{n}: {back.refused[n]}' for n in stay)}" if stay else "none has moved"
    raise SafetyError(
        f"Namespaces on cluster {task.client.connection.label} were not moved: "
        f"{'; '.join(f'{name}: {why}' for name, why in sorted(moved.refused.items()))}. Of the others {rest}; "
        "mend the cause or leave these namespaces out, and run again.",
        {"refused": moved.refused, "restored": sorted(back.namespaces), "moved": stay},
    )


def _outcome(steps: list[Move], revision: str | None, kept: Mapping[str, Kept], warnings: Iterable[str]) -> TaskResult:
    return TaskResult(
        actions=[str(step) for step in steps],
        before={step.namespace: both(step.before) for step in steps},
        after={step.namespace: both(step.after) for step in steps},
        values={
            "moved": [step.namespace for step in steps],
            "revision": revision,
            "not_restored": [
                {"namespace": name, "message": f"Namespace {name}: {one.why}", "failed": one.failed}
                for name, one in sorted(kept.items())
            ],
        },
        warnings=[*warnings, *(f"Namespace {name} keeps its labels: {one.why}." for name, one in sorted(kept.items()))],
    )


def _kept(task: TaskContext, snapshot: Snapshot, steps: list[Move], revision: str | None) -> list[str]:
    """Refuse, or on the way back warn of, configuration that would stop to apply to the namespaces."""
    mesh, by_target = snapshot.mesh, collections.defaultdict(list)
    for step in steps:
        # on the way back each namespace has a target of its own
        name = selected_name(step.after)
        by_target[revision or (mesh.resolve(name) if name else None)].append(step.namespace)
    back = task.params["state"] == "restored"
    return [
        warning
        for target, names in by_target.items()
        for warning in kept_configuration.require_kept(
            task, mesh, leaving(snapshot, names, target), target or "no revision", back=back
        )
    ]


CORE = ModuleCore("namespace_revision", SPEC, run, check)
