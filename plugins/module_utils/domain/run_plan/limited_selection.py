# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select namespaces and tags within the limits of a user, for the plans of a run.

All plans come from the result of istio_info. They name each object that a limit leaves out, with the reason, so that a
user does not take it for done.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits

Row = Mapping[str, t.Any]
TAG, LABEL, STAY = "tag", "label", "stay"
MOVED, BACK = "moved", "moved back"
#: A hint for the namespaces that follow a tag that stays, by the direction of the move.
HINTS = {
    MOVED: f" With istio_tagged_namespaces={LABEL} the others get a label of their own and move without the tag.",
    BACK: "",
}


class Skipped(t.TypedDict):
    """A namespace or a tag that the limits leave out."""

    object: str
    reason: str


@dataclasses.dataclass
class LimitedSelection:
    """Rows of namespaces, selected by limits."""

    rows: Sequence[Row]
    limits: NamespaceLimits
    skipped: list[Skipped] = dataclasses.field(default_factory=list)

    def allows(self, row: Row) -> bool:
        return self.limits.allows(row["name"])

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append({"object": name, "reason": reason})

    def allowed(self, rows: Iterable[Row], verb: str) -> list[Row]:
        """Return the rows that the limits allow, and record the others."""
        candidates = list(rows)
        for row in candidates:
            if reason := self.limits.exclusion_reason(row["name"]):
                self.skip(f"namespace {row['name']}", f"is not {verb}: {reason}.")
        return [row for row in candidates if self.allows(row)]

    def followers(self, tag: str) -> list[Row]:
        """Return the namespaces that follow a tag, by their labels or by those of their pods."""
        rows = (row for row in self.rows if row["name"] not in IGNORED_NAMESPACES)
        return [row for row in rows if row["revision_label"] == tag or tag in row["followed_tags"]]

    def excluded_followers(self, tag: str) -> str:
        """Return the namespaces that follow a tag and are excluded by the limits, or an empty text."""
        reasons = {row["name"]: self.limits.exclusion_reason(row["name"]) for row in self.followers(tag)}
        return join_limited([f"{name} ({reason})" for name, reason in reasons.items() if reason])

    def keeps_tag(self, tag: str, verb: str) -> bool:
        """Return whether the limits keep a tag where it is, and record why: it moves all namespaces that follow it."""
        excluded = self.excluded_followers(tag)
        unfollowed = self.limits.allow_only_named and not self.followers(tag)
        if excluded:
            self.skip(f"tag {tag}", f"is not {verb}, because it is followed by {excluded}.{HINTS[verb]}")
        elif unfollowed:
            self.skip(f"tag {tag}", f"is not {verb}, because no namespace in the limits follows it.")
        return bool(excluded or unfollowed)

    def lines(self) -> list[str]:
        """Return a line for each object that is skipped."""
        return [f"{row['object'][0].upper()}{row['object'][1:]} {row['reason']}" for row in self.skipped]
