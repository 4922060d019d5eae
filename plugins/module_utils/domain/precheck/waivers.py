# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: findings that somebody accepts at some objects, for a reason and until a day."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, refuse_unknown
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
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclasses.dataclass(frozen=True)
class Waiver:
    """One finding that is accepted at the objects that a pattern matches, up to and with a day."""

    code: str
    object: str
    expires: datetime.date
    reason: str

    def matches(self, finding: Finding) -> bool:
        """Whether it is about a finding, expired or not."""
        return self.code == finding.code and fnmatch.fnmatchcase(finding.object, self.object)

    def found(self, check: Check, message: str) -> Finding:
        """Return what there is to say about the waiver itself."""
        return check.found(f"waiver {self.code} {self.object}", f"{message} Its reason: {self.reason}", check.severity)


def parse_waivers(given: Iterable[Mapping[str, t.Any]]) -> list[Waiver]:
    """Return the waivers of parameter ``waivers``.

    Raises:
        ParameterError: one of them is wrong; it names the entry and what would be right.
    """
    return [_required(f"Parameter waivers, entry {at}", one) for at, one in enumerate(given, 1)]


def _required(where: str, given: Mapping[str, t.Any]) -> Waiver:
    unknown = sorted(str(key) for key in given if key not in KEYS)
    if unknown:
        raise ParameterError(f"{where}: there is no key {', '.join(unknown)}; known are {', '.join(KEYS)}.")
    # dates of YAML are dates, those of surveys are text
    text = {key: str(given.get(key) or "").strip() for key in KEYS}
    code, place = text["code"], text["object"] if "object" in given else "*"
    if not code:
        raise ParameterError(f"{where}: code is missing; give the code of the finding, such as MU010.")
    where = f"{where} ({code})"
    if not ISTIOCTL_CODE.fullmatch(code):
        refuse_unknown("waivers", "finding", [code], [*CHECKS_BY_CODE, ISTIOCTL_CODES])
    if code in (EXPIRED_WAIVER.code, UNUSED_WAIVER.code):
        raise ParameterError(f"{where}: this finding is about waivers; correct the waiver, or name the code in allow.")
    if not place:
        raise ParameterError(f"{where}: object is empty; give a pattern, or leave it out to waive it everywhere.")
    if not text["reason"]:
        raise ParameterError(f"{where}: reason is missing; say why the finding is accepted.")
    return Waiver(code, place, _day(where, text["expires"]), text["reason"])


def _day(where: str, text: str) -> datetime.date:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return datetime.date.fromisoformat(text)
    except ValueError:
        what = f"expires is {text!r}, which is no date" if text else "expires is missing"
        raise ParameterError(f"{where}: {what}; give the last day on which it holds, such as 2027-03-31.") from None


def apply_waivers(
    found: Sequence[Finding], waivers: Sequence[Waiver], today: datetime.date, stage: str
) -> list[Finding]:
    """Return the findings, marked where a waiver holds, and what there is to say about the waivers; worst first."""
    holding = [waiver for waiver in waivers if waiver.expires >= today]
    marked = [_marked(finding, holding) for finding in found]
    marked += [_expired(waiver, found) for waiver in waivers if waiver not in holding]
    marked += [waiver.found(UNUSED_WAIVER, "It matches nothing.") for waiver in _unused(found, holding, stage)]
    return sort_by_severity(marked)


def _marked(finding: Finding, holding: Iterable[Waiver]) -> Finding:
    for waiver in holding:
        if waiver.matches(finding):
            mark = {"reason": waiver.reason, "expires": waiver.expires.isoformat()}
            return dataclasses.replace(finding, waived=mark)
    return finding


def _expired(waiver: Waiver, found: Iterable[Finding]) -> Finding:
    about = sum(map(waiver.matches, found))
    return waiver.found(
        EXPIRED_WAIVER, f"It held until {waiver.expires} and matches {about or 'none'} of the findings."
    )


def _unused(found: Sequence[Finding], holding: Iterable[Waiver], stage: str) -> list[Waiver]:
    """Return the waivers that match nothing, though what they are for was looked for.

    What istioctl finds depends on its version and on whether it could run: its codes are never called unused. Nor is
    any after an upgrade, which mends much of what was waived before.
    """
    not_made = {one.about.name for one in found if one.about and one.code in (NOT_RUN.code, CHECK_FAILED.code)}
    return [
        waiver
        for waiver in holding
        if stage == BEFORE
        and waiver.code in CHECKS_BY_CODE
        and waiver.code not in not_made
        and not any(map(waiver.matches, found))
    ]
