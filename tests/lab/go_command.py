# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run `go build`, with its progress while it runs, and its output if it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .sources import Step
from .toolchain import BuildError, Report

PROGRESS_SECONDS = 20.0
OUTPUT_LINES = 12


def run(command: Sequence[str], step: Step, environ: Mapping[str, str], log: Path, report: Report) -> None:
    """Run one build, and report its progress regularly."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=step.source.path, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while (code := wait(process, PROGRESS_SECONDS)) is None:
                report(f"    {clock(time.monotonic() - started)}: {progress(read(log), step.source.packages)}")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                # A background job of a shell may ignore SIGINT.
                if wait(process, 3) is None:
                    process.kill()
                    process.wait()
    if code:
        raise BuildError(failure(step.title, code, read(log), log))


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def read(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def is_package(line: str) -> bool:
    return bool(line) and " " not in line


def progress(lines: Sequence[str], packages: int) -> str:
    """Return the progress of a build, from the output of `go build -v` so far."""
    compiled = sum(is_package(line) for line in lines)
    fetched = sum(line.startswith("go: downloading") for line in lines)
    if compiled:
        return f"{compiled} of about {packages} packages compiled"
    return f"{fetched} modules fetched" if fetched else "linking what was compiled before"


def failure(title: str, code: int, lines: Sequence[str], log: Path) -> str:
    telling = [line for line in lines if line and not is_package(line) and not line.startswith("go: downloading")]
    if any("no space left on device" in line for line in telling):
        return f"The disk got full while building {title}; free some space and run it again, it goes on from there."
    tail = "\n".join(f"    {line}" for line in telling[-OUTPUT_LINES:])
    return f"Building {title} failed (go ended with {code}, its whole output is in {log}):\n{tail}"


def cores() -> int:
    return len(os.sched_getaffinity(0))


def about(seconds_on_two_cores: float) -> str:
    minutes = round(seconds_on_two_cores * 2 / max(2, cores()) / 60)
    return f"about {minutes} minute{'s' * (minutes > 1)}" if minutes else "less than a minute"


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
