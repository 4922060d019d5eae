# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply waivers: findings that a user accepts at some objects, for a reason and up to a date."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    Check,
    Finding,
    sort_by_severity,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_codes import ISTIOCTL_CODE
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    CHECK_FAILED,
    CHECKS_BY_CODE,
    EXPIRED_WAIVER,
    ISTIOCTL_CODES,
    NOT_RUN,
    UNUSED_WAIVER,
)

KEYS = ("code", "object", "expires", "reason")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclasses.dataclass(frozen=True)
class Waiver:
    """One code that is accepted at the objects that a pattern matches, up to and including a date."""

    code: str
    object: str
    expires: datetime.date
    reason: str

    def matches(self, finding: Finding) -> bool:
        """Return whether it is about a finding, expired or not."""
        return self.code == finding.code and fnmatch.fnmatchcase(str(finding.ref), self.object)

    def finding(self, check: Check, message: str) -> Finding:
        """Return a finding about the waiver itself."""
        ref = cluster_object("waiver", f"{self.code} {self.object}")
        return check.finding(ref, f"{message} Its reason: {self.reason}", check.severity)


def parse_waivers(entries: Iterable[Mapping[str, t.Any]]) -> list[Waiver]:
    """Return the waivers of parameter ``waivers``.

    Raises:
        ParameterError: names the entry that is not valid, and what to write instead.
    """
    return [_parse_waiver(f"Parameter waivers, entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _parse_waiver(where: str, entry: Mapping[str, t.Any]) -> Waiver:
    unknown = sorted(str(key) for key in entry if key not in KEYS)
    if unknown:
        raise ParameterError(f"{where}: unknown key {', '.join(unknown)}; known keys are {', '.join(KEYS)}.")
    # A date in YAML is a date; a date in an AWX survey is text.
    values = {key: str(entry.get(key) or "").strip() for key in KEYS}
    code, pattern = values["code"], values["object"] if "object" in entry else "*"
    if not code:
        raise ParameterError(f"{where}: code is missing; set it to the code of the finding, such as MU010.")
    where = f"{where} ({code})"
    if not ISTIOCTL_CODE.fullmatch(code):
        refuse_unknown("waivers", "finding", [code], [*CHECKS_BY_CODE, ISTIOCTL_CODES])
    if code in (EXPIRED_WAIVER.code, UNUSED_WAIVER.code):
        raise ParameterError(f"{where}: this finding is about waivers; correct the waiver, or add the code to allow.")
    if not pattern:
        raise ParameterError(f"{where}: object is empty; set it to a pattern, or omit it to waive the code everywhere.")
    if not values["reason"]:
        raise ParameterError(f"{where}: reason is missing; state why the finding is accepted.")
    return Waiver(code, pattern, _parse_expiry(where, values["expires"]), values["reason"])


def _parse_expiry(where: str, text: str) -> datetime.date:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        return datetime.date.fromisoformat(text)
    except ValueError:
        problem = f"expires is {text!r}, which is not a valid date" if text else "expires is missing"
        raise ParameterError(
            f"{where}: {problem}; set it to the last day on which the waiver applies, such as 2027-03-31."
        ) from None


def apply_waivers(
    findings: Sequence[Finding], waivers: Sequence[Waiver], today: datetime.date, stage: str
) -> list[Finding]:
    """Return the findings, marked where a waiver applies, and findings about the waivers themselves; worst first."""
    active = [waiver for waiver in waivers if waiver.expires >= today]
    result = [_mark(finding, active) for finding in findings]
    result += [_expired(waiver, findings) for waiver in waivers if waiver not in active]
    result += [waiver.finding(UNUSED_WAIVER, "It matches no finding.") for waiver in _unused(findings, active, stage)]
    return sort_by_severity(result)


def _mark(finding: Finding, active: Iterable[Waiver]) -> Finding:
    for waiver in active:
        if waiver.matches(finding):
            return dataclasses.replace(finding, waived={"reason": waiver.reason, "expires": waiver.expires.isoformat()})
    return finding


def _expired(waiver: Waiver, findings: Iterable[Finding]) -> Finding:
    matching = sum(map(waiver.matches, findings))
    return waiver.finding(
        EXPIRED_WAIVER, f"It applied until {waiver.expires} and matches {matching or 'none'} of the findings."
    )


def _unused(findings: Sequence[Finding], active: Iterable[Waiver], stage: str) -> list[Waiver]:
    """Return the waivers that match no finding although their check ran.

    The findings of istioctl depend on its version and on whether it could run, so waivers of its codes are never
    reported as unused. After an upgrade no waiver is, because the upgrade fixes many findings that were waived before.
    """
    not_run = {finding.ref.name for finding in findings if finding.code in (NOT_RUN.code, CHECK_FAILED.code)}
    return [
        waiver
        for waiver in active
        if stage == BEFORE
        and waiver.code in CHECKS_BY_CODE
        and waiver.code not in not_run
        and not any(map(waiver.matches, findings))
    ]
