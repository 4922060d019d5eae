# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the collection costs: `python -m benchmark precheck` or `restart`."""

from __future__ import annotations

import argparse
import sys

from benchmark.crowd import measure
from benchmark.restart import compare

SIZES = (300, 3000, 9999)


def precheck() -> int:
    """The gate over meshes of different sizes."""
    print("pods     seconds   CPU s   memory MiB   findings")
    for pods in SIZES:
        one = measure(pods)
        print(
            f"{pods:6}   {one['seconds']:7.2f} {one['cpu_seconds']:7.2f} {one['memory_mib']:12.1f}"
            f" {len(one['findings']):10}"
        )
    return 0


def restarts() -> int:
    """A hundred Deployments of three pods, restarted at once."""
    costs = compare(("bare", "ours"))
    print("client   seconds   CPU s   memory MiB   requests   seconds against the barest client")
    for name, cost in costs.items():
        ratio = cost.seconds / costs["bare"].seconds
        print(
            f"{name:6}   {cost.seconds:7.1f} {cost.cpu_seconds:7.2f} {cost.memory_mib:12.0f} {cost.requests:10.0f}"
            f"   {ratio:.2f}"
        )
    return 0


def main() -> int:
    """Run the benchmark that is named."""
    known = {"precheck": precheck, "restart": restarts}
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("name", choices=list(known))
    return known[parser.parse_args().name]()


if __name__ == "__main__":
    sys.exit(main())
