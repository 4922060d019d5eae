# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Whether something is the same as at another time."""

from __future__ import annotations

import hashlib
import json
import typing as t


def digest(value: t.Any) -> str:
    """Return the SHA-256 of something that JSON can say, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
