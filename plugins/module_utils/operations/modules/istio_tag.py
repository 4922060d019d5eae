# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_tag: create, move and remove revision tags."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Collection, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import plan_tag_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import (
    namespaces_selecting_tag,
    workloads_following_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_plan import (
    plan_tag_step,
    tag_is_settled,
    target_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import require_writable
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import describe_owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import (
    expected_targets,
    owner_targets,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Journal, NotRestored, Undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.run_ids import find_run_to_undo
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.tag_settings import (
    require_settings_kept,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.tags import change_tag
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
        "name": {"type": "str", "required": True},
        "revision": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "istioctl": {"type": "str", "default": "istioctl"},
        "version": {"type": "str"},
        "run_id": {"type": "str"},
        "allow": {"type": "list", "elements": "str", "default": []},
        "allow_setting_changes": {"type": "list", "elements": "str", "default": []},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("revision",)),),
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class TagOptions:
    """The options of istio_tag."""

    name: str
    #: The revision to point at; None unless the state is present.
    revision: str | None
    state: str
    run_id: str | None
    #: Codes of findings that do not refuse a move.
    allow: frozenset[str]
    #: Settings of the webhooks of the tag that may get lost.
    allow_setting_changes: tuple[str, ...]

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> TagOptions:
        """Return the options of a task."""
        return cls(
            name=params["name"],
            revision=params["revision"],
            state=params["state"],
            run_id=params["run_id"],
            allow=frozenset(params["allow"]),
            allow_setting_changes=tuple(params["allow_setting_changes"]),
        )


class WorkloadRow(t.TypedDict):
    """One owner of pods that follow the tag by their own labels."""

    namespace: str
    kind: str
    name: str


class NotRestoredRow(t.TypedDict):
    """Why a tag keeps its revision although a run moved it."""

    reason: str
    failed: bool


class TagValues(t.TypedDict):
    """The return values of istio_tag."""

    tag: str
    revision: str | None
    namespaces: list[str]
    workloads: list[WorkloadRow]
    not_restored: NotRestoredRow | None
    lost_settings: dict[str, list[t.Any]]


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse invalid names and codes before any request."""
    for option in ("name", "revision"):
        value = params.get(option)
        if value and not _NAME.fullmatch(value):
            raise ParameterError(
                f"Parameter {option}: {value!r} is not a valid DNS label (lower case letters, digits and -)."
            )
    require_known_codes(params["allow"])


def run(task: TaskContext) -> TaskResult:
    """Create, move, fix, remove or restore the tag, and prove it by reading it back."""
    options = TagOptions.from_params(task.params)
    name = options.name
    snapshot = planned_snapshot(task, pods=False)
    undo = (
        plan_tag_undo(snapshot.mesh, name, *find_run_to_undo(task, options.run_id))
        if options.state == "restored"
        else None
    )
    revision = target_revision(snapshot.mesh, name, options.state, options.revision, undo)
    values: TagValues = {
        "tag": name,
        "revision": revision,
        "namespaces": namespaces_selecting_tag(snapshot, name),
        "workloads": [],
        "not_restored": {"reason": undo.reason, "failed": undo.failed} if isinstance(undo, NotRestored) else None,
        "lost_settings": {},
    }
    if isinstance(undo, NotRestored):
        return TaskResult(values={**values}, warnings=[f"Tag {name} stays at {revision}: {undo.reason}."])
    if tag_is_settled(snapshot.mesh, name, revision):
        return TaskResult(values={**values}, warnings=_warn_of_other_mesh(snapshot.mesh, name, revision))
    return _change(task, options, revision, values, undo.journal if isinstance(undo, Undo) else None)


def _change(
    task: TaskContext, options: TagOptions, revision: str | None, values: TagValues, undone: Journal | None
) -> TaskResult:
    """Plan the step that the tag needs, refuse it if it would do harm, and carry it out.

    Args:
        task: the task.
        options: its options.
        revision: the revision that the tag has to point at, None to remove it.
        values: the return values; those about the step are filled in.
        undone: the journal of the tag after an undo, else None.
    """
    name, snapshot = options.name, planned_snapshot(task, pods=True)
    mesh = snapshot.mesh
    workloads = workloads_following_tag(snapshot, name)
    step = plan_tag_step(snapshot, name, revision, workloads)
    if step is None:
        return TaskResult(values={**values})
    injector = mesh.injector_of_tag(name)
    if injector is not None:
        require_writable(injector.manager, f"Tag {name} on cluster {task.client.connection.label}", "move it there")
    if revision:
        warn_unproven(task, revision, require_proven(task, snapshot, revision))
    affected = {*values["namespaces"], *(ref.namespace for ref in workloads)}
    warnings = _require_configuration_kept(task, options, mesh, revision, affected)
    lost, resets = require_settings_kept(
        task, mesh, name, revision, allowed=options.allow_setting_changes, undo=options.state == "restored"
    )
    warnings += resets
    values["lost_settings"] = {setting.name: list(setting.pair) for setting in lost}
    values["workloads"] = [{"namespace": ref.namespace, "kind": ref.kind, "name": ref.name} for ref in workloads]
    if not task.check_mode:
        task.progress(step)
        change_tag(task, mesh, name, revision, undone)
    before: Json
    after: Json
    before, after = (
        {"tag": name, **targets} for targets in (owner_targets(mesh, name), expected_targets(mesh, name, revision))
    )
    for setting in lost:
        before[setting.name], after[setting.name] = setting.pair
    return TaskResult(actions=[step], before=before, after=after, values={**values}, warnings=warnings)


def _warn_of_other_mesh(mesh: Mesh, name: str, revision: str | None) -> list[str]:
    """Return a warning if a tag that is absent in this mesh belongs to another one, which is left alone."""
    owner = next((injector for injector in mesh.foreign_injectors if injector.tag == name), None)
    if revision is not None or owner is None:
        return []
    return [
        f"Tag {name} belongs to another mesh and stays: {describe_owner(owner)}. To remove it there, run with "
        f"istio_namespace={owner.home}."
    ]


def _require_configuration_kept(
    task: TaskContext, options: TagOptions, mesh: Mesh, revision: str | None, namespaces: Collection[str]
) -> list[str]:
    """Refuse a move by which configuration stops applying to followers of the tag; a restored tag only warns."""
    current = mesh.tags.get(options.name)
    if options.name == DEFAULT and current is None:
        current = mesh.default_revision
    if revision is None or current in (None, revision) or not namespaces:
        return []
    undo = options.state == "restored"
    return configuration_loss.require_configuration_kept(
        task, mesh, {str(current): namespaces}, revision, undo=undo, allow=options.allow
    )


CORE = ModuleCore("istio_tag", SPEC, run, check)
