# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module namespace_revision: moves namespaces to a revision and restores their previous labels."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    existing_namespaces,
    label_state,
    matching_namespaces,
    plan_moves,
    plan_undos,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import NotRestored
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.label_changes import BY_GIT, BY_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import selected_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.git_moves import (
    moves_in_git,
    wait_for_git,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import (
    MoveResults,
    ask_moves,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.proven_moves import move_proven
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import find_run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import (
    PLANNED_SPEC,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.proven import (
    require_proven,
    warn_unproven,
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
        "skip_missing": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str", "default": []},
        "label_changes": {"type": "str", "choices": [BY_RUN, BY_GIT], "default": BY_RUN},
        "git_timeout": {"type": "int", "default": 1800},
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
    #: Whether namespaces that were deleted meanwhile do not fail the task.
    skip_missing: bool
    #: Codes of findings that do not refuse a move.
    allow: frozenset[str]
    #: Whether another client moves the namespaces, and for how many seconds the task waits for it.
    waits_for_git: bool
    git_timeout: int

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
        if params["git_timeout"] < 0:
            raise ParameterError("Parameter git_timeout: it is a number of seconds, 0 or more.")
        return cls(
            namespaces=tuple(params["namespaces"]),
            revision=str(params["revision"] or ""),
            restored=params["state"] == "restored",
            enroll=params["enroll"],
            run_id=params["run_id"],
            skip_missing=params["skip_missing"],
            allow=frozenset(params["allow"]),
            waits_for_git=params["label_changes"] == BY_GIT,
            git_timeout=params["git_timeout"],
        )


class NotRestoredRow(t.TypedDict):
    """A namespace that keeps its labels although the run changed them."""

    namespace: str
    message: str
    failed: bool


class NotMovedRow(t.TypedDict):
    """A namespace that was not moved, and the reason."""

    namespace: str
    message: str


class NamespaceMoveValues(t.TypedDict):
    """The return values."""

    moved: list[str]
    revision: str | None
    not_moved: list[NotMovedRow]
    not_restored: list[NotRestoredRow]
    missing: list[str]
    waited_for: list[str]


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
    """Move the namespaces to a revision; one that is refused does not prevent the others from being moved.

    The API server is asked by dry runs before the first write, also in check mode.
    """
    snapshot = planned_snapshot(task, pods=False)
    present, left_out = existing_namespaces(snapshot, options.namespaces, skip_missing=options.skip_missing)
    moves = plan_moves(snapshot, present, options.revision, enroll=options.enroll, cluster=task.client.connection.label)
    revision = snapshot.mesh.resolve(options.revision)
    if options.waits_for_git:
        moves = moves_in_git(snapshot, moves, revision)
    doubt = require_proven(task, snapshot, revision) if moves and revision else ""
    warnings = configuration_loss.require_moves_keep_configuration(
        task, snapshot, moves, revision, undo=False, allow=options.allow
    )
    if options.waits_for_git:
        warn_unproven(task, str(revision), doubt)
        return _wait(task, options, snapshot, moves, revision, warnings, left_out)
    refused = ask_moves(task.client, moves)
    moves = [move for move in moves if move.namespace not in refused]
    if task.check_mode:
        warn_unproven(task, str(revision), doubt)
    elif moves:
        refused |= _execute(task, moves, str(revision), doubt).refused
    moves = [move for move in moves if move.namespace not in refused]
    warnings += [f"Namespace {name} is left out: {reason}." for name, reason in left_out.items()]
    result = _result(moves, revision, {}, warnings, refused=refused, missing=left_out)
    if refused:
        result.failed = _refusal(task, moves, refused)
    return result


def _wait(
    task: TaskContext,
    options: NamespaceMoveOptions,
    snapshot: Snapshot,
    moves: list[NamespaceMove],
    revision: str | None,
    warnings: list[str],
    left_out: Mapping[str, str],
) -> TaskResult:
    """Wait until another client has moved the namespaces; the task itself writes nothing."""
    waited = wait_for_git(task, snapshot, moves, revision, options.git_timeout)
    missing = {**left_out, **waited.deleted}
    warnings += [f"Namespace {name} is left out: {reason}." for name, reason in missing.items()]
    result = _result(waited.moved, revision, {}, warnings, refused=waited.not_moved, missing=missing)
    result.values["waited_for"] = [move.namespace for move in moves]
    # Nothing was changed by this task.
    result.actions, result.before, result.after = [], None, None
    if waited.not_moved:
        result.failed = _refusal(task, waited.moved, waited.not_moved)
    return result


def _refusal(task: TaskContext, moves: list[NamespaceMove], refused: Mapping[str, str]) -> str:
    """Return the message of a task that could not move all of its namespaces."""
    reasons = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in sorted(refused.items()))
    others = f"The others were moved: {', '.join(move.namespace for move in moves)}" if moves else "Nothing was moved"
    return (
        f"Namespaces on cluster {task.client.connection.label} were not moved: {reasons}. {others}. Fix the cause or "
        "exclude these namespaces, and run again."
    )


def _restore(task: TaskContext, options: NamespaceMoveOptions) -> TaskResult:
    """Restore the labels that the namespaces had before a run."""
    snapshot = planned_snapshot(task, pods=False)
    # A namespace that was deleted since it was listed does not prevent the others from being restored.
    patterns, missing = existing_namespaces(snapshot, options.namespaces, skip_missing=True)
    names = matching_namespaces(snapshot, patterns, task.client.connection.label)
    moves, kept = plan_undos(snapshot, names, *find_run_to_undo(task, options.run_id))
    kept |= _not_ready(task, snapshot, moves)
    moves = [move for move in moves if move.namespace not in kept]
    warnings = configuration_loss.require_moves_keep_configuration(
        task, snapshot, moves, None, undo=True, allow=options.allow
    )
    if moves and not task.check_mode:
        refused = _execute(task, moves).refused
        kept |= {name: NotRestored(reason, failed=True) for name, reason in refused.items()}
        moves = [move for move in moves if move.namespace not in refused]
    warnings += [f"Namespace {name} is left out: {reason}." for name, reason in missing.items()]
    return _result(moves, None, kept, warnings, missing=missing)


def _not_ready(task: TaskContext, snapshot: Snapshot, moves: list[NamespaceMove]) -> dict[str, NotRestored]:
    """Return the namespaces whose previous revision is not ready for workloads (safety rule S3), with the reason."""
    revisions = {m.namespace: snapshot.mesh.resolve(name) for m in moves if (name := selected_name(m.after))}
    problems: dict[str, str] = {}
    for revision in sorted(set(filter(None, revisions.values()))):
        try:
            warn_unproven(task, revision, require_proven(task, snapshot, revision))
        except ProofError as exc:
            problems[revision] = exc.message
    return {name: NotRestored(problems[to], failed=True) for name, to in revisions.items() if to in problems}


def _execute(task: TaskContext, moves: list[NamespaceMove], revision: str = "", doubt: str = "") -> MoveResults:
    """Report and send the moves, with a doubt about the revision one after another until one proves it."""
    for move in moves:
        task.progress(str(move))
    return move_proven(task, moves, revision, doubt)


def _result(
    moves: list[NamespaceMove],
    revision: str | None,
    kept: Mapping[str, NotRestored],
    warnings: Sequence[str],
    *,
    missing: Iterable[str],
    refused: Mapping[str, str] | None = None,
) -> TaskResult:
    values: NamespaceMoveValues = {
        "moved": [move.namespace for move in moves],
        "revision": revision,
        "not_moved": [
            {"namespace": name, "message": f"Namespace {name}: {reason}"}
            for name, reason in sorted((refused or {}).items())
        ],
        "missing": [*missing],
        "waited_for": [],
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


CORE = ModuleCore("namespace_revision", SPEC, run, check)
