# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the demo: `make demo`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as ISTIO_INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import execute
from lab import Lab, LabError, api
from lab.cluster import Cluster
from lab.toolchain import BuildError

from .tables import HEADINGS, Json, render, rows

NAME = "demo"
SOURCE = "1.30.3"
TARGET = "1.31.0"
NEXT = "1.31.1"
POD_START = "1s"
ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / ".cache" / "demo"
BEGAN = time.monotonic()


def main() -> int:
    """Run the demo, and return 0 if the second run changed nothing."""
    try:
        lab = start()
    except (LabError, BuildError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    write_files(lab)
    show("Before", lab)
    title(f"Upgrading both meshes from {SOURCE} to {TARGET}: ansible-playbook meshops.istio.canary")
    code, dummy = play()
    if code != 0:
        print("demo: the upgrade failed; the lab is still running for analysis.", file=sys.stderr)
        return code
    show("After", lab)
    title("The same command again: there is nothing to do")
    code, output = play(quiet=True)
    recap = [line for line in output.splitlines() if re.match(rf"{NAME}-\d", line)]
    print("\n".join(recap))
    if code != 0 or len(recap) != len(lab.clusters) or any("changed=0 " not in line for line in recap):
        print("demo: the second run made changes.", file=sys.stderr)
        return 1
    title(f"Done in {time.monotonic() - BEGAN:.0f} s; the lab keeps running")
    print(epilogue(lab))
    return 0


def title(text: str) -> None:
    """Print a heading with the seconds since the start."""
    print(f"\n=== {time.monotonic() - BEGAN:4.0f} s  {text}\n", flush=True)


def say(text: str) -> None:
    """Print a line without buffering."""
    print(text, flush=True)


def start() -> Lab:
    """Start two clusters with Istio and a population."""
    title("Starting two Kubernetes clusters (real etcd, API servers, controllers, schedulers)")
    api.stop(NAME)
    lab = Lab.start(NAME, clusters=2, report=say, detached=True)
    title(f"Installing Istio {SOURCE} with istioctl, then ten namespaces with workloads, on each")

    def furnish(cluster: Cluster) -> None:
        revision = SOURCE.replace(".", "-")
        cluster.install_istio(SOURCE, revision)
        say(f"{cluster.name}: istiod {SOURCE} is ready as revision {revision}")
        cluster.seed(revision, pod_start=POD_START)
        cluster.wait_ready()
        say(f"{cluster.name}: {len(cluster.pods())} pods are ready")

    with ThreadPoolExecutor(len(lab.clusters)) as pool:
        list(pool.map(furnish, lab.clusters))
    return lab


def write_files(lab: Lab) -> None:
    """Write the inventory and the ansible.cfg for the user of the demo."""
    PLACE.mkdir(parents=True, exist_ok=True)
    inventory = {
        "all": {
            "vars": {"istio_kubeconfig": str(lab.kubeconfig), "istio_istioctl": lab.istioctl_template},
            "hosts": {
                cluster.name: {"istio_context": cluster.context, "istio_expected_cluster_id": cluster.uid}
                for cluster in lab.clusters
            },
        }
    }
    (PLACE / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
    settings = ["[defaults]", f"collections_path = {ROOT / '.cache' / 'collections'}", "inventory = inventory.yml"]
    settings += ["interpreter_python = auto_silent", ""]
    (PLACE / "ansible.cfg").write_text("\n".join(settings), encoding="utf-8")


def show(heading: str, lab: Lab) -> None:
    """Print the table of the fleet, from istio_info of the collection."""
    results: dict[str, Json] = {}
    for cluster in lab.clusters:
        results[cluster.name] = read(kubeconfig=str(lab.kubeconfig), context=cluster.context)
    title(heading)
    print(render(HEADINGS, rows(results)), flush=True)


def read(**login: str) -> Json:
    """Return the result of istio_info for a cluster, with default options."""
    checked = ArgumentSpecValidator(**ISTIO_INFO.spec.as_keywords()).validate(login)
    return execute(ISTIO_INFO, checked.validated_parameters, check_mode=False, diff=False)


def play(quiet: bool = False) -> tuple[int, str]:
    """Run the canary playbook, and return its exit code and output. Unless quiet, print each line."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "meshops.istio.canary",
        "-e",
        f"istio_version={TARGET}",
    ]
    environment = {key: value for key, value in os.environ.items() if key != "ANSIBLE_COLLECTIONS_PATH"}
    if sys.stdout.isatty() and not quiet:
        environment["ANSIBLE_FORCE_COLOR"] = "1"
    process = subprocess.Popen(
        command, cwd=PLACE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if not quiet:
            print(line, end="", flush=True)
    return process.wait(), "".join(lines)


def epilogue(lab: Lab) -> str:
    """Return the text about the running lab and the next steps to try."""
    return f"""Kubeconfig: {lab.kubeconfig} (contexts {", ".join(cluster.context for cluster in lab.clusters)})

Three things to try:
  cd {PLACE.relative_to(ROOT)} && export PATH={ROOT / ".venv" / "bin"}:$PATH

  1. See the next upgrade before it happens:
     ansible-playbook meshops.istio.canary -e istio_version={NEXT} --check --diff

  2. Break the next control plane, watch the upgrade stop without an outage, then fix it and run again:
     make -C {ROOT} lab ARGS="fault never-ready --revision {NEXT.replace(".", "-")}"
     ansible-playbook meshops.istio.canary -e istio_version={NEXT} -e istio_timeout=20
     make -C {ROOT} lab ARGS="fault clear --revision {NEXT.replace(".", "-")}"

  3. Try to remove the old revision while a Job and a bare pod still use it:
     ansible-playbook meshops.istio.canary -e istio_version={TARGET} -e istio_finalize=true

End the lab with: make demo-down"""


if __name__ == "__main__":
    sys.exit(main())
