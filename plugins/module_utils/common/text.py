# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How messages name several things."""

from __future__ import annotations

from collections.abc import Sequence


def some(things: Sequence[object], count: int = 5, between: str = ", ") -> str:
    """Return the first things in one line, and how many there are more."""
    more = [f"and {len(things) - count} more"] if len(things) > count else []
    return between.join([*map(str, things[:count]), *more])
