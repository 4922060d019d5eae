# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by all tests of module_utils."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, settings

from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import proxy_check, rollout_checks

# No deadlines, as the machine may be busy, and no folder of its own.
settings.register_profile(
    "unit", deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unit")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between two looks are short, and nothing has to last."""
    monkeypatch.setattr(rollout_checks, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(rollout_checks, "LASTS_SECONDS", 0.0)
    monkeypatch.setattr(proxy_check, "SETTLE_SECONDS", 0.2)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.02)))
