# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module istio_tag: creates, moves and removes revision tags."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    IstioctlError,
    NotFoundError,
    ParameterError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.client._istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.domain._default import disagreements, owners, wanted
from ansible_collections.meshops.istio.plugins.module_utils.domain._followers import followers, users
from ansible_collections.meshops.istio.plugins.module_utils.domain._managers import require_writable
from ansible_collections.meshops.istio.plugins.module_utils.domain._mesh import (
    DEFAULT,
    DEFAULT_VALIDATOR,
    PREVIOUS_REVISION,
    Mesh,
    named,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot, WorkloadKey
from ansible_collections.meshops.istio.plugins.module_utils.domain._words import some
from ansible_collections.meshops.istio.plugins.module_utils.tools import _prove
from ansible_collections.meshops.istio.plugins.module_utils.tools._manifest import object_path
from ansible_collections.meshops.istio.plugins.module_utils.tools._planned import (
    PLANNED_SPEC,
    is_planned,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.tools._reading import ADMISSION, fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Outcome, Run, Tool

SPEC = ArgumentSpec(
    {
        "name": {"type": "str", "required": True},
        "revision": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "istioctl": {"type": "str", "default": "istioctl"},
        "version": {"type": "str"},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("revision",)),),
)
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse names that can never be right, before any request."""
    for option in ("name", "revision"):
        value = params.get(option)
        if value and not _NAME.match(value):
            raise ParameterError(f"Parameter {option}: {value!r} is no DNS label (lower case letters, digits and -).")


def plan(snapshot: Snapshot, name: str, revision: str | None, followed_by: Iterable[WorkloadKey]) -> str | None:
    """Return the step that is needed, as a sentence, or None; ``revision`` None means that the tag has to go.

    Raises:
        SafetyError: the step would break something that works.
    """
    mesh, current = snapshot.mesh, snapshot.mesh.tags.get(name)
    if settled(mesh, name, revision):
        return None
    asking = users(snapshot, name)
    following = [named(kind, space, what) for space, kind, what in followed_by]
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


def target(params: Mapping[str, t.Any], mesh: Mesh) -> str | None:
    """Return where the tag has to point: the asked revision, where it pointed before its last move, or nowhere."""
    if params["state"] == "restored":
        return mesh.previous_tags.get(params["name"]) or mesh.tags.get(params["name"])
    return str(params["revision"]) if params["state"] == "present" else None


def run(run: Run) -> Outcome:
    """Create, move, mend, remove or restore the tag and prove it by reading it back."""
    name = run.params["name"]
    snapshot = planned_snapshot(run, pods=False)
    revision = target(run.params, snapshot.mesh)
    values = {"tag": name, "revision": revision, "namespaces": users(snapshot, name), "workloads": []}
    if settled(snapshot.mesh, name, revision):
        return Outcome(values=values)
    snapshot = planned_snapshot(run, pods=True)
    mesh = snapshot.mesh
    followed_by = followers(snapshot, name)
    step = plan(snapshot, name, revision, followed_by)
    if step is None:
        return Outcome(values=values)
    own = mesh.injector_of_tag(name)
    if own is not None:
        require_writable(own.manager, f"Tag {name} on cluster {run.client.connection.label}", "move it there")
    if revision and not is_planned(run, revision):
        _prove.require(run.client, mesh, snapshot.namespaces, revision)
    values["workloads"] = [{"namespace": space, "kind": kind, "name": what} for space, kind, what in followed_by]
    if not run.check_mode:
        run.progress(step)
        _carry_out(run, mesh, name, revision)
    before, after = ({"tag": name, **found} for found in (owners(mesh, name), wanted(mesh, name, revision)))
    return Outcome(actions=[step], before=before, after=after, values=values)


def _carry_out(run: Run, mesh: Mesh, name: str, revision: str | None) -> None:
    ctl = run.istioctl(mesh, revision or mesh.tags.get(name), *mesh.revisions)
    if revision is None:
        _remove(run, ctl, mesh, name)
    else:
        current = mesh.tags.get(name)
        remembered = current if current in mesh.revisions and run.params["state"] != "restored" else None
        if current != revision:
            _remember(run, mesh, name, remembered)
        run.about_to_write()
        ctl.run("tag", "set", name, "--revision", revision, "--overwrite", "--skip-confirmation")
        if mesh.tag_services.get(name) not in (None, revision):
            # an istioctl before 1.28 knows no Service and leaves it where it was
            _drop_service(run, name, unless=revision)
    _prove_done(fetch_mesh(run.client, run.istio_namespace), name, revision)


def _remove(run: Run, ctl: Istioctl, mesh: Mesh, name: str) -> None:
    """The validator goes first: istioctl before 1.31 leaves it, and then nothing would say whose it was."""
    if name == DEFAULT and mesh.default_validator:
        _delete(run, "ValidatingWebhookConfiguration", DEFAULT_VALIDATOR)
    run.about_to_write()
    ctl.run("tag", "remove", name, "--skip-confirmation")
    _drop_service(run, name)


def _drop_service(run: Run, name: str, unless: str | None = None) -> None:
    left = fetch_mesh(run.client, run.istio_namespace).tag_services.get(name)
    if left not in (None, unless):
        _delete(run, "Service", f"istiod-revision-tag-{name}")


def _delete(run: Run, kind: str, name: str) -> None:
    path = object_path(kind, run.istio_namespace, name)
    with contextlib.suppress(NotFoundError):
        run.client.request("DELETE", path, doing=f"Deleting {kind} {name}")


def _remember(run: Run, mesh: Mesh, name: str, revision: str | None) -> None:
    """Keep on the tag itself where it points, before it moves; None forgets. A new tag has no past."""
    own = mesh.injector_of_tag(name)
    if own is not None:
        path = f"{ADMISSION}/mutatingwebhookconfigurations/{own.name}"
        patch = {"metadata": {"annotations": {PREVIOUS_REVISION: revision}}}
        run.client.merge(path, patch, doing=f"Remembering where tag {name} points")


TOOL = Tool("istio_tag", SPEC, run, check)
