# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures for how long the rollout of a workload makes no progress, as progressDeadlineSeconds does.

Only a new maximum is progress: pods that become ready, lose it and become ready again do not keep a rollout alive. So
a rollout has at most as many steps as it has pods, and it ends.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef


@dataclasses.dataclass
class StallClock:
    """The furthest progress of each workload of a batch, and since when there was none."""

    clock: Callable[[], float] = time.monotonic
    _furthest: dict[ObjectRef, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    _since: dict[ObjectRef, float] = dataclasses.field(default_factory=dict)

    def seconds(self, ref: ObjectRef, marks: Sequence[int]) -> float:
        """Return for how many seconds no mark of a workload has exceeded its maximum; marks grow with progress."""
        furthest = self._furthest.get(ref)
        if furthest is None or any(mark > before for mark, before in zip(marks, furthest, strict=True)):
            self._furthest[ref] = tuple(map(max, marks, furthest or marks))
            self._since[ref] = self.clock()
        return self.clock() - self._since[ref]

    def restart(self, ref: ObjectRef) -> None:
        """Count from now on: something is known to be in progress, such as the grace period of a pod."""
        self._since[ref] = self.clock()

    def forget(self, ref: ObjectRef) -> None:
        """Forget the progress of a workload, as another rollout begins."""
        self._furthest.pop(ref, None)


@dataclasses.dataclass
class ConditionClock:
    """Since when each condition of a workload, such as a reason or a broken pod, holds without a break."""

    _since: dict[tuple[ObjectRef, str], float] = dataclasses.field(default_factory=dict)

    def lasts(self, ref: ObjectRef, condition: str, seconds: float) -> bool:
        """Return whether a condition, which holds now, has held for some seconds."""
        return time.monotonic() - self._since.setdefault((ref, condition), time.monotonic()) >= seconds

    def end(self, ref: ObjectRef, condition: str) -> None:
        """Note that a condition does not hold now."""
        self._since.pop((ref, condition), None)

    def end_all(self, ref: ObjectRef, except_prefix: str) -> None:
        """Note that no condition of a workload holds now, except those that begin with a prefix."""
        self._since = {
            key: since for key, since in self._since.items() if key[0] != ref or key[1].startswith(except_prefix)
        }
