# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the expiry of CA certificates."""

from __future__ import annotations

import base64
import datetime
import ssl


def expiry_date(bundle: str) -> datetime.date | None:
    """Return the day on which the last CA certificate of a ``caBundle`` expires, or None if it cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=base64.b64decode(bundle).decode())
        expiry_times = [ssl.cert_time_to_seconds(str(cert["notAfter"])) for cert in context.get_ca_certs()]
    except (ValueError, ssl.SSLError):
        return None
    return datetime.datetime.fromtimestamp(max(expiry_times), datetime.UTC).date() if expiry_times else None
