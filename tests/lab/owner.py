# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own the processes of a lab: `python -m lab.owner NAME [--until-eof]`.

All processes of the lab are children of this process and die with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from . import runtime, state
from .process import Spawner, identify
from .state import Folder, Record


def _leave(number: int, frame: FrameType | None) -> None:
    """Exit immediately. The kernel ends the children, and the lab needs no clean shutdown."""
    os._exit(0)


def _leave_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _end_loudly(failure: threading.ExceptHookArgs) -> None:
    """Exit with an error, because a lab without one of its threads would mislead its users."""
    threading.__excepthook__(failure)
    _log(f"thread {failure.thread.name if failure.thread else '?'} failed, so the lab ends")
    os._exit(1)


def _log(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _bring_up(place: Folder, record: Record) -> None:
    """Start the lab and always record the outcome, because the starter waits for it."""
    started = time.monotonic()
    phase = "failed"
    try:
        spawner = Spawner(place.processes)
        clusters, binaries = state.cluster_names(record), state.binaries_of(record)
        runtime.start_all(clusters, binaries, place.path, spawner, _log, proxies=record.proxies)
        phase = "ready"
    finally:
        seconds = f"{time.monotonic() - started:.1f}"
        error = sys.exception()
        place.update(phase=phase, message=seconds if error is None else f"{type(error).__name__}: {error}")
        _log(f"{phase} after {seconds} s")


def main(arguments: list[str]) -> None:
    """Start the lab and keep it running until a signal or the end of standard input."""
    place = state.folder(arguments[0])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    if "--until-eof" in arguments:
        threading.Thread(target=_leave_at_eof, name="starter", daemon=True).start()
    threading.excepthook = _end_loudly
    place.update(owner=identify(os.getpid(), "owner"))
    record = place.read()
    if record is None:
        raise SystemExit(f"Lab {arguments[0]} has no record.")
    _bring_up(place, record)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
