# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module istio_tag: creates, moves and removes revision tags."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils import _prove
from ansible_collections.meshops.istio.plugins.module_utils._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils._errors import IstioctlError, ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils._managers import require_writable
from ansible_collections.meshops.istio.plugins.module_utils._mesh import DEFAULT, PREVIOUS_REVISION, Mesh
from ansible_collections.meshops.istio.plugins.module_utils._planned import PLANNED_SPEC, is_planned, planned_snapshot
from ansible_collections.meshops.istio.plugins.module_utils._reading import ADMISSION, fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._tool import Outcome, Run, Tool

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


def users(snapshot: Snapshot, tag: str) -> list[str]:
    """Return the namespaces whose labels ask for a tag."""
    return sorted(n.name for n in snapshot.namespaces.values() if snapshot.owned_name(n) == tag)


def followers(snapshot: Snapshot, tag: str) -> list[str]:
    """Return the pods that a tag's webhooks select by the pods' own labels."""
    own = {injector.name for injector in snapshot.mesh.injectors if injector.tag == tag}
    return [f"pod {pod.namespace}/{pod.name}" for pod, found in snapshot.judgements if found.verdict.injector in own]


def plan(snapshot: Snapshot, name: str, revision: str | None) -> str | None:
    """Return the step that is needed, as a sentence, or None; ``revision`` None means that the tag has to go.

    Raises:
        SafetyError: the step would break something that works.
    """
    mesh, asking = snapshot.mesh, users(snapshot, name)
    current = mesh.tags.get(name)
    if revision is None:
        if current is None:
            return None
        using = [f"namespace {namespace}" for namespace in asking] or followers(snapshot, name)
        if using:
            raise SafetyError(f"Tag {name} is in use by {', '.join(using[:5])}; move what follows it first.")
        return f"remove tag {name} (pointed at {current})"
    if name != DEFAULT and name in mesh.revisions:
        raise SafetyError(
            f"Tag {name} would have the name of a revision: both would inject every pod that asks for it."
        )
    if revision not in mesh.revisions:
        known = ", ".join(sorted(mesh.revisions)) or "none"
        raise SafetyError(f"Tag {name} cannot point at {revision}: there is no such revision. Installed are: {known}.")
    if current == revision and (name != DEFAULT or _default_agrees(mesh, revision)):
        return None
    what = f"move tag {name}: {current} -> {revision}" if current else f"create tag {name} -> {revision}"
    return what + (f" (namespaces {', '.join(asking)})" if asking else "")


def _default_agrees(mesh: Mesh, revision: str) -> bool:
    """Injector, Service and validator of the default belong together; older Istio has no Service."""
    return mesh.default_validator == revision and mesh.default_service in (revision, None)


def _quartet(mesh: Mesh, name: str) -> dict[str, t.Any]:
    values: dict[str, t.Any] = {"tag": name, "revision": mesh.tags.get(name)}
    if name == DEFAULT:
        values.update(validator=mesh.default_validator, service=mesh.default_service)
    return values


def _prove_done(mesh: Mesh, name: str, revision: str | None) -> None:
    """Trust the API, not istioctl's exit code."""
    actual = mesh.tags.get(name)
    if actual != revision or (revision and name == DEFAULT and not _default_agrees(mesh, revision)):
        raise IstioctlError(
            f"istioctl reported success, but tag {name} points at {actual or 'nothing'} "
            f"(validator {mesh.default_validator}, Service {mesh.default_service}) instead of "
            f"{revision or 'being gone'}."
        )


def target(params: Mapping[str, t.Any], mesh: Mesh) -> str | None:
    """Return where the tag has to point: the asked revision, where it pointed before its last move, or nowhere."""
    if params["state"] == "restored":
        return mesh.previous_tags.get(params["name"]) or mesh.tags.get(params["name"])
    return str(params["revision"]) if params["state"] == "present" else None


def run(run: Run) -> Outcome:
    """Create, move, remove or restore the tag and prove it by reading it back."""
    params = run.params
    name = params["name"]
    snapshot = planned_snapshot(run, pods=params["state"] == "absent")
    mesh = snapshot.mesh
    revision = target(params, mesh)
    step = plan(snapshot, name, revision)
    before = _quartet(mesh, name)
    after = {**before, **{key: revision for key in before if key != "tag"}}
    values = {"tag": name, "revision": revision, "namespaces": users(snapshot, name)}
    if step is None:
        return Outcome(values=values)
    own = mesh.injector_of_tag(name)
    if own is not None:
        require_writable(own.manager, f"Tag {name} on cluster {run.client.connection.label}", "move it there")
    if revision and not is_planned(run, revision):
        _prove.require(run.client, mesh, snapshot.namespaces, revision)
    if not run.check_mode:
        run.progress(step)
        _carry_out(run, mesh, name, revision)
    return Outcome(actions=[step], before=before, after=after, values=values)


def _carry_out(run: Run, mesh: Mesh, name: str, revision: str | None) -> None:
    ctl = run.istioctl(mesh, revision or mesh.tags[name], *mesh.revisions)
    run.tool_wrote = True
    if revision is None:
        ctl.run("tag", "remove", name, "--skip-confirmation")
    else:
        _remember(run, mesh, name, None if run.params["state"] == "restored" else mesh.tags.get(name))
        ctl.run("tag", "set", name, "--revision", revision, "--overwrite", "--skip-confirmation")
    _prove_done(fetch_mesh(run.client, run.istio_namespace), name, revision)


def _remember(run: Run, mesh: Mesh, name: str, revision: str | None) -> None:
    """Keep on the tag itself where it points, before it moves; None forgets. A new tag has no past."""
    own = mesh.injector_of_tag(name)
    if own is not None:
        path = f"{ADMISSION}/mutatingwebhookconfigurations/{own.name}"
        patch = {"metadata": {"annotations": {PREVIOUS_REVISION: revision}}}
        run.client.merge(path, patch, doing=f"Remembering where tag {name} points")


TOOL = Tool("istio_tag", SPEC, run, check)
