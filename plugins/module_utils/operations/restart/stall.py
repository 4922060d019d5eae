# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Since when the rollout of a workload does not get on, as progressDeadlineSeconds counts it.

Only what never was so far is progress: pods that get ready, lose it and get ready again do not keep a rollout alive, so
that it has as many steps as it has pods, and an end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef


@dataclasses.dataclass
class Stall:
    """How far each workload of a batch got, and since when it gets no further."""

    clock: Callable[[], float] = time.monotonic
    _most: dict[ObjectRef, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    _since: dict[ObjectRef, float] = dataclasses.field(default_factory=dict)

    def seconds(self, key: ObjectRef, marks: Sequence[int]) -> float:
        """Return for how long a workload has got no further than it ever was; each mark grows with progress."""
        most = self._most.get(key)
        if most is None or any(mark > before for mark, before in zip(marks, most, strict=True)):
            self._most[key] = tuple(map(max, marks, most or marks))
            self._since[key] = self.clock()
        return self.clock() - self._since[key]

    def renew(self, key: ObjectRef) -> None:
        """Count anew from here: something is known to be under way, such as a pod in its grace period."""
        self._since[key] = self.clock()

    def forget(self, key: ObjectRef) -> None:
        """Begin anew, as with another rollout."""
        self._most.pop(key, None)
