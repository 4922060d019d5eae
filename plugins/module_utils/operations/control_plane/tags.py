# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move or remove a revision tag by istioctl, and prove the result by reading it back."""

from __future__ import annotations

import contextlib

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import ADMISSION
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import IstioctlError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, DEFAULT_VALIDATOR, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import (
    injector_behind,
    owners_off_target,
    stray_hooks,
    tag_service,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, Journal
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.tag_settings import set_flags
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def change_tag(task: TaskContext, mesh: Mesh, name: str, revision: str | None, undone: Journal | None) -> None:
    """Point a tag at a revision, or remove it without one, and prove the result.

    Args:
        undone: the journal of the tag after a change is undone; None to add this change to the journal.

    Raises:
        IstioctlError: istioctl failed, or did not change every owner of the tag.
    """
    ctl = task.istioctl(mesh, revision or mesh.tags.get(name), *mesh.revisions)
    if revision is None:
        _remove(task, ctl, mesh, name)
        _require_changed(fetch_mesh(task.client, task.istio_namespace), name, revision)
        return
    journal = undone or _next_journal(task, mesh, name, revision)
    if undone is None:
        # Written before the tag moves, so that a killed run leaves no change without a journal entry.
        _write_journal(task, mesh, name, journal)
    task.about_to_write()
    ctl.run("tag set", name, flags=set_flags(mesh, name, revision))
    if mesh.tag_services.get(name) not in (None, revision):
        # An istioctl before 1.28 does not know the Service and leaves it on the former revision.
        _delete_service(task, name, unless=revision)
    moved = _redirect_stray_hooks(task, fetch_mesh(task.client, task.istio_namespace), name, revision)
    _require_changed(moved, name, revision)
    _require_hooks_kept(mesh, moved, name)
    _write_journal(task, moved, name, journal)


def _require_changed(mesh: Mesh, name: str, revision: str | None) -> None:
    """Check the owners of a tag in the API, not the exit code of istioctl."""
    wrong = owners_off_target(mesh, name, revision)
    if wrong:
        expected = f"does not completely point at {revision}" if revision else "is not completely removed"
        raise IstioctlError(f"istioctl reported success, but tag {name} {expected}: {', '.join(wrong)}.")


def _require_hooks_kept(before: Mesh, after: Mesh, name: str) -> None:
    """Check that each webhook that injected followers of the tag before still does.

    Raises:
        IstioctlError: one is missing, so that its pods would start without a proxy.
    """
    former, injector = injector_behind(before, name), after.injector_of_tag(name)
    missing = former.hook_names - injector.hook_names if former and injector else frozenset()
    if missing:
        raise IstioctlError(
            f"istioctl reported success, but tag {name} lost {', '.join(sorted(missing))}: pods that it injected now "
            "start without a proxy. Set the tag with an istioctl that has the flag --auto-inject-namespaces."
        )


def _redirect_stray_hooks(task: TaskContext, mesh: Mesh, name: str, revision: str) -> Mesh:
    """Point webhooks of a tag that istioctl left at their former istiod at the new one, and return the mesh after it.

    istioctl applies only the webhooks that it renders, so those that another client has added stay as they are.
    """
    stray, tag = stray_hooks(mesh, name, revision), mesh.injector_of_tag(name)
    if not stray or tag is None:
        return mesh
    task.progress(f"pointing {', '.join(stray)} of tag {name} at {revision}: istioctl has left them")
    target = next(injector for injector in mesh.injectors if injector.revision == revision and not injector.tag)
    path = f"{ADMISSION}/mutatingwebhookconfigurations/{tag.name}"
    live = task.client.get(path, doing=f"Reading {tag.name}")
    called = target.webhooks[0]["clientConfig"]
    hooks = [{**hook, "clientConfig": called} if hook["name"] in stray else hook for hook in live["webhooks"]]
    version = {"resourceVersion": live["metadata"]["resourceVersion"]}
    task.client.merge(path, {"metadata": version, "webhooks": hooks}, doing=f"Pointing {tag.name} at {revision}")
    return fetch_mesh(task.client, task.istio_namespace)


def _next_journal(task: TaskContext, mesh: Mesh, name: str, revision: str) -> Journal:
    """Return the journal of a tag once it points at a revision.

    A new tag has no previous revision, and a removed revision does not count as one.
    """
    injector = mesh.injector_of_tag(name)
    previous = mesh.tags.get(name) or (mesh.default_revision if name == DEFAULT else None)
    journal = injector.journal if injector else Journal()
    if previous == revision:
        return journal
    if previous not in mesh.revisions:
        return Journal(raw=journal.raw)
    return journal.with_change(task.begin_change(), {TARGET: previous}, {TARGET: revision})


def _remove(task: TaskContext, ctl: Istioctl, mesh: Mesh, name: str) -> None:
    """Remove a tag, its validator first: istioctl before 1.31 leaves it, and its tag could not be identified then."""
    if name == DEFAULT and mesh.default_validator:
        _delete(task, "ValidatingWebhookConfiguration", DEFAULT_VALIDATOR)
    injector = mesh.injector_of_tag(name)
    if any(foreign.tag == name for foreign in mesh.foreign_injectors):
        # istioctl would remove the tag of the other mesh too.
        if injector is not None:
            _delete(task, "MutatingWebhookConfiguration", injector.name)
    else:
        task.about_to_write()
        ctl.run("tag remove", name, flags=["--skip-confirmation"])
    _delete_service(task, name)


def _delete_service(task: TaskContext, name: str, unless: str | None = None) -> None:
    """Delete the Service of a tag unless it points at the revision ``unless``."""
    target = fetch_mesh(task.client, task.istio_namespace).tag_services.get(name)
    if target not in (None, unless):
        _delete(task, "Service", tag_service(name))


def _delete(task: TaskContext, kind: str, name: str) -> None:
    path = object_path(kind, task.istio_namespace, name)
    with contextlib.suppress(NotFoundError):
        task.client.request("DELETE", path, doing=f"Deleting {kind} {name}")


def _write_journal(task: TaskContext, mesh: Mesh, name: str, journal: Journal) -> None:
    """Write into the tag itself, if it exists, which run moved it and from which revision."""
    injector = mesh.injector_of_tag(name)
    if injector and injector.journal.annotations != journal.annotations:
        path = f"{ADMISSION}/mutatingwebhookconfigurations/{injector.name}"
        patch = {"metadata": {"annotations": journal.annotations}}
        task.client.merge(path, patch, doing=f"Writing the journal of tag {name}")
