# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: `python -m lab COMMAND`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import api, build, faults, population, state
from .api import Lab
from .cluster import Cluster
from .errors import LabError
from .toolchain import BuildError

DEFAULT_NAME = "demo"


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and options."""
    top = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if name not in ("status", "build", "istioctl-template"):
            sub.add_argument("--name", default=DEFAULT_NAME, help="name of the lab (%(default)s)")
        return sub

    up = command("up", _up, "start a lab of N clusters that runs until `down`")
    up.add_argument("clusters", type=int, metavar="N")
    up.add_argument("--istio", metavar="VERSION", help="also install this version of Istio on every cluster")
    up.add_argument("--revision", help="as this revision")
    up.add_argument("--no-proxies", action="store_true", help="without connections of proxies to istiod")
    command("down", _down, "end a lab")
    command("status", _status, "list the labs")
    seed = command("seed", _seed, "put the population on the clusters and wait until it is ready")
    seed.add_argument("--cluster", metavar="NAME", help="only on this cluster")
    seed.add_argument("--revision", default=population.REVISION, help="for namespaces that name one (%(default)s)")
    seed.add_argument("--pod-start", metavar="TIME", help='how long pods take to get ready, such as "2s"')
    command("kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    fault = command("fault", _fault, "break the istiod of a revision, present or to come, or lift that")
    fault.add_argument("kind", choices=[*faults.KINDS, "clear"])
    fault.add_argument("--revision", help="the revision of the istiod")
    fault.add_argument("--deployment", help="or the name of its Deployment")
    fault.add_argument("--delay", help="how long a slow start takes, or after what time it crashes, such as 5s")
    fault.add_argument("--cluster", metavar="NAME", help="only on this cluster")
    command("istioctl-template", _istioctl_template, "print the path of istioctl with {version} in it")
    command("build", _build, "build the binaries that are missing")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print an error as one sentence."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (LabError, BuildError, subprocess.TimeoutExpired) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _chosen(lab: Lab, name: str | None) -> list[Cluster]:
    clusters = [cluster for cluster in lab.clusters if name in (None, cluster.name)]
    if not clusters:
        names = ", ".join(cluster.name for cluster in lab.clusters)
        raise LabError(f"Lab {lab.name} has no cluster {name}, only {names}.")
    return clusters


def _side_by_side(clusters: Sequence[Cluster], work: Callable[[Cluster], None]) -> None:
    with ThreadPoolExecutor(len(clusters)) as pool:
        list(pool.map(work, clusters))


def _up(options: argparse.Namespace) -> None:
    proxies = not options.no_proxies
    lab = Lab.start(options.name, options.clusters, report=_say, detached=True, proxies=proxies)

    def install(cluster: Cluster) -> None:
        cluster.install_istio(options.istio, options.revision)
        _say(f"{cluster.name}: Istio {options.istio} installed as revision {options.revision or 'default'}.")

    if options.istio:
        _side_by_side(lab.clusters, install)


def _down(options: argparse.Namespace) -> None:
    existed = api.stop(options.name)
    _say(f"Lab {options.name} is gone." if existed else f"There was no lab {options.name}.")


def _status(options: argparse.Namespace) -> None:
    records = state.records()
    for record in records:
        phase = record.phase if record.alive else "dead (its next `up` or `down` cleans up)"
        _say(f"{record.name}: {phase}")
        for name, addresses in state.cluster_names(record):
            _say(f"  {name}  {addresses.server}")
    if not records:
        _say("No lab is running.")


def _seed(options: argparse.Namespace) -> None:
    def seed(cluster: Cluster) -> None:
        cluster.seed(options.revision, pod_start=options.pod_start)
        cluster.wait_ready()
        _say(f"{cluster.name}: {len(cluster.pods())} pods are there.")

    _side_by_side(_chosen(Lab.attach(options.name), options.cluster), seed)


def _kubeconfig(options: argparse.Namespace) -> None:
    _say(str(Lab.attach(options.name).kubeconfig))


def _fault(options: argparse.Namespace) -> None:
    for cluster in _chosen(Lab.attach(options.name), options.cluster):
        if options.kind == "clear":
            cluster.clear_fault(revision=options.revision, deployment=options.deployment)
        else:
            cluster.fault(options.kind, revision=options.revision, deployment=options.deployment, delay=options.delay)


def _istioctl_template(options: argparse.Namespace) -> None:
    _say(build.ensure(report=_complain).istioctl_template)


def _build(options: argparse.Namespace) -> None:
    build.ensure(report=_say)
    _say("All binaries are there.")


def _complain(text: str) -> None:
    """Print progress to standard error, because a script reads standard output."""
    print(text, file=sys.stderr, flush=True)
