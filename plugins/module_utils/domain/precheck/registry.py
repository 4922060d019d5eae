# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks: each is a small pure function with a stable code.

A check yields (object, message) for everything it finds; severity, title and remedy stand in its row. What checks look
at is told by the files that they stand in.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT_VALIDATOR, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks import (
    cluster,
    configuration,
    control_plane,
    data_plane,
    extensions,
    gateways,
    injection,
    multicluster,
    serving,
    target,
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

#: What a finding about a check itself names.
CHECK = "check"


def _not_made(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    made = (check for check in CHECKS if check.severity_at(goal.stage))
    for check in made:
        for need in sorted(set(check.needs) & set(snapshot.precheck_inputs.unread)):
            yield cluster_object(CHECK, check.code), f"It looks at {need}: {snapshot.precheck_inputs.unread[need]}"


CHECK_FAILED = Check(
    "MU091",
    WARNING,
    "check failed",
    "What it looks for may be there; all other checks were made.",
    "report it with the message: no object of a cluster may stop a check",
    find_nothing,
    WARNING,
)
EXPIRED_WAIVER = Check(
    "MU092",
    WARNING,
    "expired waiver",
    "It does not hold any more: what it was for counts again.",
    "mend what it was for, then remove the waiver; or decide anew and give it a later date",
    find_nothing,
    WARNING,
)
# only a note: one list of waivers may serve a whole fleet, of which each cluster needs some
UNUSED_WAIVER = Check(
    "MU093",
    INFO,
    "unused waiver",
    "What it is for is mended, or was never here; it would hide the same finding when it comes back.",
    "remove the waiver if no other cluster needs it",
    find_nothing,
)
NOT_RUN = Check(
    "MU090",
    WARNING,
    "check not made",
    "What it looks for may be there.",
    "allow the user to read it",
    _not_made,
    WARNING,
)
#: Codes are stable: they are what users allow, waive and search for.
CHECKS = (
    *control_plane.CHECKS,
    *injection.CHECKS,
    *data_plane.CHECKS,
    *gateways.CHECKS,
    *configuration.CHECKS,
    *multicluster.CHECKS,
    *cluster.CHECKS,
    *extensions.CHECKS,
    *serving.CHECKS,
    *target.CHECKS,
    *xds.CHECKS,
    ANALYSIS_FAILED,
    NOT_RUN,
    CHECK_FAILED,
    EXPIRED_WAIVER,
    UNUSED_WAIVER,
)
CHECKS_BY_CODE = {check.code: check for check in CHECKS}
#: Which codes istioctl has depends on its version.
ISTIOCTL_CODES = "IST and four digits, the codes of istioctl"


def _mended(snapshot: Snapshot, goal: Upgrade, check: Check, about: ObjectRef | str, severity: str) -> str:
    """What a run is about to install or to remove, perhaps again after it was killed, cannot stop that run."""
    found = snapshot.mesh.revisions.get(goal.revision)
    installed = [cluster_object("Deployment", found.deployment)] if found and goal.stage == BEFORE else []
    removed = _half_removed(snapshot.mesh, goal.source)
    called = [cluster_object("webhook", i.name) for i in snapshot.mesh.injectors if i.revision == goal.revision]
    # a downgrade in place restarts what is newer than the control plane that it has replaced
    restarted = (
        [cluster_object("revision", goal.revision)] if goal.strategy == "downgrade" and goal.stage == BEFORE else []
    )
    mended = {"MU004": installed, "MU007": installed, "MU011": removed, "MU015": removed, "MU030": restarted}
    mended["MU019"] = mended["MU047"] = [*(called if installed else ()), *removed]
    return WARNING if about in mended.get(check.code, ()) else severity


def _severity(snapshot: Snapshot, goal: Upgrade, check: Check, about: ObjectRef | str, severity: str) -> str:
    """What a run mends by itself does not stop it; not to know something weighs no more than to know it."""
    if check is NOT_RUN and isinstance(about, ObjectRef):
        return INFO if CHECKS_BY_CODE[about.name].severity_at(goal.stage) == INFO else severity
    return _mended(snapshot, goal, check, about, severity)


def _half_removed(mesh: Mesh, source: str | None) -> list[ObjectRef]:
    """Return the webhooks of a source that does not run any more; those of tags are not part of it."""
    if source is None or mesh.runs(source):
        return []
    injectors = [cluster_object("webhook", i.name) for i in mesh.injectors if i.revision == source and not i.tag]
    own = [name for name, revision in mesh.validators.items() if revision == source and name != DEFAULT_VALIDATOR]
    return injectors + [cluster_object("validator", name) for name in own]


def require_known_codes(codes: Iterable[str]) -> None:
    """Refuse codes in parameter ``allow`` that neither a check nor istioctl has.

    Raises:
        ParameterError: with the codes that there are.
    """
    ours = [code for code in codes if not ISTIOCTL_CODE.fullmatch(code)]
    refuse_unknown("allow", "finding", ours, [*CHECKS_BY_CODE, ISTIOCTL_CODES])


def _made(check: Check, severity: str, snapshot: Snapshot, goal: Upgrade) -> list[Finding]:
    """Make one check; what it runs into is a finding, so that the others are made all the same."""
    try:
        return [
            check.found(place, text, _severity(snapshot, goal, check, place, severity))
            for place, text in check.find(snapshot, goal)
        ]
    except Exception as exc:  # noqa: BLE001 - an object that nobody thought of must not hide all other findings
        where = traceback.extract_tb(exc.__traceback__)[-1]
        text = f"{type(exc).__name__}: {exc} (in {where.name}, line {where.lineno})."
        return [CHECK_FAILED.found(cluster_object(CHECK, check.code), text, CHECK_FAILED.severity)]


def run_checks(snapshot: Snapshot, goal: Upgrade) -> list[Finding]:
    """Return everything that the checks of a stage find, worst first."""
    found: list[Finding] = []
    for check in CHECKS:
        severity = check.severity_at(goal.stage)
        if severity is not None and not any(snapshot.precheck_inputs.lacks(need) for need in check.needs):
            found += _made(check, severity, snapshot, goal)
    return sort_by_severity(found)
