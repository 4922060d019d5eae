# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another client that puts an object back: a loop with a field manager of its own, such as a GitOps controller."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from field.meshes import MERGE
from lab import ApiError, Cluster

Json = dict[str, Any]


@contextlib.contextmanager
def put_back(
    cluster: Cluster,
    path: str,
    differs: Callable[[Json], bool],
    patch: Json,
    *,
    manager: str = "argocd-controller",
    delay: float = 1.0,
    content_type: str = MERGE,
) -> Iterator[list[float]]:
    """Patch an object whenever it differs, after a delay; yields the times at which that happened."""
    end, times = threading.Event(), list[float]()

    def loop() -> None:
        while not end.wait(0.02):
            with contextlib.suppress(ApiError):
                if differs(cluster.request("GET", path)) and not end.wait(delay):
                    cluster.request("PATCH", path, patch, {"fieldManager": manager}, content_type=content_type)
                    times.append(time.time())

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        end.set()
        thread.join(30)
