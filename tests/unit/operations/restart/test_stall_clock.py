# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of rollouts that make no progress."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.stall_clock import StallClock


def test_only_a_new_maximum_is_progress() -> None:
    """Pods that come and go do not keep a rollout alive: it has as many steps as pods, so an end."""
    now, key = [0.0], ("shop", "Deployment", "web")
    stall = StallClock(lambda: now[0])
    seconds = []
    for marks in [(0, 0), (0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 1), (2, 0), (2, 0)]:
        seconds.append(stall.seconds(key, marks))
        now[0] += 1.0
    assert seconds == [0, 1, 0, 0, 1, 2, 3, 0, 1]
    stall.restart(key)
    assert stall.seconds(key, (0, 0)) == 0
    now[0] += 1.0
    stall.forget(key)
    assert stall.seconds(key, (0, 0)) == 0
