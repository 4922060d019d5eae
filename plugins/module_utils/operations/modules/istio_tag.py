# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_tag: creates, moves and removes revision tags."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Collection, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    IstioctlError,
    NotFoundError,
    ParameterError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import tag_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import followers, users
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.default_tag import disagreements, owners, wanted
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import require_writable
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, DEFAULT_VALIDATOR, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, Journal, Kept, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import kept_configuration
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.undone_run import undone_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
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
        "name": {"type": "str", "required": True},
        "revision": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "istioctl": {"type": "str", "default": "istioctl"},
        "version": {"type": "str"},
        "run_id": {"type": "str"},
        "allow": {"type": "list", "elements": "str", "default": []},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("revision",)),),
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse names that can never be right, before any request."""
    for option in ("name", "revision"):
        value = params.get(option)
        if value and not _NAME.fullmatch(value):
            raise ParameterError(f"Parameter {option}: {value!r} is no DNS label (lower case letters, digits and -).")
    require_known_codes(params["allow"])


def plan(snapshot: Snapshot, name: str, revision: str | None, followed_by: Iterable[ObjectRef]) -> str | None:
    """Return the step that is needed, as a sentence, or None; ``revision`` None means that the tag has to go.

    Raises:
        SafetyError: the step would break something that works.
    """
    mesh, current = snapshot.mesh, snapshot.mesh.tags.get(name)
    if settled(mesh, name, revision):
        return None
    asking = users(snapshot, name)
    following = [str(ObjectRef(space, kind, what)) for space, kind, what in followed_by]
    if revision is not None:
        _refuse_namesakes(mesh, name, revision)
    if revision is None:
        if current and (asking or following):
            using = some([*(f"namespace {namespace}" for namespace in asking), *following], between="; ")
            raise SafetyError(f"Tag {name} is in use by {using}; move what follows it first.")
        if name == DEFAULT and DEFAULT in mesh.revisions:
            raise SafetyError(
                "Tag default cannot be removed while the control plane without a revision is installed: its webhook is "
                "parked behind the tag, so that nothing would inject. Move the tag with istio_tag revision=..., or "
                "remove that control plane first: istio_revision revision=default state=absent."
            )
        left = ", ".join(f"{what} {where}" for what, where in owners(mesh, name).items() if where)
        return f"remove tag {name} (pointed at {current})" if current else f"remove what is left of tag {name} ({left})"
    if name != DEFAULT and name in mesh.revisions:
        raise SafetyError(
            f"Tag {name} would have the name of a revision: both would inject every pod that asks for it."
        )
    if revision not in mesh.revisions:
        known = ", ".join(sorted(mesh.revisions)) or "none"
        raise SafetyError(f"Tag {name} cannot point at {revision}: there is no such revision. Installed are: {known}.")
    who = "; ".join(
        f"{how} {', '.join(names)}" for how, names in (("namespaces", asking), ("by own labels", following)) if names
    )
    who = f" ({who})" if who else ""
    if current == revision:
        return f"mend tag {name} -> {revision}: {', '.join(disagreements(mesh, name, revision))}{who}"
    return (f"move tag {name}: {current} -> {revision}" if current else f"create tag {name} -> {revision}") + who


def _refuse_namesakes(mesh: Mesh, name: str, revision: str) -> None:
    """Refuse what istioctl would do to another mesh: it knows tags and revisions by name alone (istioctl/pkg/tag)."""
    for injector in mesh.foreign:
        same_revision = injector.revision == revision and not injector.tag
        if same_revision or injector.tag == name or (name == DEFAULT and injector.owns == DEFAULT):
            what = f"tag {injector.tag}" if injector.tag else f"revision {injector.revision}"
            raise SafetyError(
                f"Tag {name} is not set: the mesh of namespace {injector.home} has a {what} too ({injector.name}), and "
                "istioctl cannot tell them apart. Give one of them another name."
            )


def settled(mesh: Mesh, name: str, revision: str | None) -> bool:
    """Return whether all owners of a tag lead where it should; a validator may be there without a tag (Helm)."""
    if revision is None:
        return name not in mesh.tags and name not in mesh.tag_services
    return not disagreements(mesh, name, revision)


def _prove_done(mesh: Mesh, name: str, revision: str | None) -> None:
    """Trust the API, not istioctl's exit code."""
    wrong = disagreements(mesh, name, revision)
    if wrong:
        aim = f"at {revision}" if revision else "gone"
        raise IstioctlError(f"istioctl reported success, but tag {name} is not {aim} as a whole: {', '.join(wrong)}.")


def target(params: Mapping[str, t.Any], mesh: Mesh, back: Undo | Kept | None) -> str | None:
    """Return where the tag has to point: where it was asked to, where it pointed before a run, or nowhere."""
    if params["state"] == "restored":
        return back.state[TARGET] if isinstance(back, Undo) else mesh.tags.get(params["name"])
    return str(params["revision"]) if params["state"] == "present" else None


def run(task: TaskContext) -> TaskResult:
    """Create, move, mend, remove or restore the tag and prove it by reading it back."""
    name, state = task.params["name"], task.params["state"]
    snapshot = planned_snapshot(task, pods=False)
    back = tag_undo(snapshot.mesh, name, *undone_run(task)) if state == "restored" else None
    revision = target(task.params, snapshot.mesh, back)
    values = {
        "tag": name,
        "revision": revision,
        "namespaces": users(snapshot, name),
        "workloads": [],
        "not_restored": {"reason": back.why, "failed": back.failed} if isinstance(back, Kept) else None,
    }
    if settled(snapshot.mesh, name, revision) or isinstance(back, Kept):
        kept = [f"Tag {name} stays at {revision}: {back.why}."] if isinstance(back, Kept) else []
        return TaskResult(values=values, warnings=kept)
    snapshot = planned_snapshot(task, pods=True)
    mesh = snapshot.mesh
    followed_by = followers(snapshot, name)
    step = plan(snapshot, name, revision, followed_by)
    if step is None:
        return TaskResult(values=values)
    own = mesh.injector_of_tag(name)
    if own is not None:
        require_writable(own.manager, f"Tag {name} on cluster {task.client.connection.label}", "move it there")
    if revision and not is_planned(task, revision):
        readiness.require(task.client, mesh, snapshot.namespaces, revision)
    warnings = _kept(task, mesh, name, revision, {*values["namespaces"], *(space for space, *dummy in followed_by)})
    values["workloads"] = [{"namespace": space, "kind": kind, "name": what} for space, kind, what in followed_by]
    if not task.check_mode:
        task.progress(step)
        _carry_out(task, mesh, name, revision, back.journal if isinstance(back, Undo) else None)
    before, after = ({"tag": name, **found} for found in (owners(mesh, name), wanted(mesh, name, revision)))
    return TaskResult(actions=[step], before=before, after=after, values=values, warnings=warnings)


def _kept(task: TaskContext, mesh: Mesh, name: str, revision: str | None, namespaces: Collection[str]) -> list[str]:
    """Refuse, or on the way back warn of, configuration that would stop to apply to what follows the tag."""
    current = mesh.tags.get(name)
    if name == DEFAULT and current is None:
        current = mesh.default_revision
    if revision is None or current in (None, revision) or not namespaces:
        return []
    back = task.params["state"] == "restored"
    return kept_configuration.require_kept(task, mesh, {str(current): namespaces}, revision, back=back)


def _carry_out(task: TaskContext, mesh: Mesh, name: str, revision: str | None, undone: Journal | None) -> None:
    ctl = task.istioctl(mesh, revision or mesh.tags.get(name), *mesh.revisions)
    if revision is None:
        _remove(task, ctl, mesh, name)
        _prove_done(fetch_mesh(task.client, task.istio_namespace), name, revision)
        return
    journal = undone or _journal(task, mesh, name, revision)
    if undone is None:
        # before the tag moves, so that a killed run leaves no change that nobody remembers
        _remember(task, mesh, name, journal)
    task.about_to_write()
    ctl.run("tag set", name, flags=["--revision", revision, "--overwrite", "--skip-confirmation"])
    if mesh.tag_services.get(name) not in (None, revision):
        # an istioctl before 1.28 knows no Service and leaves it where it was
        _drop_service(task, name, unless=revision)
    moved = fetch_mesh(task.client, task.istio_namespace)
    _prove_done(moved, name, revision)
    _remember(task, moved, name, journal)


def _journal(task: TaskContext, mesh: Mesh, name: str, revision: str) -> Journal:
    """Return the journal of a tag once it points at a revision; a new tag has no past, and what is gone is none."""
    own = mesh.injector_of_tag(name)
    past = mesh.tags.get(name) or (mesh.default_revision if name == DEFAULT else None)
    journal = own.journal if own else Journal()
    if past == revision:
        return journal
    if past not in mesh.revisions:
        return Journal(raw=journal.raw)
    return journal.with_change(task.begin_change(), {TARGET: past}, {TARGET: revision})


def _remove(task: TaskContext, ctl: Istioctl, mesh: Mesh, name: str) -> None:
    """The validator goes first: istioctl before 1.31 leaves it, and then nothing would say whose it was."""
    if name == DEFAULT and mesh.default_validator:
        _delete(task, "ValidatingWebhookConfiguration", DEFAULT_VALIDATOR)
    own = mesh.injector_of_tag(name)
    if any(injector.tag == name for injector in mesh.foreign):
        # istioctl would remove the tag of the other mesh too
        if own is not None:
            _delete(task, "MutatingWebhookConfiguration", own.name)
    else:
        task.about_to_write()
        ctl.run("tag remove", name, flags=["--skip-confirmation"])
    _drop_service(task, name)


def _drop_service(task: TaskContext, name: str, unless: str | None = None) -> None:
    left = fetch_mesh(task.client, task.istio_namespace).tag_services.get(name)
    if left not in (None, unless):
        _delete(task, "Service", f"istiod-revision-tag-{name}")


def _delete(task: TaskContext, kind: str, name: str) -> None:
    path = object_path(kind, task.istio_namespace, name)
    with contextlib.suppress(NotFoundError):
        task.client.request("DELETE", path, doing=f"Deleting {kind} {name}")


def _remember(task: TaskContext, mesh: Mesh, name: str, journal: Journal) -> None:
    """Keep on the tag itself, once it is there, which run moved it and from where."""
    own = mesh.injector_of_tag(name)
    if own and own.journal.annotations != journal.annotations:
        path, patch = f"{ADMISSION}/mutatingwebhookconfigurations/{own.name}", {"annotations": journal.annotations}
        task.client.merge(path, {"metadata": patch}, doing=f"Remembering where tag {name} points")


CORE = ModuleCore("istio_tag", SPEC, run, check)
