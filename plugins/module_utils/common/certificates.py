# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when certificates of authorities are valid."""

from __future__ import annotations

import base64
import datetime
import ssl


def last_day(bundle: str) -> datetime.date | None:
    """Return the day on which the last authority of a ``caBundle`` ends, or None where none can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=base64.b64decode(bundle).decode())
        ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    except (ValueError, ssl.SSLError):
        return None
    return datetime.datetime.fromtimestamp(max(ends), datetime.UTC).date() if ends else None
