# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs one revision beside those that are there: plan exactly, install, prove."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import InstallerError, ProofError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import source_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import (
    SettingsDiff,
    Wanted,
    carried_tag,
    carried_values,
    merge,
    settings_diff,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh, Revision, suffix
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import CHECKS_BY_CODE
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    require_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import kept_configuration
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import (
    external,
    handover,
    in_place_swap,
    manifest_diff,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import (
    installer as installer_module,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import Installer
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Change,
    Installation,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

#: Checks that an install repeats itself: nobody has to run the precheck first to be safe (rule S7).
GUARDS = ("MU001", "MU002", "MU005")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked for, what the installer will do, and how the settings change."""

    wanted: Wanted
    installation: Installation
    settings: SettingsDiff

    @property
    def changes(self) -> list[Change]:
        """All objects that change."""
        return self.installation.changes

    @property
    def action(self) -> str:
        """The changes in one line."""
        counts = {kind: sum(change.change == kind for change in self.changes) for kind in ("create", "update", "prune")}
        return ", ".join(f"{kind} {count} objects" for kind, count in counts.items() if count)


def guard(snapshot: Snapshot, goal: Upgrade, allowed: list[str]) -> None:
    """Refuse unsupported hops; each can be allowed only by its own code.

    Raises:
        SafetyError: with every problem.
    """
    bad = [
        (code, text)
        for code in GUARDS
        if code not in allowed
        for dummy, text in CHECKS_BY_CODE[code].find(snapshot, goal)
    ]
    if bad:
        text = " ".join(f"{code}: {problem}" for code, problem in bad)
        raise SafetyError(
            f"Revision {goal.revision} is not installed. {text} If you must, name the code in parameter allow."
        )


def _origin(mesh: Mesh, revision: str, source: str | None) -> Revision | None:
    """Return whose settings an install starts from: the revision's own where it is there, else the source's."""
    return mesh.revisions.get(revision) or mesh.revisions.get(source or "")


def wanted(task: TaskContext, snapshot: Snapshot, source: str | None, version: Version) -> Wanted:
    """Return what the installer is asked for: the source's settings, then the user's own values on top."""
    params, mesh = task.params, snapshot.mesh
    origin = _origin(mesh, params["revision"], source)
    carried: Json = {}
    tag = params["tag"]
    if origin and params["carry_over"]:
        if not (origin.user_values or origin.merged_values):
            raise SafetyError(
                f"The settings of revision {origin.name} cannot be read (no ConfigMap values with original-values in "
                f"{mesh.namespace}); give them in parameter values with carry_over=false."
            )
        carried, tag = carried_values(origin, params["revision"]), tag or carried_tag(origin, version)
    values = merge(carried, params["values"])
    task.hidden.update(secrets_in(values))
    return Wanted(
        revision=params["revision"],
        version=version,
        namespace=mesh.namespace,
        profile=params["profile"],
        values=values,
        tag=tag,
        crds=not _crds_newer(snapshot, version),
    )


def _crds_newer(snapshot: Snapshot, version: Version) -> bool:
    """CRDs never go back (rule S10)."""
    return snapshot.newest_crd_version is not None and snapshot.newest_crd_version > version


def plan(task: TaskContext, snapshot: Snapshot, installer: Installer, source: str | None, version: Version) -> Plan:
    """Return what the install would do to this cluster; asks the API server, writes nothing."""
    mesh, revision = snapshot.mesh, task.params["revision"]
    what = dataclasses.replace(wanted(task, snapshot, source, version), components=handover.wanted(task, source))
    crds = _crds_differ(snapshot, str(version))
    found = installer.plan(mesh, what, crds=crds, allow_default_change=task.params["allow_default_change"])
    return Plan(what, found, _settings_diff(mesh, found.rendered, revision, source))


def _settings_diff(mesh: Mesh, rendered: list[Json], revision: str, source: str | None) -> SettingsDiff:
    """Compare what the origin's values come to now with what the target makes of the same settings."""
    origin = _origin(mesh, revision, source)
    maps = {name_of(obj): obj for obj in rendered if obj["kind"] == "ConfigMap"}
    new = maps.get(f"values{suffix(revision)}")
    if origin is None or new is None:
        return SettingsDiff({}, {})
    return settings_diff(
        origin.merged_values, json.loads(new["data"]["merged-values"]), carried_values(origin, revision)
    )


def _refuse_settings(settings: SettingsDiff, accepted: list[str]) -> None:
    """What a user once set changes only on purpose (istioctl upgrade stopped asking in 1.13)."""
    changed = sorted(set(settings.user) - set(accepted))
    if changed:
        listed = ", ".join(f"{path}: {settings.user[path][0]!r} -> {settings.user[path][1]!r}" for path in changed[:5])
        raise SafetyError(
            f"Settings that were given to the running revision would change: {listed}. Name them in "
            "allow_setting_changes if that is meant.",
            {"settings": settings.as_dict()},
        )


def _crds_differ(snapshot: Snapshot, version: str) -> bool:
    """CRDs carry the version that wrote them; those of the same version need no look."""
    return set(snapshot.crd_versions.values()) != {version}


def _refuse_prunes(changes: list[Change]) -> None:
    """Nothing that is in use goes because a profile became smaller (rule S12)."""
    gone = [str(change) for change in changes if change.change == "prune"]
    if gone:
        raise SafetyError(
            f"This install would delete objects that the revision was installed with: {', '.join(gone)}. "
            "Add what is missing to "
            "profile or values, so that nothing is pruned."
        )


def install(task: TaskContext) -> TaskResult:
    """Install the revision if anything differs, and prove that it takes workloads."""
    if task.params["installer"] == external.EXTERNAL:
        return external.await_revision(task, *_judged(task))
    with installer_module.opened(task) as installer:
        return _install(task, installer)


def _judged(task: TaskContext) -> tuple[Snapshot, str | None]:
    """Read the cluster, refuse what is not supported, and return it with the revision that the run starts from."""
    params, version = task.params, require_version(task.params["version"])
    snapshot = task.snapshot()
    source = source_of(snapshot, params["strategy"], params["revision"], version, params["source_revision"])
    guard(snapshot, Upgrade(params["strategy"], version, params["revision"], source), params["allow"])
    return snapshot, source


def _install(task: TaskContext, installer: Installer) -> TaskResult:
    params = task.params
    revision, version = params["revision"], require_version(params["version"])
    snapshot, source = _judged(task)
    mesh = snapshot.mesh
    if revision in mesh.revisions:
        external.require_own(task, mesh.revisions[revision].manager, f"Revision {revision}")
    installer_module.require(params["installer"], mesh, revision, source)
    task.progress(f"comparing revision {revision} ({version}) with what is installed")
    steps = plan(task, snapshot, installer, source, version)
    for line in steps.settings.lines():
        task.progress(line)
    _refuse_prunes(steps.changes)
    _refuse_settings(steps.settings, params["allow_setting_changes"])
    moving = handover.claim(task, snapshot, steps.installation)
    warnings = kept_configuration.require_default_kept(task, snapshot, steps.installation.default_after)
    tag = steps.wanted.image_tag
    probe = readiness.probe_namespace(snapshot.namespaces, mesh.namespace)
    values = {
        "revision": revision,
        "version": str(version),
        "source_revision": source,
        "changes": [],
        "taken_over": [change.place for change in moving],
        "settings": steps.settings.as_dict(),
    }
    if not steps.changes:
        if not task.check_mode:
            readiness.wait(
                task.client, mesh.namespace, probe, revision, tag, timeout=params["timeout"], progress=task.progress
            )
        return TaskResult(values=values)
    values["changes"] = [change.as_dict() for change in steps.changes]
    if not task.check_mode:
        if in_place_swap.needed(mesh, steps.changes, revision, version):
            task.progress(f"replacing istiod of revision {revision}, before its injector configuration changes")
            in_place_swap.roll(task, steps.installation)
        _carry_out(task, installer, steps, probe, moving)
    before, after = _diff(mesh, steps, revision, str(version))
    action = (
        f"install revision {revision} ({version}): {', '.join(filter(None, [steps.action, handover.said(moving)]))}"
    )
    return TaskResult(actions=[action], before=before, after=after, values=values, warnings=warnings)


def _carry_out(task: TaskContext, installer: Installer, steps: Plan, probe: str, moving: list[Change]) -> None:
    params, timeout, tag = task.params, task.params["timeout"], steps.wanted.image_tag
    task.progress(f"installing revision {params['revision']} ({params['version']}): {steps.action}")
    task.about_to_write()
    try:
        steps.installation.carry_out(timeout)
    except InstallerError as exc:
        failed = handover.broken(task, moving, exc.message) if moving else _not_installed(task, installer, steps, exc)
        raise failed from exc
    handover.wait(task, moving)
    mesh = readiness.wait(
        task.client, task.istio_namespace, probe, params["revision"], tag, timeout=timeout, progress=task.progress
    )
    if mesh.tags.get(DEFAULT) != steps.installation.default_after:
        raise SafetyError(
            f"The install changed the default by the way: it leads to {mesh.tags.get(DEFAULT) or 'nothing'} now, "
            f"not to {steps.installation.default_after or 'nothing'}. Move it back with istio_tag name=default."
        )


def _not_installed(task: TaskContext, installer: Installer, steps: Plan, exc: InstallerError) -> ProofError:
    """Return the failure with what the cluster itself shows, beside the installer's words."""
    revision = task.params["revision"]
    mesh = fetch_mesh(task.client, task.istio_namespace)
    broken = in_place_swap.broken(task, revision)
    reason = "; ".join(filter(None, [readiness.standing_problem(mesh, revision, None), *broken]))
    replaced = any(change.kind == "Deployment" and change.change == "update" for change in steps.changes)
    advice = (
        "Restart nothing until it is mended (finding MU007); mend the cause and run again."
        if replaced
        else "Nothing was moved to it; mend the cause and run again, or remove it with istio_revision state=absent."
    )
    return ProofError(
        f"Revision {revision} ({task.params['version']}) on cluster {task.client.connection.label} did not come up: "
        f"{reason or f'{installer.name} failed'}. {advice} {exc.message}",
        {"evidence": broken},
    )


def _diff(mesh: Mesh, steps: Plan, revision: str, version: str) -> tuple[Json, Json]:
    """Return (before, after) for --diff: control planes, the default, and every object that changes."""
    planes = {name: found.version for name, found in mesh.revisions.items() if found.deployment}
    before: Json = {
        "control_planes": planes,
        "default": mesh.default_revision,
        "settings": steps.settings.side(0),
        "objects": {},
    }
    after: Json = {
        "control_planes": {**planes, revision: version},
        "default": mesh.default_revision if DEFAULT in mesh.tags else steps.installation.default_after,
        "settings": steps.settings.side(1),
        "objects": {},
    }
    for change in steps.changes:
        place = change.place
        if change.change == "update":
            # texts that only explain come last: a CRD has hundreds of them
            told = sorted(change.fields.items(), key=lambda field: field[0].endswith(".description"))
            some = told[: manifest_diff.FIELDS_SHOWN]
            rest = len(change.fields) - len(some)
            before["objects"][place] = _side(some, 0, rest)
            after["objects"][place] = _side(some, 1, rest)
        elif change.change == "create":
            after["objects"][place] = "present"
        else:
            before["objects"][place] = "present"
    return before, after


def _side(fields: list[tuple[str, tuple[t.Any, t.Any]]], side: int, rest: int) -> Json:
    shown = {path: manifest_diff.shown(pair[side]) for path, pair in fields if pair[side] is not None}
    if rest:
        shown["..."] = f"{rest} more fields differ ({'before' if side == 0 else 'after'})"
    return shown
