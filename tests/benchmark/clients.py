# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that restart all Deployments of the benchmark. Each prints its cost as JSON."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import workload_patches
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import execute

Json = dict[str, Any]
#: The search for Deployments is not part of a restart, so both clients start from a known list.
PATH = "/apis/apps/v1/deployments"
SPACES, DEPLOYMENTS = 8, 100


def spaces() -> list[str]:
    """Return the names of the namespaces."""
    return [f"bench-{at}" for at in range(SPACES)]


def names_in(space: str) -> list[str]:
    """Return the names of the Deployments of a namespace."""
    return [f"app-{at}" for at in range(DEPLOYMENTS) if spaces()[at % SPACES] == space]


def bare(options: Json) -> int:
    """Restart with the minimum of requests: patches with as many threads as rollout_restart, one watch, no checks."""
    client = Client(connection(options))
    namespaces = set(spaces())
    items, version = client.collect(PATH, lambda item: item)
    paths = [
        f"/apis/apps/v1/namespaces/{item['metadata']['namespace']}/deployments/{item['metadata']['name']}"
        for item in items
        if item["metadata"]["namespace"] in namespaces
    ]
    note = {
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": str(time.time())}}}}
    }
    with concurrent.futures.ThreadPoolExecutor(workload_patches.PATCHES_AT_ONCE) as pool:
        generations = {
            item["metadata"]["uid"]: item["metadata"]["generation"]
            for item in pool.map(lambda path: client.merge(path, note), paths)
        }
    for event in client.watch(PATH, resource_version=version, seconds=300):
        item = event.object
        if event.change != "BOOKMARK" and done(item, generations.get(item["metadata"]["uid"], sys.maxsize)):
            del generations[item["metadata"]["uid"]]
            if not generations:
                break
    return client.request_counts.reads + client.request_counts.writes


def done(item: Json, generation: int) -> bool:
    """Return whether the rollout of a generation is complete."""
    status, replicas = item["status"], item["spec"]["replicas"]
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration", 0) >= generation and counts == {replicas}


def kubectl(options: Json, *, one_by_one: bool = True) -> int:
    """Restart with kubectl, all namespaces in parallel: `rollout restart`, then `status`; requests are not counted."""
    common = [os.environ["KUBECTL"], "--kubeconfig", options["kubeconfig"], "--context", options["context"]]

    def restart(space: str) -> None:
        names = [f"deployment/{name}" for name in names_in(space)] if one_by_one else ["deployment"]
        for step in ("restart", "deployment"), *(("status", name, "--timeout", "10m") for name in names):
            subprocess.run([*common, "--namespace", space, "rollout", *step], check=True, stdout=subprocess.DEVNULL)

    with concurrent.futures.ThreadPoolExecutor(SPACES) as pool:
        list(pool.map(restart, spaces()))
    return 0


def ours(options: Json) -> int:
    """Restart with the module: it reads, decides, proves the revision, restarts one batch, and proves each new pod."""
    parameters = {**options, "scope": "all", "batch_size": "100%"}
    result = execute(CORE, parameters, check_mode=False, diff=False)
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    assert len(result["restarted"]) == DEPLOYMENTS
    return sum(result["requests"].values())


CLIENTS: dict[str, Callable[[Json], int]] = {
    "bare": bare,
    "kubectl": kubectl,
    "kubectl, one status": functools.partial(kubectl, one_by_one=False),
    "ours": ours,
}


def main() -> int:
    """Run one client."""
    name, kubeconfig, context = sys.argv[1:]
    options = {"kubeconfig": kubeconfig, "context": context, "namespaces": spaces()}
    checked = ArgumentSpecValidator(**CORE.spec.as_keywords()).validate(options)
    whose = resource.RUSAGE_CHILDREN if name.startswith("kubectl") else resource.RUSAGE_SELF
    began, start = time.monotonic(), cpu(whose)
    requests = CLIENTS[name](checked.validated_parameters)
    figures = {"seconds": time.monotonic() - began, "cpu_seconds": cpu(whose), "start_seconds": start}
    print(json.dumps({**figures, "requests": requests}))
    return 0


def cpu(whose: int) -> float:
    """Return the CPU seconds used so far."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
