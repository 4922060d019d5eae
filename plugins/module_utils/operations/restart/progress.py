# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how far a restart is: one line for each change, and never more than one a second.

Where nobody looks on, as in the log of a nightly run, only each batch's begin and end, and now and then how it gets on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

SECONDS = 1.0
#: With nothing done for so long, a line tells that pods get on at least.
STILL_SECONDS = 15.0
NAMED = 3


@dataclasses.dataclass
class Progress:
    """The live lines of one task; ``pods`` is how many the whole task replaces."""

    say: Callable[[str], None]
    pods: int = 0
    watched: bool = True
    clock: Callable[[], float] = time.monotonic
    #: Seconds of soaks and pauses to come, in which no pod gets ready.
    later: float = 0.0
    _since: float | None = None
    _worked: float = 0.0
    _finished: int = 0
    _spoke: float = float("-inf")
    _said: tuple[str, int] = ("", -1)
    _pods_said: int = -1

    def begin(self) -> None:
        """Count time from here, if it is not counted yet."""
        if self._since is None:
            self._since = self.clock()

    def rest(self) -> None:
        """Count no time until more pods are replaced."""
        self._worked, self._since = self._elapsed(self.clock()), None

    def _elapsed(self, now: float) -> float:
        return self._worked + (now - self._since if self._since is not None else 0.0)

    def step(self, label: str, done: int, workloads: int, pods: int, waiting: Sequence[str]) -> None:
        """Say how many workloads and pods of a batch are done, if that is news and the last line is old enough."""
        now = self.clock()
        quiet = now - self._spoke
        news = (label, done) != self._said or (pods != self._pods_said and quiet >= STILL_SECONDS)
        enough = SECONDS if self.watched or label != self._said[0] else STILL_SECONDS
        if not news or (quiet < enough and waiting):
            return
        self._said, self._pods_said, self._spoke = (label, done), pods, now
        names = ", ".join(waiting[:NAMED]) + (", ..." if len(waiting) > NAMED else "")
        parts = [f"{label}: {done} of {workloads} workloads done", *self._rate(pods, now)]
        self.say(", ".join(parts + ([f"waiting for {names}"] if names else [])))

    def finished(self, pods: int) -> None:
        """Count the pods of a batch that is done."""
        self._finished += pods

    def _rate(self, pods: int, now: float) -> list[str]:
        """Return the pods that are ready in words, with how fast that goes and when it ends, once that can be told."""
        ready, elapsed = self._finished + pods, self._elapsed(now)
        if not self.pods or not ready:
            return []
        said = [f"{min(ready, self.pods)} of {self.pods} pods"]
        if elapsed >= SECONDS and ready < self.pods:
            rate = ready / elapsed
            said += [f"{rate:.1f} pods/s", f"about {(self.pods - ready) / rate + self.later:.0f} s left"]
        return said
