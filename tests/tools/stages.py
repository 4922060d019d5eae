# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run make targets one after another, say which and how long each took, stop at the first that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time


def heading(text: str) -> None:
    print(f"\n==> {text}", flush=True)


def main(stages: list[str]) -> int:
    make = os.environ.get("MAKE", "make")
    taken: list[str] = []
    for number, stage in enumerate(stages, start=1):
        if number == len(stages) and taken:
            # Said before the last stage, so that the output ends with its pytest summary.
            heading(f"so far: {', '.join(taken)}")
        heading(f"stage {number} of {len(stages)}: {stage}")
        begin = time.monotonic()
        code = subprocess.run([make, stage], check=False).returncode
        taken.append(f"{stage} {time.monotonic() - begin:.0f} s")
        if code:
            heading(f"stage {stage} failed ({', '.join(taken)}); run it alone with: make {stage}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
