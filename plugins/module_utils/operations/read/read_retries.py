# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats a read that fails: an error of the reader is not evidence about the objects."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, ClusterError

PAUSE_SECONDS = 1.0


def read_with_retries(seconds: float, read: Callable[[], t.Any]) -> t.Any:
    """Return the result of a read, which is repeated for some seconds while it fails.

    Raises:
        ApiError: the API server still refuses it after these seconds.
        ClusterError: the cluster still does not answer after these seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return read()
        except (ApiError, ClusterError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_SECONDS)
