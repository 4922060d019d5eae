# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads when the maintenance window of a restart ends."""

from __future__ import annotations

import datetime
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

#: How far ahead a time of the day may be; a time further ahead is that time on the previous day.
AHEAD = datetime.timedelta(hours=12)


def window_end(given: str, now: datetime.datetime) -> datetime.datetime:
    """Return when a maintenance window ends; for a time of the day, the nearest such time before or after now.

    Raises:
        ParameterError: it is neither a time of the day nor a timestamp with its offset from UTC.
    """
    clock = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", given.strip())
    if clock:
        today = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        days = (today + datetime.timedelta(days=shift) for shift in (1, 0, -1))
        return next(day for day in days if day - now <= AHEAD)
    try:
        end = datetime.datetime.fromisoformat(given.strip())
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise ParameterError(
            f"Parameter not_after: {given!r} is neither a time of the day in UTC, such as '02:30' (in quotes: YAML "
            "reads 22:30 as a number), nor a timestamp such as 2026-03-01T02:30:00Z."
        )
    return end
