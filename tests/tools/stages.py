# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run make targets in stages, print the duration of each, and stop after the first stage with a failure.

Stages run one after another. The targets of a stage, joined by +, run two at a time and print their output at the end.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

PARALLEL = 2


def heading(text: str, more: str = "") -> None:
    """Print a heading, and a text below it."""
    print(f"\n==> {text}\n{more}", end="", flush=True)


def run(target: str, *, quiet: bool) -> tuple[str, int, float]:
    """Run a target; return its name, exit code and seconds. A quiet target prints its output at its end."""
    started = time.monotonic()
    command = [os.environ.get("MAKE", "make"), target]
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, check=False, text=True, stdout=output, stderr=subprocess.STDOUT if quiet else None)
    if quiet:
        heading(target, done.stdout)
    return target, done.returncode, time.monotonic() - started


def durations(results: Iterable[tuple[str, int, float]]) -> str:
    """Return the targets with their seconds."""
    return ", ".join(f"{target} {seconds:.0f} s" for target, dummy, seconds in results)


def main(stages: list[str]) -> int:
    """Run the stages; return the exit code."""
    results: list[tuple[str, int, float]] = []
    for number, stage in enumerate(stages, start=1):
        if number == len(stages) and results:
            # Before the last stage, so that the output ends with its pytest summary.
            heading(f"so far: {durations(results)}")
        targets = stage.split("+")
        heading(f"stage {number} of {len(stages)}: {', '.join(targets)}")
        with ThreadPoolExecutor(PARALLEL) as pool:
            results += pool.map(functools.partial(run, quiet=len(targets) > 1), targets)
        if failed := [target for target, code, dummy in results if code]:
            heading(f"{' and '.join(failed)} failed ({durations(results)}); run it alone with: make {failed[0]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
