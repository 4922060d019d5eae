# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tracker of Deployment shop/web on a fake cluster."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker

KEY = ObjectRef("shop", "Deployment", "web")


def soon(tracker: WorkloadTracker, holds: Callable[[], bool]) -> bool:
    """Whether something becomes true within a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        tracker.wait(0.02)
    return holds()
