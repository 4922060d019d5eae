# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the tests of refusals."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab import Cluster

Json = dict[str, Any]


@contextlib.contextmanager
def no_write(cluster: Cluster) -> Iterator[None]:
    """Assert that no client writes to the API server meanwhile."""
    mark = cluster.audit_mark()
    yield
    assert cluster.writes_since(mark) == []


def refusal(result: Json, kind: str) -> str:
    """The sentence of a refused task."""
    assert result.get("failed"), result
    assert result["failure"]["kind"] == kind
    return str(result["msg"])


def container() -> Json:
    """A pod's only container."""
    return {"containers": [{"name": "app", "image": "registry.example/app:1"}]}


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait for what a controller does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
