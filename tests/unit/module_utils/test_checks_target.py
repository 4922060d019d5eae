# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target does not support, does otherwise, or knows no more."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._support import ENDS, support_ended
from ansible_collections.meshops.istio.plugins.module_utils._versions import Version
from unit.module_utils import builders as b
from unit.module_utils.checking import GOAL, HEALTHY, fired

TODAY = datetime.date(2026, 11, 23)
NOW = dataclasses.replace(GOAL, today=TODAY)
OLD_PLANE = [*b.plane("1-29-2"), *b.revision_tag("default", "1-29-2"), *b.namespaces()]

FIRES = [
    pytest.param(
        "MU032",
        "Istio 1.29.2",
        HEALTHY,
        {"goal": dataclasses.replace(NOW, version=Version(1, 29, 2))},
        id="MU032: a target that gets no fixes",
    ),
    pytest.param(
        "MU048",
        "revision 1-29-2",
        OLD_PLANE,
        {"goal": dataclasses.replace(NOW, source="1-29-2")},
        id="MU048: a source that gets no fixes",
    ),
]


@pytest.mark.parametrize(
    ("version", "today", "sentence"),
    [
        (Version(1, 29, 5), datetime.date(2026, 10, 12), None),
        (Version(1, 29, 5), datetime.date(2026, 10, 13), "Support of Istio 1.29 ended on 2026-10-12."),
        (Version(1, 20, 0), TODAY, "Support of Istio 1.20 ended before 2025-06-24."),
        (Version(1, 31, 0), datetime.date(2030, 1, 1), None),
        (Version(2, 0, 0), TODAY, None),
    ],
)
def test_when_support_ends(version: Version, today: datetime.date, sentence: str | None) -> None:
    assert support_ended(version, today) == sentence


def test_support_ends_minor_by_minor() -> None:
    assert list(ENDS) == list(range(min(ENDS), max(ENDS) + 1))
    assert list(ENDS.values()) == sorted(ENDS.values())


def test_what_is_supported_and_what_nobody_asks_about_is_silent() -> None:
    assert fired(HEALTHY, NOW) == {}
    assert fired(OLD_PLANE, dataclasses.replace(NOW, source="1-29-2", today=None)) == {}
