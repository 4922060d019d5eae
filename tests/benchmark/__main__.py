# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a benchmark: `python -m benchmark precheck`, `restart` or `fleet`."""

from __future__ import annotations

import argparse
import sys

from benchmark import fleet
from benchmark.crowd import measure
from benchmark.restart import REPLICAS, compare, memory

SIZES = (300, 3000, 9999)
#: Deployments of three pods: 100 pods and 3,000.
CROWDS = (34, 1000)


def precheck() -> int:
    """Measure the precheck of meshes of different sizes."""
    print("pods     seconds   CPU s   memory MiB   findings")
    for pods in SIZES:
        cost = measure(pods)
        print(
            f"{pods:6}   {cost['seconds']:7.2f} {cost['cpu_seconds']:7.2f} {cost['memory_mib']:12.1f}"
            f" {len(cost['findings']):10}"
        )
    return 0


def restarts() -> int:
    """Measure the restart of a hundred Deployments of three pods; then of ten in a small and in a large mesh."""
    costs = compare(("bare", "kubectl", "kubectl, one status", "ours"))
    print("client                seconds   / bare    CPU s   start   CPU / kubectl   without start   requests")
    for name, cost in costs.items():
        share, work = (
            cpu / costs["kubectl"].cpu_seconds for cpu in (cost.cpu_seconds, cost.cpu_seconds - cost.start_seconds)
        )
        print(
            f"{name:20} {cost.seconds:8.1f} {cost.seconds / costs['bare'].seconds:8.2f} {cost.cpu_seconds:8.2f}"
            f" {cost.start_seconds:7.2f} {share:15.3f} {work:15.3f} {cost.requests:10.0f}"
        )
    print("\npods in the mesh   MiB of the largest process of ansible-playbook that restarts ten Deployments")
    for deployments in CROWDS:
        print(f"{deployments * REPLICAS:16} {memory(deployments):6.0f}")
    return 0


def done() -> int:
    """Measure a run over a fleet with nothing to do."""
    costs = fleet.measure()
    print("run                                 clusters   seconds   results   ms each   MiB of the largest process")
    for name, count in (
        ("empty", fleet.CLUSTERS),
        ("all", fleet.CLUSTERS),
        ("few", fleet.FEW),
        ("ours", fleet.CLUSTERS),
        ("kubernetes_core", fleet.CLUSTERS),
    ):
        cost = costs[name]
        print(f"{fleet.NAMES[name]:36}{count:8} {cost.seconds:9.1f} {cost.results:9} {cost.each:9.1f} {cost.mib:8.0f}")
    for name in ("empty", "all"):
        print(f"canary takes {costs['ours'].seconds / costs[name].seconds:.2f} times as long as {fleet.NAMES[name]}")
    print(f"kubernetes.core takes {costs['kubernetes_core'].seconds / costs['ours'].seconds:.1f} times as long")
    return 0


def main() -> int:
    """Run the benchmark of the command line."""
    benchmarks = {"precheck": precheck, "restart": restarts, "fleet": done}
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("name", choices=list(benchmarks))
    return benchmarks[parser.parse_args().name]()


if __name__ == "__main__":
    sys.exit(main())
