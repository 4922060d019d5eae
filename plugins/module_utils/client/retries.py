# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answers of an API server say only that it is busy, so that asking again is right."""

from __future__ import annotations

import ssl
import typing as t
from collections.abc import Mapping

#: The server, or something before it, turned the request away.
BUSY = (429, 503)
#: Something went wrong behind who answers, which may have carried out the request.
UNCLEAR = (500, 502, 504)
#: No request is sent again later than that after it was sent first.
PATIENCE = 60.0
#: How the API server begins to say that a webhook failed or refused, which is an answer (apiserver pkg/admission).
WEBHOOK = (b"failed calling webhook", b"admission webhook")


def repeatable(method: str, params: Mapping[str, t.Any]) -> bool:
    """Return whether a request may be sent again although it may have been carried out."""
    # what is deleted twice is not there the second time, which all who delete take for done
    return method in ("GET", "PATCH", "DELETE") or bool(params.get("dryRun"))


def transient(status: int, again: bool, body: bytes) -> bool:
    """Return whether the same request may be answered otherwise in a moment.

    HTTP 500 is what requests get while etcd changes its leader (kubernetes/kubernetes#112152), 502 and 504 come from
    what is before the server. They do not say whether a request was carried out, so only those are sent ``again`` for
    which that makes no difference.
    """
    if status in BUSY:
        return True
    return status in UNCLEAR and again and not any(words in body for words in WEBHOOK)


def hung_up(exc: Exception) -> bool:
    """Return whether the other side closed the connection in the middle of TLS, which refuses nothing."""
    return any(isinstance(cause, ssl.SSLEOFError) for cause in (*exc.args, exc.__cause__))
