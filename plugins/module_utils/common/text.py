# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join several items for messages."""

from __future__ import annotations

from collections.abc import Sequence


def join_limited(items: Sequence[object], count: int = 5, between: str = ", ") -> str:
    """Return the first items in one line, and the number of the others."""
    more = [f"and {len(items) - count} more"] if len(items) > count else []
    return between.join([*map(str, items[:count]), *more])
