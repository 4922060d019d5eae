# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches the proxy statuses for copies of a snapshot that share the inputs of the statuses."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyStatus

ProxyStatuses = list[tuple[Pod, ProxyStatus]]


class ProxyStatusCache:
    """The last statuses that were computed, with the objects that they were computed from."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], ProxyStatuses] | None = None

    def get(self, inputs: tuple[object, ...], compute: Callable[[], ProxyStatuses]) -> ProxyStatuses:
        """Return the last statuses if their inputs were these very objects, else compute them."""
        last = self._last
        if last is None or any(old is not new for old, new in zip(last[0], inputs, strict=True)):
            last = self._last = (inputs, compute())
        return last[1]
