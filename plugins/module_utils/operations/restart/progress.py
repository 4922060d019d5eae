# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the live progress of a restart: one line for each change, and at most one line per second.

Where no user watches, as in the log of a nightly run, only the begin and the end of each batch, and a line now and then
in between.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

SECONDS = 1.0
#: If no workload was done for so long, a line shows that at least some pods were.
STILL_SECONDS = 15.0
NAMED = 3


@dataclasses.dataclass
class Progress:
    """The live lines of one task; ``pods`` is how many pods the whole task replaces."""

    write: Callable[[str], None]
    pods: int = 0
    watched: bool = True
    clock: Callable[[], float] = time.monotonic
    #: Seconds of upcoming soaks and pauses, in which no pod becomes ready.
    upcoming_waits: float = 0.0
    _since: float | None = None
    _worked: float = 0.0
    _finished: int = 0
    _wrote_at: float = float("-inf")
    _written: tuple[str, int] = ("", -1)
    _written_pods: int = -1

    def begin(self) -> None:
        """Count time from now on, if it is not counted yet."""
        if self._since is None:
            self._since = self.clock()

    def rest(self) -> None:
        """Count no time until more pods are replaced."""
        self._worked, self._since = self._elapsed(self.clock()), None

    def _elapsed(self, now: float) -> float:
        return self._worked + (now - self._since if self._since is not None else 0.0)

    def step(self, label: str, done: int, workloads: int, pods: int, pending: Sequence[str]) -> None:
        """Write how many workloads and pods of a batch are done, if that is new and the last line is old enough."""
        now = self.clock()
        quiet = now - self._wrote_at
        is_new = (label, done) != self._written or (pods != self._written_pods and quiet >= STILL_SECONDS)
        enough = SECONDS if self.watched or label != self._written[0] else STILL_SECONDS
        if not is_new or (quiet < enough and pending):
            return
        self._written, self._written_pods, self._wrote_at = (label, done), pods, now
        names = ", ".join(pending[:NAMED]) + (", ..." if len(pending) > NAMED else "")
        parts = [f"{label}: {done} of {workloads} workloads done", *self._rate(pods, now)]
        self.write(", ".join(parts + ([f"waiting for {names}"] if names else [])))

    def finished(self, pods: int) -> None:
        """Count the pods of a batch that is done."""
        self._finished += pods

    def _rate(self, pods: int, now: float) -> list[str]:
        """Return phrases on the pods that are ready, on their rate, and on the time that is left, once it is known."""
        ready, elapsed = self._finished + pods, self._elapsed(now)
        if not self.pods or not ready:
            return []
        phrases = [f"{min(ready, self.pods)} of {self.pods} pods"]
        if elapsed >= SECONDS and ready < self.pods:
            rate = ready / elapsed
            phrases += [f"{rate:.1f} pods/s", f"about {(self.pods - ready) / rate + self.upcoming_waits:.0f} s left"]
        return phrases
