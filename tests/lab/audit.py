# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the audit log of an API server."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from .errors import LabError

Json = dict[str, Any]
FENCE_SECONDS = 30.0
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Creations that store nothing: reviews, tokens and streams.
VIRTUAL = frozenset(
    {
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectreviews",
        "selfsubjectrulesreviews",
        "subjectaccessreviews",
        "tokenreviews",
    }
)
VIRTUAL_SUBRESOURCES = frozenset({"token", "portforward", "exec", "attach", "proxy"})


class Mark(NamedTuple):
    """A time in microseconds, as in the log, and the length of the log at that time."""

    at: int
    position: int


def mark(log: Path) -> Mark:
    """Return a mark; later events come after it."""
    return Mark(time.time_ns() // 1000, log.stat().st_size if log.exists() else 0)


def since(log: Path, begin: Mark, fence: str) -> list[Json]:
    """Return the events of requests after a mark, up to the request whose URI contains the fence.

    An answer may arrive before its line is in the log, so wait for the line of the last request.
    """
    deadline = time.monotonic() + FENCE_SECONDS
    while True:
        with log.open("rb") as handle:
            handle.seek(begin.position)
            lines = handle.read().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith(b"\n")]
        ends = [at for at, event in enumerate(events) if fence in event["requestURI"]]
        if ends:
            return [event for event in events[: ends[0]] if _received(event) >= begin.at]
        if time.monotonic() > deadline:
            raise LabError(f"A request was not in the audit log {log} after {FENCE_SECONDS:.0f} s.")
        time.sleep(0.01)


def _received(event: Json) -> int:
    """Return the time of a request, in microseconds."""
    at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"])
    return (at - EPOCH) // datetime.timedelta(microseconds=1)


def is_dry_run(event: Json) -> bool:
    """Return whether the request was a dry run."""
    return parse_qs(urlsplit(event["requestURI"]).query).get("dryRun") == ["All"]


def is_write(event: Json) -> bool:
    """Return whether the request was meant to change a stored object."""
    target = event.get("objectRef", {})
    return (
        event["verb"] in WRITES
        and event["stage"] == "ResponseComplete"
        and target.get("resource") not in VIRTUAL
        and target.get("subresource") not in VIRTUAL_SUBRESOURCES
    )
