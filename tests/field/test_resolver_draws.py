# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver agrees with the API server and two real meshes on webhooks that are drawn at random.

MESHOPS_RESOLVER_SEED asks for other draws than the usual ones, MESHOPS_RESOLVER_DRAWS for more of them.
"""

from __future__ import annotations

import os
import random
from typing import Any

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from field.other_meshes import OTHER, second_mesh
from field.webhook_draws import drawn_configurations
from integration.meshes import ADMISSION, MERGE
from integration.objects import REV
from integration.resolver.cases import drawn_cases, drawn_namespaces
from integration.resolver.compare import INJECTED, REJECTED, UNTOUCHED, compare
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
SEED = int(os.environ.get("MESHOPS_RESOLVER_SEED") or 1510)
SETS = int(os.environ.get("MESHOPS_RESOLVER_DRAWS") or 80)
PODS = 20
HOOKS = f"{ADMISSION}/mutatingwebhookconfigurations"
SERVICES = (f"istiod-{REVISION}", f"istiod-{NEW_REVISION}", "istiod-gone")


def installed(cluster: Cluster) -> list[Json]:
    """The injection webhooks that are installed."""
    return [item for item in cluster.items(HOOKS) if REV in (item["metadata"].get("labels") or {})]


def write(cluster: Cluster, configurations: list[Json]) -> None:
    """Replace the webhooks of the cluster by these; others with the label of a revision are removed."""
    there = {item["metadata"]["name"] for item in installed(cluster)}
    for wanted in configurations:
        name = wanted["metadata"]["name"]
        if name in there:
            cluster.request("PATCH", f"{HOOKS}/{name}", {"webhooks": wanted["webhooks"]}, content_type=MERGE)
        else:
            cluster.request("POST", HOOKS, wanted)
    for name in there - {wanted["metadata"]["name"] for wanted in configurations}:
        cluster.delete(f"{HOOKS}/{name}")


def prepare(cluster: Cluster, draw: random.Random) -> dict[str, dict[str, str]]:
    """Install two revisions with tags and a second mesh, and return the labels of drawn namespaces."""
    cluster.install_istio(VERSION, REVISION)
    cluster.install_istio(NEW_VERSION, NEW_REVISION)
    second_mesh(cluster, "usergroup-2")
    for name, revision in (("default", REVISION), ("prod", NEW_REVISION)):
        cluster.istioctl(NEW_VERSION, "tag", "set", name, "--revision", revision, "--overwrite", "-y")
    drawn = drawn_namespaces(draw, 24)
    of_other = {name: {**drawn[name], REV: "usergroup-2"} for name in list(drawn)[:4]}
    cluster.apply([namespace(name, **labels) for name, labels in {**drawn, **of_other}.items()])
    return {**drawn, **of_other, OTHER: {"usergroup": "b"}, "kube-system": {}}


def test_a_thousand_pods_on_webhooks_drawn_at_random(empty: Cluster) -> None:
    draw = random.Random(SEED)
    namespaces = prepare(empty, draw)
    originals = installed(empty)
    client = Client(Connection(kubeconfig=str(empty.kubeconfig), context=empty.context))
    disagreements: list[str] = []
    kinds: set[str] = set()
    asked = 0
    for index in range(SETS):
        write(empty, drawn_configurations(draw, originals, SERVICES))
        cases = drawn_cases(draw, list(namespaces), PODS)
        tally = compare(client, fetch_mesh(client, "istio-system"), namespaces, cases)
        asked, kinds = asked + tally.asked, kinds | set(tally.kinds)
        disagreements += [f"draw {index}: {text}" for text in tally.disagreements]
    pods = SETS * PODS
    print(f"{pods} pods, {asked} not judged, {len(disagreements)} disagreements, seed {SEED}")
    assert not disagreements, f"{len(disagreements)} of {pods}, seed {SEED}:\n" + "\n".join(disagreements[:20])
    assert kinds == {INJECTED, UNTOUCHED, REJECTED}
    assert 0 < asked < pods / 4
