# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes times in the format of Kubernetes."""

from __future__ import annotations

import datetime


def format_time(time: datetime.datetime) -> str:
    """Return a time in the format of Kubernetes, in whole seconds."""
    return f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
