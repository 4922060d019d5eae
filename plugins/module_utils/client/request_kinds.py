# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which requests write, and counts the requests of a task by kind: reads, writes and dry runs."""

from __future__ import annotations

import dataclasses
import threading
import typing as t
from collections.abc import Mapping

#: POST requests that change nothing: they query the permissions of the user.
REVIEW_PATHS = "/apis/authorization.k8s.io/v1/selfsubject"


def is_write(method: str, path: str, params: Mapping[str, t.Any]) -> bool:
    """Return whether a request changes an object."""
    return method != "GET" and not params.get("dryRun") and not path.startswith(REVIEW_PATHS)


@dataclasses.dataclass
class RequestCounts:
    """Requests that got an answer, by kind; a write counts only if it was accepted.

    Results show these numbers as a measure of cost.
    """

    reads: int = 0
    writes: int = 0
    dry_runs: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def count(self, method: str, path: str, params: Mapping[str, t.Any]) -> None:
        """Count one request."""
        with self._lock:
            if method == "GET":
                self.reads += 1
            elif is_write(method, path, params):
                self.writes += 1
            else:
                self.dry_runs += 1
