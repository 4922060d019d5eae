# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Implement module istio_precheck: the checks before an upgrade, and the verification after it."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.source_revision import source_revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.mesh_names import mesh_names
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    INFO,
    SEVERITIES,
    Finding,
    FindingRow,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.images import count_target_proxies
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.moved_labels import label_plan_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import merge_findings
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    require_known_codes,
    run_checks,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.report import (
    blocking_findings,
    count_by_severity,
    failure_message,
    report_lines,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.waivers import (
    Waiver,
    apply_waivers,
    parse_waivers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.label_changes import (
    BY_GIT,
    BY_RUN,
    GitChangeRow,
    LabelPlan,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.limited_selection import LABEL, STAY, TAG
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.broken_workloads import (
    LAST,
    LEAVE,
    leave_broken,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartableRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.standing.leftovers import Left, find_left
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    MINOR_STEPS,
    Version,
    require_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.istioctl_analysis import (
    prepare_analysis,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    NEEDED_BY_INSTALLER,
    missing_permissions,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.proof_doubt import with_proof_doubt
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.refused_moves import with_refused_moves
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import with_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_rejections import with_rejections
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.owner_chains import (
    has_proxy,
    is_stale,
    with_owner_chains,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.limits_option import (
    LIMITS_SPEC,
    require_known_limits,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "stage": {"type": "str", "choices": ["before", "after"], "default": "before"},
        "strategy": {"type": "str", "choices": list(MINOR_STEPS), "default": "canary"},
        "version": {"type": "str"},
        "revision": {"type": "str"},
        "source_revision": {"type": "str"},
        "tag": {"type": "str"},
        "values": {"type": "dict", "default": {}},
        "finalize": {"type": "bool", "default": False},
        "installer": {"type": "str", "choices": list(NEEDED_BY_INSTALLER)},
        "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
        "show": {"type": "str", "choices": list(SEVERITIES), "default": INFO},
        "allow": {"type": "list", "elements": "str", "default": []},
        "istioctl": {"type": "str"},
        "tagged_namespaces": {"type": "str", "choices": [TAG, LABEL, STAY], "default": TAG},
        "label_changes": {"type": "str", "choices": [BY_RUN, BY_GIT], "default": BY_RUN},
        "waivers": {"type": "list", "elements": "dict", "default": []},
        "broken_workloads": {"type": "str", "choices": [LAST, LEAVE], "default": LAST},
        **LIMITS_SPEC,
    },
    required_if=(("stage", "before", ("version", "revision")),),
)


class PrecheckValues(Left):
    """The return values of the module."""

    findings: list[FindingRow]
    summary: dict[str, int]
    source_revision: str | None
    source_version: str | None
    proxies: dict[str, dict[str, int]]
    target_proxies: int
    identities: dict[str, dict[str, str]]
    git_changes: list[GitChangeRow]
    unrestartable: list[UnrestartableRow]


@dataclasses.dataclass(frozen=True)
class PrecheckOptions:
    """The options of the module; texts that are not set are empty.

    ``version_text`` is the version as the user wrote it, because istioctl must have exactly this version.
    """

    stage: str
    strategy: str
    version: Version | None
    version_text: str
    revision: str
    source_revision: str | None
    tag: str
    values: Json
    finalize: bool
    installer: str
    fail_on: str
    show: str
    allow: tuple[str, ...]
    istioctl: str
    waivers: tuple[Waiver, ...]
    broken_workloads: str
    tagged_namespaces: str
    #: Whether the run waits until Git has changed the labels of namespaces.
    waits_for_git: bool

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> PrecheckOptions:
        """Return the options that the parameters of a task set.

        Raises:
            ParameterError: a code, a version or a waiver is not valid.
        """
        require_known_codes(params["allow"])
        waivers = parse_waivers(params["waivers"])
        version = params["version"] or ""
        if params["istioctl"] and not version:
            raise ParameterError("Parameter version is missing: istioctl must have this version.")
        return cls(
            stage=params["stage"],
            strategy=params["strategy"],
            version=require_version(version) if version else None,
            version_text=version,
            revision=params["revision"] or "",
            source_revision=params["source_revision"],
            tag=params["tag"] or "",
            values=params["values"],
            finalize=params["finalize"],
            installer=params["installer"] or "",
            fail_on=params["fail_on"],
            show=params["show"],
            allow=tuple(params["allow"]),
            istioctl=params["istioctl"] or "",
            waivers=tuple(waivers),
            broken_workloads=params["broken_workloads"],
            tagged_namespaces=params["tagged_namespaces"],
            waits_for_git=params["label_changes"] == BY_GIT,
        )


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse unknown codes, and versions and waivers that are not valid, before any request."""
    PrecheckOptions.from_params(params)


def run(task: TaskContext) -> TaskResult:
    """Read the cluster once, run every check of the stage, and report the findings."""
    options = PrecheckOptions.from_params(task.params)
    task.hidden.update(secrets_in(options.values))
    analysis = prepare_analysis(task, options.istioctl, options.version_text, options.stage)
    snapshot = task.snapshot(pods=True, precheck_inputs=True, meanwhile=analysis.start)
    require_known_limits(task, snapshot)
    snapshot = with_rejections(task.client, with_proxies(task.client, snapshot))
    snapshot = with_owner_chains(task.client, snapshot, has_proxy if options.stage == BEFORE else is_stale)
    snapshot = leave_broken(snapshot, options.broken_workloads)
    snapshot = _with_missing_permissions(task, snapshot, options)
    if options.stage == BEFORE:
        source = _source(snapshot, options)
        snapshot = with_proof_doubt(task.client, snapshot, options.revision, options.version_text, source)
    # The date in UTC is the same for all controllers, in whatever time zone they are.
    today = datetime.datetime.now(datetime.UTC).date()
    upgrade = _upgrade(task, snapshot, options, today)
    plan = label_plan_of(snapshot, upgrade)
    # Another user writes the labels then, whom a policy may allow more or less.
    moves = () if options.waits_for_git else plan.moves
    snapshot = with_refused_moves(task.client, snapshot, moves)
    findings = merge_findings(run_checks(snapshot, upgrade), analysis.findings(), snapshot)
    findings = apply_waivers(findings, options.waivers, today, options.stage)
    for line in report_lines(findings, options.show):
        task.progress(line)
    blocking = blocking_findings(findings, options.fail_on, options.allow)
    failed = failure_message(options.stage, task.client.connection.label, blocking) if blocking else ""
    return TaskResult(values={**_values(snapshot, upgrade, findings, plan)}, failed=failed)


def _with_missing_permissions(task: TaskContext, snapshot: Snapshot, options: PrecheckOptions) -> Snapshot:
    """Return the snapshot with the permissions that this user lacks for the run that follows."""
    if not options.installer or options.stage != BEFORE:
        return snapshot
    missing = missing_permissions(task.client, NEEDED_BY_INSTALLER[options.installer], task.istio_namespace)
    return dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(snapshot.precheck_inputs, denied=missing))


def _source(snapshot: Snapshot, options: PrecheckOptions) -> str | None:
    source = options.source_revision
    if options.stage == BEFORE and options.version:
        return source_revision(snapshot, options.strategy, options.revision, options.version, source)
    return source


def _upgrade(task: TaskContext, snapshot: Snapshot, options: PrecheckOptions, today: datetime.date) -> Upgrade:
    return Upgrade(
        strategy=options.strategy,
        version=options.version,
        revision=options.revision,
        source=_source(snapshot, options),
        stage=options.stage,
        installer=options.installer,
        today=today,
        tag=options.tag,
        values=options.values,
        finalize=options.finalize,
        limits=task.limits,
        tagged_namespaces=options.tagged_namespaces,
        waits_for_git=options.waits_for_git,
    )


def _values(snapshot: Snapshot, upgrade: Upgrade, findings: list[Finding], plan: LabelPlan) -> PrecheckValues:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    return {
        "findings": [finding.as_row() for finding in findings],
        "summary": count_by_severity(findings),
        "source_revision": upgrade.source,
        "source_version": source.version if source else None,
        "proxies": snapshot.count_proxies(),
        "target_proxies": count_target_proxies(snapshot, upgrade),
        **find_left(
            snapshot, upgrade.revision, "" if upgrade.stage == BEFORE else str(upgrade.version or ""), upgrade.tag
        ),
        "identities": {name: mesh_names(revision) for name, revision in sorted(snapshot.mesh.revisions.items())},
        "git_changes": [change.as_row() for change in plan.changes_in_git(all_namespaces=upgrade.waits_for_git)],
        "unrestartable": [pods.as_dict() for pods in snapshot.unrestartable()],
    }


CORE = ModuleCore("istio_precheck", SPEC, run, check, writes=False)
