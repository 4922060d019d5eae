# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module namespace_revision: moves namespaces to a revision and restores their previous labels."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, ProofError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    label_state,
    matching_namespaces,
    plan_moves,
    plan_undos,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import namespaces_leaving
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import NotRestored
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import is_pattern
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import (
    MoveResults,
    apply_moves,
    restore_moved,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import find_run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import (
    PLANNED_SPEC,
    is_only_planned,
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


@dataclasses.dataclass(frozen=True)
class NamespaceMoveOptions:
    """The options of one task."""

    #: Names and patterns of namespaces.
    namespaces: tuple[str, ...]
    #: The revision or tag to move to; empty if the state is restored.
    revision: str
    restored: bool
    enroll: bool
    run_id: str | None
    #: Codes of findings that do not refuse a move.
    allow: frozenset[str]

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> NamespaceMoveOptions:
        """Return the typed options.

        Raises:
            ParameterError: a namespace or a code is never valid.
        """
        for name in params["namespaces"]:
            if name in IGNORED_NAMESPACES:
                raise ParameterError(f"Parameter namespaces: Istio never injects into the system namespace {name}.")
        require_known_codes(params["allow"])
        return cls(
            namespaces=tuple(params["namespaces"]),
            revision=str(params["revision"] or ""),
            restored=params["state"] == "restored",
            enroll=params["enroll"],
            run_id=params["run_id"],
            allow=frozenset(params["allow"]),
        )


class NotRestoredRow(t.TypedDict):
    """A namespace that keeps its labels although the run changed them."""

    namespace: str
    message: str
    failed: bool


class NamespaceMoveValues(t.TypedDict, total=False):
    """The return values; ``missing`` only with restored."""

    moved: list[str]
    revision: str | None
    not_restored: list[NotRestoredRow]
    missing: list[str]


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse names and codes that are never valid, before any request.

    Raises:
        ParameterError: a namespace or a code is never valid.
    """
    NamespaceMoveOptions.from_params(params)


def run(task: TaskContext) -> TaskResult:
    """Move the namespaces, or restore their labels, and return the moves."""
    options = NamespaceMoveOptions.from_params(task.params)
    return _restore(task, options) if options.restored else _move(task, options)


def _move(task: TaskContext, options: NamespaceMoveOptions) -> TaskResult:
    """Move all of the namespaces to a revision, or none of them."""
    snapshot = planned_snapshot(task, pods=False)
    moves = plan_moves(
        snapshot, options.namespaces, options.revision, enroll=options.enroll, cluster=task.client.connection.label
    )
    revision = snapshot.mesh.resolve(options.revision)
    if moves and revision and not is_only_planned(task, revision):
        readiness.require_ready(task.client, snapshot.mesh, snapshot.namespaces, revision)
    warnings = _require_configuration_kept(task, options, snapshot, moves, revision)
    if moves and not task.check_mode:
        results = _execute(task, moves)
        if results.refused:
            _restore_moved(task, moves, results)
    return _result(moves, revision, {}, warnings)


def _restore(task: TaskContext, options: NamespaceMoveOptions) -> TaskResult:
    """Restore the labels that the namespaces had before a run."""
    snapshot = planned_snapshot(task, pods=False)
    # A namespace that was deleted since it was listed does not prevent the others from being restored.
    missing = [name for name in options.namespaces if not is_pattern(name) and name not in snapshot.namespaces]
    patterns = [name for name in options.namespaces if name not in missing]
    names = matching_namespaces(snapshot, patterns, task.client.connection.label)
    moves, kept = plan_undos(snapshot, names, *find_run_to_undo(task, options.run_id))
    kept |= _not_ready(task, snapshot, moves)
    moves = [move for move in moves if move.namespace not in kept]
    warnings = _require_configuration_kept(task, options, snapshot, moves, None)
    if moves and not task.check_mode:
        refused = _execute(task, moves).refused
        kept |= {name: NotRestored(reason, failed=True) for name, reason in refused.items()}
        moves = [move for move in moves if move.namespace not in refused]
    warnings += [f"Namespace {name} does not exist." for name in missing]
    result = _result(moves, None, kept, warnings)
    result.values["missing"] = missing
    return result


def _not_ready(task: TaskContext, snapshot: Snapshot, moves: list[NamespaceMove]) -> dict[str, NotRestored]:
    """Return the namespaces whose previous revision is not ready for workloads (safety rule S3), with the reason."""
    revisions = {m.namespace: snapshot.mesh.resolve(name) for m in moves if (name := selected_name(m.after))}
    problems: dict[str, str] = {}
    for revision in sorted(set(filter(None, revisions.values()))):
        try:
            readiness.require_ready(task.client, snapshot.mesh, snapshot.namespaces, revision)
        except ProofError as exc:
            problems[revision] = exc.message
    return {name: NotRestored(problems[to], failed=True) for name, to in revisions.items() if to in problems}


def _execute(task: TaskContext, moves: list[NamespaceMove]) -> MoveResults:
    """Report and send the moves."""
    for move in moves:
        task.progress(str(move))
    return apply_moves(task, moves)


def _restore_moved(task: TaskContext, moves: list[NamespaceMove], results: MoveResults) -> None:
    """Restore the namespaces of a wave that were moved although others were refused, and fail.

    Raises:
        SafetyError: always, with the namespaces of each kind.
    """
    restored = restore_moved(task, moves, results)
    moved = sorted(set(results.namespaces) - set(restored.namespaces))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(results.refused.items()))
    rest = "; ".join(f"{name}: {restored.refused[name]}" for name in moved)
    others = f"These were moved and could not be restored: {rest}" if moved else "No other namespace is moved"
    raise SafetyError(
        f"Namespaces on cluster {task.client.connection.label} were not moved: {reasons}. {others}. Fix the cause or "
        "exclude these namespaces, and run again.",
        {"refused": results.refused, "restored": sorted(restored.namespaces), "moved": moved},
    )


def _result(
    moves: list[NamespaceMove], revision: str | None, kept: Mapping[str, NotRestored], warnings: Sequence[str]
) -> TaskResult:
    values: NamespaceMoveValues = {
        "moved": [move.namespace for move in moves],
        "revision": revision,
        "not_restored": [
            {"namespace": name, "message": f"Namespace {name}: {undo.reason}", "failed": undo.failed}
            for name, undo in sorted(kept.items())
        ],
    }
    return TaskResult(
        actions=[str(move) for move in moves],
        before={move.namespace: label_state(move.before) for move in moves},
        after={move.namespace: label_state(move.after) for move in moves},
        values={**values},
        warnings=[
            *warnings,
            *(f"Namespace {name} keeps its labels: {undo.reason}." for name, undo in sorted(kept.items())),
        ],
    )


def _require_configuration_kept(
    task: TaskContext,
    options: NamespaceMoveOptions,
    snapshot: Snapshot,
    moves: list[NamespaceMove],
    revision: str | None,
) -> list[str]:
    """Refuse, or for an undo warn of, configuration that would stop applying to the namespaces.

    Args:
        task: the task that moves.
        options: its options.
        snapshot: the cluster before the moves.
        moves: the moves.
        revision: the common target, None for an undo, where each namespace has its own target.
    """
    by_target = collections.defaultdict(list)
    for move in moves:
        name = selected_name(move.after)
        by_target[revision or (snapshot.mesh.resolve(name) if name else None)].append(move.namespace)
    return [
        warning
        for target, names in by_target.items()
        for warning in configuration_loss.require_configuration_kept(
            task,
            snapshot.mesh,
            namespaces_leaving(snapshot, names, target),
            target or "no revision",
            undo=options.restored,
            allow=options.allow,
        )
    ]


CORE = ModuleCore("namespace_revision", SPEC, run, check)
