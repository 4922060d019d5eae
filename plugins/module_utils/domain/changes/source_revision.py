# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the revision whose version and settings a run starts from."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import owner_hint
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version


def source_revision(
    snapshot: Snapshot, strategy: str, revision: str, version: Version, preferred: str | None
) -> str | None:
    """Return the revision whose version and settings a run starts from, by strategy.

    Args:
        snapshot: the cluster.
        strategy: ``canary``, ``in_place`` or ``downgrade``.
        revision: the revision that the run installs or replaces.
        version: its Istio version after the run.
        preferred: the source that the user names, or None.

    Raises:
        SafetyError: no revision can be replaced in place, or the source is ambiguous.
    """
    present = snapshot.mesh.revisions.get(revision)
    if strategy == "in_place" and not snapshot.mesh.runs(revision):
        installed = ", ".join(snapshot.mesh.revisions) or "none"
        raise SafetyError(
            f"There is no revision {revision} to upgrade in place; installed are: {installed}."
            f"{owner_hint(snapshot.mesh, revision)}"
        )
    if strategy == "in_place" or (strategy == "downgrade" and present and _is_replaced(snapshot, present, version)):
        return revision
    return canary_source(snapshot, revision, preferred)


def _is_replaced(snapshot: Snapshot, present: Revision, version: Version) -> bool:
    """Return whether a downgrade replaces a revision, instead of leading to it because it has the version already.

    Where it shows no version, it is replaced only if nothing else runs that a downgrade could start from.
    """
    if present.istio_version:
        return not present.istio_version.matches(version)
    return not any(name != present.name and snapshot.mesh.runs(name) for name in snapshot.mesh.revisions)


def canary_source(snapshot: Snapshot, target: str, preferred: str | None) -> str | None:
    """Return the revision that a canary towards ``target`` starts from; None if there is no other revision.

    It is the one other revision that namespaces select; if no namespace does, the default or the only other revision;
    if only the target runs, the revision of which an interrupted removal has left objects.

    Raises:
        SafetyError: namespaces select several revisions, or the preferred one does not exist.
    """
    mesh = snapshot.mesh
    others = sorted(name for name in mesh.revisions if name != target and mesh.runs(name))
    # An interrupted removal may have left only objects that no reading of the mesh shows, such as a validator.
    removed = {*mesh.revisions, mesh.previous_default or target} - {target} if mesh.runs(target) else set()
    if preferred:
        if preferred not in {*mesh.revisions, *removed}:
            installed = ", ".join(others) or "none"
            raise SafetyError(
                f"There is no revision {preferred} to start from; installed are: {installed}."
                f"{owner_hint(mesh, preferred)}"
            )
        return preferred
    selected = [name for name in others if snapshot.namespaces_selecting(name)]
    if len(selected) > 1:
        raise SafetyError(
            f"Namespaces follow several revisions ({', '.join(selected)}); set parameter source_revision "
            "(variable istio_source_revision of the playbook) to the one that is upgraded."
        )
    if selected:
        return selected[0]
    if mesh.default_revision in others:
        return mesh.default_revision
    candidates = others or sorted(removed)
    return candidates[0] if len(candidates) == 1 else None
