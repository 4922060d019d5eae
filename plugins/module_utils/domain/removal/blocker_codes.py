# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of blockers of a removal: their codes, and what a user accepts with each (safety rule S4)."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import refuse_unknown
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited

#: Codes are stable: users name them to remove a revision anyway. Each has the consequence for the blocking object.
CODES = {
    "tag": "the tag is removed with the revision, and new pods that follow it start without a proxy",
    "namespace": "its new pods start without a proxy, without any error",
    "default_validator": "it is removed with the revision, and configuration without a revision label is not validated",
    "default_service": "it is removed with the revision",
    "live_proxy": "it gets no new configuration, and no new certificate when its own expires (by default after a day)",
    "terminating_proxy": "it gets no new configuration, endpoints and certificates until it is gone",
    "connected_proxy": (
        "it gets no new configuration, and no new certificate when its own expires (by default after a day)"
    ),
    "bound_workload": (
        "its pods reach no istiod any more: they get no new configuration, and no new certificate when the old one "
        "expires"
    ),
    "selects_revision": "its next pod starts without a proxy, without any error",
    "configuration": "no istiod reads it any more, without any error: requests that it denied are allowed",
    "shared_component": "it is deleted with the revision: traffic through it fails immediately",
    "not_checked": "objects that could not be read may need the revision, and lose their control plane",
}
MOVE_DEFAULT = "move all owners of the default: istio_tag name=default revision=..."


class BlockerRow(t.TypedDict):
    """One blocker in the results of a task."""

    code: str
    object: str
    message: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Blocker:
    """One object that still needs a revision, with the way to resolve it."""

    code: str
    object: str
    message: str
    remedy: str

    def as_row(self) -> BlockerRow:
        """Return the JSON-ready form that results carry."""
        return {"code": self.code, "object": self.object, "message": self.message, "remedy": self.remedy}


def require_known_blockers(codes: Iterable[str]) -> None:
    """Refuse unknown codes in parameter ``allow_blockers``.

    Raises:
        ParameterError: it lists the valid codes.
    """
    refuse_unknown("allow_blockers", "blocker", codes, CODES)


def override_warnings(blockers: Iterable[Blocker], revision: str) -> list[str]:
    """Return one warning per code of the blockers that a user allowed: the blockers and the consequence."""
    by_code: dict[str, list[str]] = collections.defaultdict(list)
    for blocker in blockers:
        by_code[blocker.code].append(blocker.message)
    return [
        f"Removing revision {revision} despite {code} blockers (allowed by allow_blockers): "
        f"{join_limited(by_code[code], between='; ')}. Consequence: {consequence}."
        for code, consequence in CODES.items()
        if code in by_code
    ]
