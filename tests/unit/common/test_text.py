# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in messages are short, and say how much they leave out."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited


@pytest.mark.parametrize(
    ("things", "count", "between", "text"),
    [
        ((), 2, ", ", ""),
        (("a",), 2, ", ", "a"),
        (("a", "b"), 2, ", ", "a, b"),
        (("a", "b", "c"), 2, ", ", "a, b, and 1 more"),
        ((1, 2, 3, 4), 1, "; ", "1; and 3 more"),
    ],
)
def test_some(things: tuple[object, ...], count: int, between: str, text: str) -> None:
    assert join_limited(things, count, between) == text
