# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one precheck in this process, and print its cost and findings as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import execute
from unit.support import builders as b
from unit.support.running import params


def peak_kib() -> int:
    """Return the peak memory of this program. ru_maxrss would include the memory of the parent process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main() -> int:
    """Run istio_precheck against the API server with the URL of the command line."""
    options = params(CORE, host=sys.argv[1], version=b.NEW_VERSION, revision=b.NEW, fail_on="never")
    began = time.monotonic()
    result = execute(CORE, options, check_mode=False, diff=False)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "memory_mib": round(peak_kib() / 1024, 1),
    }
    print(json.dumps({**figures, "failed": result.get("msg", ""), "findings": result.get("findings", [])}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
