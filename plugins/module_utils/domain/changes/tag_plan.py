# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the step that creates, moves, fixes or removes a revision tag, and refuse a step that would break workloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import namespaces_selecting_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import owner_hint, tag_refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import (
    owner_targets,
    owners_off_target,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, NotRestored, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def target_revision(
    mesh: Mesh, name: str, state: str, revision: str | None, undo: Undo | NotRestored | None
) -> str | None:
    """Return the revision that a tag has to point at, None to remove the tag.

    Args:
        state: option ``state``; ``restored`` takes the revision of ``undo``, or keeps the present one without it.
    """
    if state == "restored":
        return undo.state[TARGET] if isinstance(undo, Undo) else mesh.tags.get(name)
    return revision if state == "present" else None


def tag_is_settled(mesh: Mesh, name: str, revision: str | None) -> bool:
    """Return whether all owners of a tag point at a revision, or are removed without one.

    A validator may exist without a tag (Helm).
    """
    if revision is None:
        return name not in mesh.tags and name not in mesh.tag_services
    return not owners_off_target(mesh, name, revision)


def plan_tag_step(snapshot: Snapshot, name: str, revision: str | None, followers: Iterable[ObjectRef]) -> str | None:
    """Return the step that brings a tag to a revision, as a sentence, or None; without a revision the tag is removed.

    Args:
        followers: owners of pods that follow the tag by their own labels.

    Raises:
        SafetyError: the step would break workloads.
    """
    mesh = snapshot.mesh
    if tag_is_settled(mesh, name, revision):
        return None
    namespaces, workloads = namespaces_selecting_tag(snapshot, name), [str(ref) for ref in followers]
    if revision is None:
        return _plan_removal(mesh, name, namespaces, workloads)
    _refuse_same_name_in_other_mesh(mesh, name, revision)
    return _plan_move(mesh, name, revision, namespaces, workloads)


def _plan_removal(mesh: Mesh, name: str, namespaces: Sequence[str], workloads: Sequence[str]) -> str:
    current = mesh.tags.get(name)
    if current and (namespaces or workloads):
        listed = join_limited([*(f"namespace {namespace}" for namespace in namespaces), *workloads], between="; ")
        raise SafetyError(f"Tag {name} is in use by {listed}; move these to another tag or revision first.")
    if name == DEFAULT and DEFAULT in mesh.revisions:
        raise SafetyError(
            "Tag default cannot be removed while the control plane without a revision is installed: its webhook is "
            "deactivated as long as the tag exists, so no webhook would inject. Move the tag with istio_tag "
            "revision=..., or remove that control plane first: istio_revision revision=default state=absent."
        )
    left = ", ".join(f"{owner} {target}" for owner, target in owner_targets(mesh, name).items() if target)
    return f"remove tag {name} (pointed at {current})" if current else f"remove what is left of tag {name} ({left})"


def _plan_move(mesh: Mesh, name: str, revision: str, namespaces: Sequence[str], workloads: Sequence[str]) -> str:
    current = mesh.tags.get(name)
    if name != DEFAULT and name in mesh.revisions:
        raise SafetyError(f"Tag {name} would have the name of a revision: both would inject every pod that selects it.")
    if revision not in mesh.revisions:
        installed = ", ".join(sorted(mesh.revisions)) or "none"
        raise SafetyError(
            f"Tag {name} cannot point at {revision}: there is no such revision. Installed are: {installed}."
            f"{owner_hint(mesh, revision)}"
        )
    groups = (("namespaces", namespaces), ("workloads", workloads))
    affected = "; ".join(f"{group} {', '.join(names)}" for group, names in groups if names)
    suffix = f" ({affected})" if affected else ""
    if current == revision:
        return f"fix tag {name} -> {revision}: {', '.join(owners_off_target(mesh, name, revision))}{suffix}"
    step = f"move tag {name}: {current} -> {revision}" if current else f"create tag {name} -> {revision}"
    return step + suffix


def _refuse_same_name_in_other_mesh(mesh: Mesh, name: str, revision: str) -> None:
    """Refuse a step by which istioctl would change another mesh: it matches by name only (istioctl/pkg/tag).

    Raises:
        SafetyError: another mesh has a tag or a revision of the same name.
    """
    if reason := tag_refusal(mesh, name, revision):
        raise SafetyError(f"Tag {name} is not set: {reason}")
