# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define what a check is, the upgrade that it checks, and the findings that it returns."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

#: The results of a check: each object with a problem, and the message about it.
CheckResults = Iterator[tuple[ObjectRef, str]]
ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
WAIVED = "waived"
#: Severities including that of waived findings, worst first.
EFFECTIVE_SEVERITIES = (*SEVERITIES, WAIVED)
BEFORE, AFTER = "before", "after"
#: Page that has a section for each code.
DOCS = "https://github.com/meshops/istio/blob/main/docs/findings.md"


@dataclasses.dataclass(frozen=True)
class Upgrade:
    """The upgrade to check: its strategy, target version, target revision and source revision.

    The installer is an empty text, and the date None, if the caller does not know them.
    """

    strategy: str = "canary"
    version: Version | None = None
    revision: str = ""
    source: str | None = None
    stage: str = BEFORE
    installer: str = ""
    today: datetime.date | None = None
    #: Image tag and values that the user gives to the installation.
    tag: str = ""
    values: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    #: Whether the run moves the default to the target revision in the end.
    finalize: bool = False
    #: The namespaces that the run may touch.
    limits: NamespaceLimits = dataclasses.field(default_factory=NamespaceLimits)
    #: How namespaces move that follow a tag, and whether the run waits until Git has changed labels of namespaces.
    tagged_namespaces: str = "tag"
    waits_for_git: bool = False


class Waived(t.TypedDict):
    """Mark of the waiver that applies to a finding."""

    reason: str
    expires: str


class FindingRow(t.TypedDict):
    """A finding as results carry it."""

    code: str
    severity: str
    title: str
    object: str
    message: str
    why: str
    remedy: str
    docs: str
    waived: Waived | None


@dataclasses.dataclass(frozen=True)
class Check:
    """One row of the table of checks.

    ``after`` is the severity after an upgrade, or None if the check only runs before one. ``needs`` names the fields of
    the precheck inputs that the check reads: if one of them could not be read, the check does not run, instead of
    finding nothing.
    """

    code: str
    severity: str
    title: str
    why: str
    remedy: str
    find: Callable[[Snapshot, Upgrade], CheckResults]
    after: str | None = None
    needs: tuple[str, ...] = ()

    def severity_at(self, stage: str) -> str | None:
        """Return the severity at a stage, or None if the check does not run there."""
        return self.after if stage == AFTER else self.severity

    @property
    def docs(self) -> str:
        """URL of the section about this check in the documentation."""
        return f"{DOCS}#{self.code.lower()}"

    def finding(self, ref: ObjectRef, message: str, severity: str) -> Finding:
        """Return the finding of this check at one object."""
        return Finding(self.code, severity, self.title, ref, message, self.why, self.remedy, self.docs)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem at one object."""

    code: str
    severity: str
    title: str
    ref: ObjectRef
    message: str
    why: str
    remedy: str
    docs: str
    #: Reason and last day of the waiver that applies to it.
    waived: Waived | None = None

    @property
    def object(self) -> str:
        """The object as results and reports name it."""
        return str(self.ref)

    @property
    def effective_severity(self) -> str:
        """The severity, or ``waived``."""
        return WAIVED if self.waived else self.severity

    def as_row(self) -> FindingRow:
        """Return the JSON-ready form that results carry."""
        return {
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "object": self.object,
            "message": self.message,
            "why": self.why,
            "remedy": self.remedy,
            "docs": self.docs,
            "waived": self.waived,
        }


def finding_from_row(row: Mapping[str, t.Any]) -> Finding:
    """Return the finding that a row of a result describes."""
    fields = {key: value for key, value in row.items() if key != "object"}
    return Finding(ref=parse_ref(row["object"]), **fields)


def find_nothing(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    """Yield nothing: findings of such a check come from the precheck itself, not from the cluster."""
    yield from ()


def sort_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings worst first and waived ones last; within a severity, codes of istioctl come last."""
    return sorted(
        findings,
        key=lambda finding: (
            EFFECTIVE_SEVERITIES.index(finding.effective_severity),
            not finding.code.startswith("MU"),
            finding.code,
            finding.object,
        ),
    )
