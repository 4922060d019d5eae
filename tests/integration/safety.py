# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of refusals share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lab import Cluster

Json = dict[str, Any]


@contextlib.contextmanager
def no_write(cluster: Cluster) -> Iterator[None]:
    """Nobody writes to the API server meanwhile."""
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
