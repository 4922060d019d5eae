# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches a result for copies of a frozen object that share the inputs of the result."""

from __future__ import annotations

from collections.abc import Callable


class ResultCache[T]:
    """The last result of a computation, with the objects that it was computed from."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], T] | None = None

    def get(self, inputs: tuple[object, ...], compute: Callable[[], T]) -> T:
        """Return the last result if its inputs were these very objects, else compute it."""
        last = self._last
        if last is None or any(old is not new for old, new in zip(last[0], inputs, strict=True)):
            last = self._last = (inputs, compute())
        return last[1]
