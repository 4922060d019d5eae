# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of the maintenance window of a restart (S5)."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.maintenance_window import window_end

NOW = datetime.datetime(2026, 3, 1, 23, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("23:45", "2026-03-01T23:45:00+00:00", id="later today"),
        pytest.param("02:00", "2026-03-02T02:00:00+00:00", id="in the coming night"),
        pytest.param("11:30", "2026-03-02T11:30:00+00:00", id="twelve hours ahead"),
        pytest.param("11:31", "2026-03-01T11:31:00+00:00", id="more: it has passed"),
        pytest.param("23:29", "2026-03-01T23:29:00+00:00", id="a minute ago"),
        pytest.param("2026-03-05T01:00:00Z", "2026-03-05T01:00:00+00:00", id="a timestamp"),
        pytest.param("2026-03-05T01:00:00+02:00", "2026-03-05T01:00:00+02:00", id="with an offset"),
    ],
)
def test_the_end_of_a_window(given: str, expected: str) -> None:
    assert window_end(given, NOW).isoformat() == expected


@given(hours=st.integers(0, 23), minutes=st.integers(0, 59))
def test_a_time_of_the_day_is_never_more_than_twelve_hours_away(hours: int, minutes: int) -> None:
    end = window_end(f"{hours:02}:{minutes:02}", NOW)
    assert abs(end - NOW) <= datetime.timedelta(hours=12)
    assert (end.hour, end.minute) == (hours, minutes)


@pytest.mark.parametrize("given", ["", "1350", "24:00", "2:30", "tomorrow", "2026-03-05", "2026-03-05T01:00:00"])
def test_a_window_without_a_clear_end_is_refused(given: str) -> None:
    with pytest.raises(ParameterError, match=r"Parameter not_after: .* is neither a time of the day in UTC"):
        window_end(given, NOW)
