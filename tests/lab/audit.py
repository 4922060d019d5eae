# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of an API server's audit log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
SETTLE_SECONDS = 0.2  # an answer may be on its way before its line is in the log
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


def mark(log: Path) -> int:
    """Where the log ends now."""
    time.sleep(SETTLE_SECONDS)
    return log.stat().st_size if log.exists() else 0


def since(log: Path, position: int) -> list[Json]:
    """All events after a mark."""
    end = mark(log)
    if end <= position:
        return []
    with log.open("rb") as handle:
        handle.seek(position)
        return [json.loads(line) for line in handle.read(end - position).splitlines() if line]


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
