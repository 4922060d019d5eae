# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an amount of something: a number or a percentage."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError


@dataclasses.dataclass(frozen=True)
class Amount:
    """A number, or a percentage of something."""

    number: int
    percent: bool = False

    def of(self, whole: int) -> int:
        """Return the number; percentages round down as those of ``maxUnavailable`` do, but not below one."""
        return max(1, whole * self.number // 100) if self.percent else self.number


def read_amount(option: str, value: str) -> Amount:
    """Return the amount that an option has.

    Raises:
        ParameterError: it is neither a number above 0 nor a percentage up to 100.
    """
    match = re.fullmatch(r"([0-9]+)(%?)", value.strip())
    amount = Amount(int(match[1]), bool(match[2])) if match else Amount(0)
    if amount.number < 1 or (amount.percent and amount.number > 100):
        raise ParameterError(
            f"Parameter {option}: {value!r} is neither a number above 0 nor a percentage from 1% to 100%."
        )
    return amount
