# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check is, what it is asked about, and what it finds."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

#: Objects on which anything is decided later are no texts.
CheckResults = Iterator[tuple["ObjectRef | str", str]]
ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
WAIVED = "waived"
#: What findings count as, worst first.
EFFECTIVE_SEVERITIES = (*SEVERITIES, WAIVED)
BEFORE, AFTER = "before", "after"
#: Where each code has a section of its own.
DOCS = "https://github.com/meshops/istio/blob/main/docs/findings.md"


@dataclasses.dataclass(frozen=True)
class Upgrade:
    """What the run is about: strategy, target version and revision, and the revision it starts from.

    ``installer`` is empty and ``today`` None where the one who asks did not say.
    """

    strategy: str = "canary"
    version: Version | None = None
    revision: str = ""
    source: str | None = None
    stage: str = BEFORE
    installer: str = ""
    today: datetime.date | None = None


@dataclasses.dataclass(frozen=True)
class Check:
    """One row: ``after`` is its severity after an upgrade, None where it is about the start only.

    ``needs`` names what it looks at beside the mesh, so that it is not made, instead of passed, where that is unread.
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
        """Return its severity at a stage, or None where it is not made."""
        return self.after if stage == AFTER else self.severity

    @property
    def docs(self) -> str:
        """URL of its section in the documentation."""
        return f"{DOCS}#{self.code.lower()}"

    def found(self, place: ObjectRef | str, message: str, severity: str) -> Finding:
        """Return what it found at one object."""
        about = place if isinstance(place, ObjectRef) else None
        return Finding(
            self.code, severity, self.title, str(place), message, self.why, self.remedy, self.docs, about=about
        )


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a check found at one object."""

    code: str
    severity: str
    title: str
    object: str
    message: str
    why: str
    remedy: str
    docs: str
    #: Reason and last day of the waiver that holds for it.
    waived: Mapping[str, str] | None = None
    #: The object as decisions know it; not part of results.
    about: ObjectRef | None = dataclasses.field(default=None, compare=False)

    @property
    def weight(self) -> str:
        """What it counts as: its severity, unless it is waived."""
        return WAIVED if self.waived else self.severity

    def as_dict(self) -> dict[str, t.Any]:
        """Return the JSON-ready form that results carry."""
        found = dataclasses.asdict(self)
        del found["about"]
        return found


def find_nothing(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    """Find nothing in a cluster: such rows are what the gate itself has to say."""
    yield from ()


def sort_by_severity(found: Iterable[Finding]) -> list[Finding]:
    """Return findings in the order in which results list them: what is waived comes last, ours before istioctl's."""
    return sorted(
        found,
        key=lambda one: (EFFECTIVE_SEVERITIES.index(one.weight), not one.code.startswith("MU"), one.code, one.object),
    )
