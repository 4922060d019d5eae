# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads again what could not be read: trouble of the reader is none of what it looks at."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError

AGAIN_SECONDS = 1.0


def patiently(seconds: float, read: Callable[[], t.Any]) -> t.Any:
    """Return what is read, once it can be.

    Raises:
        ApiError: it cannot be read within some seconds.
        ClusterError: the cluster does not answer within some seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return read()
        except (ApiError, ClusterError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(AGAIN_SECONDS)
