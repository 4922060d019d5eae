# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run make targets, say which and how long each took, stop at the first that fails.

One stage comes after another; the targets of a stage, joined by +, share two places, and show what they said when they
end.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 2


def heading(text: str, more: str = "") -> None:
    print(f"\n==> {text}\n{more}", end="", flush=True)


def run(target: str, *, quiet: bool) -> tuple[str, int, float]:
    """Return a target, its exit code and its seconds; a quiet one shows everything at its end."""
    begin = time.monotonic()
    command = [os.environ.get("MAKE", "make"), target]
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, check=False, text=True, stdout=output, stderr=subprocess.STDOUT if quiet else None)
    if quiet:
        heading(target, done.stdout)
    return target, done.returncode, time.monotonic() - begin


def said(taken: Iterable[tuple[str, int, float]]) -> str:
    return ", ".join(f"{target} {seconds:.0f} s" for target, dummy, seconds in taken)


def main(stages: list[str]) -> int:
    taken: list[tuple[str, int, float]] = []
    for number, stage in enumerate(stages, start=1):
        if number == len(stages) and taken:
            # Said before the last stage, so that the output ends with its pytest summary.
            heading(f"so far: {said(taken)}")
        targets = stage.split("+")
        heading(f"stage {number} of {len(stages)}: {', '.join(targets)}")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            taken += pool.map(functools.partial(run, quiet=len(targets) > 1), targets)
        if bad := [target for target, code, dummy in taken if code]:
            heading(f"{' and '.join(bad)} failed ({said(taken)}); run it alone with: make {bad[0]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
