# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of an API server's audit log."""

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
# Creates that store nothing: questions, tokens and streams.
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
    """A time in microseconds, as the log has it, and the length of the log by then."""

    at: int
    position: int


def mark(log: Path) -> Mark:
    """What comes from now on is behind this."""
    return Mark(time.time_ns() // 1000, log.stat().st_size if log.exists() else 0)


def since(log: Path, begin: Mark, fence: str) -> list[Json]:
    """The events of requests that came after a mark, up to the request whose URI has the fence in it.

    An answer may be there before its line is in the log, so wait for the line of a request that came last.
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
    """When a request came, in microseconds."""
    at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"])
    return (at - EPOCH) // datetime.timedelta(microseconds=1)


def is_dry_run(event: Json) -> bool:
    """Whether the request asked the server not to store anything."""
    return parse_qs(urlsplit(event["requestURI"]).query).get("dryRun") == ["All"]


def is_write(event: Json) -> bool:
    """Whether the request was there to change something that is stored."""
    target = event.get("objectRef", {})
    return (
        event["verb"] in WRITES
        and event["stage"] == "ResponseComplete"
        and target.get("resource") not in VIRTUAL
        and target.get("subresource") not in VIRTUAL_SUBRESOURCES
    )
