# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Until when certificates are valid; nothing else of them is read, so no library is needed.

Source: RFC 5280, section 4.1 (Certificate, TBSCertificate, Validity), in DER as ITU-T X.690 encodes it.
"""

from __future__ import annotations

import base64
import datetime
import re
import typing as t

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


class _Element(t.NamedTuple):
    """A part of DER: what it is, and where its content begins and ends."""

    tag: int
    start: int
    end: int


def _element(der: bytes, at: int) -> _Element:
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    return _Element(tag, start, start + length)


def _not_after(der: bytes) -> datetime.datetime:
    certificate = _element(der, 0)
    body = _element(der, certificate.start)
    at = body.start
    if _element(der, at).tag == _VERSION:
        at = _element(der, at).end
    # serial number, signature algorithm and issuer come before the validity
    for dummy in range(3):
        at = _element(der, at).end
    validity = _element(der, at)
    if {certificate.tag, body.tag, validity.tag} != {_SEQUENCE}:
        raise ValueError("this is no certificate")
    end = _element(der, _element(der, validity.start).end)
    text = der[end.start : end.end].decode("ascii")
    if end.tag == _UTC_TIME:
        # RFC 5280 4.1.2.5.1: two digits of the year, up to 2049
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif end.tag != _GENERALIZED_TIME:
        raise ValueError("the validity has no time")
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)


def last_day(bundle: str) -> datetime.date | None:
    """Return the day on which the last certificate of a ``caBundle`` ends, or None where none can be read."""
    try:
        found = [_not_after(base64.b64decode(pem)) for pem in _PEM.findall(base64.b64decode(bundle))]
    except (IndexError, ValueError):
        return None
    return max(found).date() if found else None
