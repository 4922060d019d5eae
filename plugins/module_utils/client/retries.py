# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which requests are sent again: those whose answer only means that the API server is busy."""

from __future__ import annotations

import random
import ssl
import time
import typing as t
from collections.abc import Mapping

#: The server, or a proxy before it, turned the request away.
BUSY = (429, 503)
#: The server, or a proxy before it, failed, and may have carried out the request.
MAYBE_DONE = (500, 502, 504)
#: No request is sent again later than this many seconds after its first try.
RETRY_SECONDS = 60.0
#: How the API server reports that a webhook failed or refused, which is an answer (apiserver pkg/admission).
WEBHOOK_ERRORS = (b"failed calling webhook", b"admission webhook")


class Retries:
    """Limits the tries of one request by their number and by the time since the first one."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._used = 0
        self._began: float | None = None

    def begin_try(self) -> None:
        """Count a try that starts now."""
        self._used += 1
        if self._began is None:
            self._began = time.monotonic()

    def uncount_last_try(self) -> None:
        """Do not count the last try."""
        self._used -= 1

    def pause(self, retry_after: str | None = None) -> float | None:
        """Return the seconds to wait before the next try, or None if it must not be tried again."""
        if self._used >= self._tries:
            return None
        seconds = backoff_seconds(self._used, retry_after)
        began = time.monotonic() if self._began is None else self._began
        return seconds if time.monotonic() - began + seconds <= RETRY_SECONDS else None


def backoff_seconds(attempt: int, retry_after: str | None) -> float:
    """Return the delay that the server asked for (at most 30 s), else an exponential one from 0.2 s with jitter."""
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), 30.0)
    return min(0.2 * 2.0**attempt, 5.0) * random.uniform(0.5, 1.0)


def is_repeatable(method: str, params: Mapping[str, t.Any]) -> bool:
    """Return whether a request may be sent again although it may have been carried out."""
    # An object that is deleted twice is missing the second time, which every caller of DELETE treats as success.
    return method in ("GET", "PATCH", "DELETE") or bool(params.get("dryRun"))


def is_transient(status: int, repeatable: bool, body: bytes) -> bool:
    """Return whether the same request may get another answer in a moment.

    Requests get HTTP 500 while etcd changes its leader (kubernetes/kubernetes#112152); 502 and 504 come from a proxy
    before the server. They do not show whether a request was carried out, so only ``repeatable`` ones are sent again.
    """
    if status in BUSY:
        return True
    return status in MAYBE_DONE and repeatable and not any(words in body for words in WEBHOOK_ERRORS)


def was_closed_during_tls(exc: Exception) -> bool:
    """Return whether the peer closed the connection during TLS; this does not mean that it refused the certificate."""
    return any(isinstance(cause, ssl.SSLEOFError) for cause in (*exc.args, exc.__cause__))
