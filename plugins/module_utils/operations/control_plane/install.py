# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install one revision beside the existing ones: plan exactly, install, and prove that it takes workloads."""

from __future__ import annotations

import typing as t
from collections.abc import Container

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import InstallerError, ProofError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.source_revision import source_revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import require_accepted
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.install_diff import (
    install_diff,
    require_no_prunes,
    require_settings_kept,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.istiod_replacement import (
    replaces_running_istiod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ChangeRow, ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.pinned_images import given_image_paths
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import SettingsRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.shared_components import describe_takeover
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import revision_refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.multicluster import FOREIGN_NAMES
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import CHECKS_BY_CODE
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import configuration_loss
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import (
    external,
    handover,
    in_place_swap,
    istiod_writers,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.install_plan import (
    InstallPlan,
    plan_installation,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import (
    Installer,
    open_installer,
    require_same_installer,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import readiness
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import is_only_planned
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult

#: Checks that an installation repeats, so that it is safe without a precheck before it (rule S7).
REQUIRED_CHECKS = ("MU001", "MU002", "MU005")


class InstallValues(t.TypedDict):
    """The return values of an installation."""

    revision: str
    version: str
    source_revision: str | None
    changes: list[ChangeRow]
    taken_over: list[str]
    settings: SettingsRow


def require_supported(snapshot: Snapshot, upgrade: Upgrade, allowed: Container[str]) -> None:
    """Refuse an unsupported upgrade; only its own code allows each finding.

    Raises:
        SafetyError: it lists every problem.
    """
    problems = [
        f"{code}: {text}"
        for code in REQUIRED_CHECKS
        if code not in allowed
        for dummy, text in CHECKS_BY_CODE[code].find(snapshot, upgrade)
    ]
    namesake = revision_refusal(snapshot.mesh, upgrade.revision)
    if namesake and FOREIGN_NAMES.code not in allowed:
        problems.append(f"{FOREIGN_NAMES.code}: {namesake[0].upper()}{namesake[1:]}")
    if problems:
        raise SafetyError(
            f"Revision {upgrade.revision} is not installed. {' '.join(problems)} To install it anyway, name the code "
            "in parameter allow."
        )


def install(task: TaskContext, options: InstallOptions) -> TaskResult:
    """Install the revision if anything differs, and prove that it takes workloads."""
    if options.installer.name == external.EXTERNAL:
        snapshot, source = _read_and_check(task, options)
        return external.await_revision(task, options, snapshot, source)
    with open_installer(task, options.installer, options.revision) as installer:
        return _install(task, options, installer)


def _read_and_check(task: TaskContext, options: InstallOptions) -> tuple[Snapshot, str | None]:
    """Read the cluster, refuse an unsupported upgrade, and return the snapshot with the source revision."""
    snapshot = task.snapshot()
    source = source_revision(snapshot, options.strategy, options.revision, options.version, options.source_revision)
    upgrade = Upgrade(options.strategy, options.version, options.revision, source)
    require_supported(snapshot, upgrade, options.allow)
    return snapshot, source


def _install(task: TaskContext, options: InstallOptions, installer: Installer) -> TaskResult:
    revision, version = options.revision, str(options.version)
    snapshot, source = _read_and_check(task, options)
    mesh = snapshot.mesh
    if revision in mesh.revisions:
        external.require_not_operator_managed(task, mesh.revisions[revision].manager, f"Revision {revision}")
    require_same_installer(options.installer.name, mesh, revision, source)
    task.progress(f"comparing revision {revision} ({version}) with the installed objects")
    plan, takeovers = _checked_plan(task, options, snapshot, installer, source)
    warnings = configuration_loss.require_default_configuration_kept(
        task, snapshot, plan.installation.default_after, options.allow
    )
    values: InstallValues = {
        "revision": revision,
        "version": version,
        "source_revision": source,
        "changes": [change.as_row() for change in plan.changes],
        "taken_over": [change.place for change in takeovers],
        "settings": plan.settings.as_dict(),
    }
    if not plan.changes:
        if not task.check_mode:
            _prove(task, options, plan, snapshot)
        return TaskResult(values={**values})
    if revision in mesh.revisions and istiod_writers.CODE not in options.allow:
        istiod_writers.require_no_in_cluster_operator(task, revision)
    if not task.check_mode:
        replaced = replaces_running_istiod(mesh, plan.changes, revision, options.version)
        _carry_out(task, options, installer, plan, takeovers, snapshot=snapshot, replaced=replaced)
    diff = install_diff(
        mesh,
        revision,
        version,
        changes=plan.changes,
        settings=plan.settings,
        default_after=plan.installation.default_after,
    )
    steps = ", ".join(filter(None, [plan.summary, describe_takeover(takeovers)]))
    action = f"install revision {revision} ({version}): {steps}"
    return TaskResult([action], diff.before, diff.after, {**values}, warnings)


def _checked_plan(
    task: TaskContext, options: InstallOptions, snapshot: Snapshot, installer: Installer, source: str | None
) -> tuple[InstallPlan, list[ObjectChange]]:
    """Plan the installation, refuse its unintended changes, and return it with the shared objects that it takes over.

    In check mode after a planned installation only the takeover is left: the earlier task makes the other changes.
    """
    plan = plan_installation(task, options, snapshot, installer, source)
    for line in plan.settings.lines():
        task.progress(line)
    require_no_prunes(plan.changes)
    require_settings_kept(plan.settings, [*options.allow_setting_changes, *given_image_paths(options.values)])
    require_accepted(plan.cluster_settings, options.allow_setting_changes)
    takeovers = handover.plan_takeover(task, options, snapshot, plan.installation)
    return plan.with_changes(takeovers) if is_only_planned(task, options.revision) else plan, takeovers


def _carry_out(
    task: TaskContext,
    options: InstallOptions,
    installer: Installer,
    plan: InstallPlan,
    takeovers: list[ObjectChange],
    *,
    snapshot: Snapshot,
    replaced: bool,
) -> None:
    """Install the revision, after a running istiod that it replaces, and prove it."""
    image = ""
    if replaced:
        task.progress(f"replacing istiod of revision {options.revision}, before its injector configuration changes")
        image = in_place_swap.replace_istiod(task, options, plan.installation)
    _run_installer(task, options, installer, plan, takeovers)
    try:
        mesh = _prove(task, options, plan, snapshot)
    except ProofError as exc:
        manager = plan.installation.manager
        raise in_place_swap.explain_failed_proof(task, options, manager, image, exc) from exc
    _require_planned_default(mesh, plan)


def _run_installer(
    task: TaskContext, options: InstallOptions, installer: Installer, plan: InstallPlan, takeovers: list[ObjectChange]
) -> None:
    task.progress(f"installing revision {options.revision} ({options.version}): {plan.summary}")
    task.about_to_write()
    try:
        plan.installation.run_installer(options.timeout)
    except InstallerError as exc:
        if takeovers:
            raise handover.takeover_error(task, options, takeovers, exc.message) from exc
        raise _install_error(task, options, installer, plan, exc) from exc
    handover.wait_for_takeover(task, options, takeovers)


def _prove(task: TaskContext, options: InstallOptions, plan: InstallPlan, snapshot: Snapshot) -> Mesh:
    """Wait until the revision is proven to take workloads, and return the mesh as it is then."""
    return readiness.wait_until_ready(
        task.client,
        task.istio_namespace,
        snapshot.namespaces,
        options.revision,
        plan.request.image_tag,
        timeout=options.timeout,
        progress=task.progress,
        warn=task.warnings.append,
    )


def _require_planned_default(mesh: Mesh, plan: InstallPlan) -> None:
    default, planned = mesh.tags.get(DEFAULT), plan.installation.default_after
    if default != planned:
        raise SafetyError(
            "The installation changed the default revision as a side effect: it now points to "
            f"{default or 'nothing'}, not to {planned or 'nothing'}. Move it back with istio_tag name=default."
        )


def _install_error(
    task: TaskContext, options: InstallOptions, installer: Installer, plan: InstallPlan, exc: InstallerError
) -> ProofError:
    """Return the failure with the state of the cluster itself, beside the message of the installer."""
    revision = options.revision
    mesh = fetch_mesh(task.client, task.istio_namespace)
    failing_pods = in_place_swap.failing_istiod_pods(task, revision)
    reason = "; ".join(filter(None, [not_ready_reason(mesh, revision, None), *failing_pods]))
    replaced = any(change.kind == "Deployment" and change.change == "update" for change in plan.changes)
    advice = (
        "Restart no workload until it is fixed (finding MU007); fix the cause and run again."
        if replaced
        else "Nothing was moved to it; fix the cause and run again, or remove it with istio_revision state=absent."
    )
    return ProofError(
        f"Revision {revision} ({options.version}) on cluster {task.client.connection.label} did not come up: "
        f"{reason or f'{installer.name} failed'}. {advice} {exc.message}",
        {"evidence": failing_pods},
    )
