# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List all checks and run those of a stage.

A check is a small pure function with a stable code that yields (object, message) for each problem. Its row has the
severity, title, reason and remedy. The files in checks/ have one subject each.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT_VALIDATOR, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks import (
    admission,
    ambient,
    cluster,
    configuration,
    control_plane,
    data_plane,
    extensions,
    gateways,
    images,
    injection,
    leftovers,
    moved_labels,
    multicluster,
    serving,
    target,
    upgrade_path,
    webhook_settings,
    writers,
    xds,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Finding,
    Upgrade,
    find_nothing,
    sort_by_severity,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_codes import ISTIOCTL_CODE
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import ANALYSIS_FAILED
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version


def check_ref(code: str) -> ObjectRef:
    """Return the object of a finding that is about a check itself."""
    return cluster_object("check", code)


#: Inputs that are read from Secrets, which most users may not read, because no role can allow their metadata alone.
READ_FROM_SECRETS = frozenset({"pending_releases", "remote_clusters"})


def _find_checks_not_run(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    unread = {**snapshot.precheck_inputs.unread, **snapshot.admission.unread}
    for check in CHECKS:
        if check.severity_at(upgrade.stage):
            for need in sorted(set(check.needs) & set(unread)):
                yield check_ref(check.code), f"It needs {need}, which could not be read: {unread[need]}"


CHECK_FAILED = Check(
    "MU091",
    WARNING,
    "check failed",
    "The problem that it looks for may exist; all other checks ran.",
    "report the message as a bug: no object of a cluster may stop a check",
    find_nothing,
    WARNING,
)
EXPIRED_WAIVER = Check(
    "MU092",
    WARNING,
    "expired waiver",
    "It no longer applies, so the findings that it accepted count again.",
    "fix the finding, then remove the waiver; or decide again and set a later date",
    find_nothing,
    WARNING,
)
# The severity is info because one list of waivers may serve a whole fleet, and each cluster needs some of them.
UNUSED_WAIVER = Check(
    "MU093",
    INFO,
    "unused waiver",
    "Its finding is fixed, or never existed here; if the finding comes back, the waiver hides it.",
    "remove the waiver if no other cluster needs it",
    find_nothing,
)
NOT_RUN = Check(
    "MU090",
    WARNING,
    "check not run",
    "The problem that it looks for may exist.",
    "allow the user to read what the check needs",
    _find_checks_not_run,
    WARNING,
)
#: Codes are stable, because users allow, waive and search for them.
CHECKS = (
    *upgrade_path.CHECKS,
    *control_plane.CHECKS,
    *writers.CHECKS,
    *injection.CHECKS,
    *admission.CHECKS,
    *moved_labels.CHECKS,
    *webhook_settings.CHECKS,
    *data_plane.CHECKS,
    *gateways.CHECKS,
    *ambient.CHECKS,
    *configuration.CHECKS,
    *multicluster.CHECKS,
    *cluster.CHECKS,
    *extensions.CHECKS,
    *serving.CHECKS,
    *target.CHECKS,
    *xds.CHECKS,
    *images.CHECKS,
    *leftovers.CHECKS,
    ANALYSIS_FAILED,
    NOT_RUN,
    CHECK_FAILED,
    EXPIRED_WAIVER,
    UNUSED_WAIVER,
)
CHECKS_BY_CODE = {check.code: check for check in CHECKS}
#: Description of the codes of istioctl, because each version of istioctl has other codes.
ISTIOCTL_CODES = "IST and four digits, the codes of istioctl"


def _is_fixed_by_run(snapshot: Snapshot, upgrade: Upgrade, check: Check, ref: ObjectRef) -> bool:
    """Return whether the run itself fixes a finding, because it installs or removes the object.

    Such a finding must not stop a run that repeats an earlier one which was killed.
    """
    revision = snapshot.mesh.revisions.get(upgrade.revision)
    is_reinstalled = revision is not None and upgrade.stage == BEFORE
    installed = [cluster_object("Deployment", revision.deployment)] if revision and is_reinstalled else []
    webhooks = [
        cluster_object("webhook", injector.name)
        for injector in snapshot.mesh.injectors
        if injector.revision == upgrade.revision and installed
    ]
    removed = _webhooks_of_removed_source(snapshot.mesh, upgrade.source)
    # A downgrade in place restarts the proxies that are newer than the control plane that it has replaced.
    is_downgrade = upgrade.strategy == "downgrade" and upgrade.stage == BEFORE
    is_restarted = is_downgrade or (is_reinstalled and _reaches_all_proxies(snapshot, upgrade))
    restarted = [cluster_object("revision", upgrade.revision)] if is_restarted else []
    fixed_by_code = {
        "MU004": installed,
        "MU007": installed,
        "MU011": removed,
        "MU015": removed,
        "MU019": [*webhooks, *removed],
        "MU030": restarted,
        "MU047": [*webhooks, *removed],
        "MU132": installed,
    }
    return ref in fixed_by_code.get(check.code, ())


def _reaches_all_proxies(snapshot: Snapshot, upgrade: Upgrade) -> bool:
    """Return whether no proxy of the target revision is of a newer minor version than the target."""
    proxies = map(parse_version, snapshot.count_proxies().get(upgrade.revision, ()))
    newest = max(filter(None, proxies), default=None)
    target = upgrade.version
    return bool(newest and target and newest.line <= target.line)


def _webhooks_of_removed_source(mesh: Mesh, source: str | None) -> list[ObjectRef]:
    """Return the webhooks of a source revision that no longer runs, without those of its tags."""
    if source is None or mesh.runs(source):
        return []
    injectors = [
        cluster_object("webhook", injector.name)
        for injector in mesh.injectors
        if injector.revision == source and not injector.tag
    ]
    validators = [
        cluster_object("validator", name)
        for name, revision in mesh.validators.items()
        if revision == source and name != DEFAULT_VALIDATOR
    ]
    return injectors + validators


def _severity(snapshot: Snapshot, upgrade: Upgrade, check: Check, ref: ObjectRef, severity: str) -> str:
    """Return the severity at one object: lower if the run fixes it, or if the check that did not run is only a note."""
    if check is NOT_RUN:
        not_run = CHECKS_BY_CODE[ref.name]
        is_note = not_run.severity_at(upgrade.stage) == INFO or set(not_run.needs) <= READ_FROM_SECRETS
        return INFO if is_note else severity
    return WARNING if _is_fixed_by_run(snapshot, upgrade, check, ref) else severity


def require_known_codes(codes: Iterable[str]) -> None:
    """Refuse codes in parameter ``allow`` that are neither a check's nor istioctl's.

    Raises:
        ParameterError: names the known codes.
    """
    own_codes = [code for code in codes if not ISTIOCTL_CODE.fullmatch(code)]
    refuse_unknown("allow", "finding", own_codes, [*CHECKS_BY_CODE, ISTIOCTL_CODES])


def _run_check(check: Check, severity: str, snapshot: Snapshot, upgrade: Upgrade) -> list[Finding]:
    """Run one check; if it fails, return that as a finding, so that the other checks still run."""
    try:
        return [
            check.finding(ref, message, _severity(snapshot, upgrade, check, ref, severity))
            for ref, message in check.find(snapshot, upgrade)
            if check is multicluster.OTHER_MESH or not snapshot.is_of_other_mesh(ref)
        ]
    except Exception as exc:  # noqa: BLE001 - an unexpected object must not hide all other findings
        where = traceback.extract_tb(exc.__traceback__)[-1]
        message = f"{type(exc).__name__}: {exc} (in {where.name}, line {where.lineno})."
        return [CHECK_FAILED.finding(check_ref(check.code), message, CHECK_FAILED.severity)]


def run_checks(snapshot: Snapshot, upgrade: Upgrade) -> list[Finding]:
    """Run all checks of a stage, and return their findings, worst first.

    Objects of another mesh in the cluster are not judged: one check reports only that this mesh exists.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        severity = check.severity_at(upgrade.stage)
        if severity is not None and not any(snapshot.precheck_inputs.lacks(need) for need in check.needs):
            findings += _run_check(check, severity, snapshot, upgrade)
    return sort_by_severity(findings)
