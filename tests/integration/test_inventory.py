# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin on real clusters: what they run, a hub that lists them, and a playbook on what it yields."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.objects import until
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, environment
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
PRECHECK = "meshops.istio.precheck"
OCM = "cluster.open-cluster-management.io"
MANAGED = f"/apis/{OCM}/v1/managedclusters"
NAMESPACE = "default"
TOKEN = "an-application-token"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
MANAGED_CLUSTERS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"managedclusters.{OCM}"},
    "spec": {
        "group": OCM,
        "names": {"kind": "ManagedCluster", "plural": "managedclusters", "singular": "managedcluster"},
        "scope": "Cluster",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}],
    },
}


def managed(name: str, ring: str, *, accepted: bool = True) -> Json:
    """A cluster as Open Cluster Management lists it."""
    metadata = {"name": name, "labels": {"ring": ring}}
    return {
        "apiVersion": f"{OCM}/v1",
        "kind": "ManagedCluster",
        "metadata": metadata,
        "spec": {"hubAcceptsClient": accepted},
    }


def secret(name: str, server: str, **labels: str) -> Json:
    """A cluster as Argo CD keeps it."""
    data = {"name": name, "server": server, "config": json.dumps({"bearerToken": TOKEN})}
    labels = {"argocd.argoproj.io/secret-type": "cluster", **labels}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"cluster-{name.lower()}", "namespace": NAMESPACE, "labels": labels},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


@pytest.fixture(scope="module")
def crd(desk: Desk) -> Iterator[None]:
    """The API of a hub of Open Cluster Management; made once, as one that was just deleted is served for a moment."""
    hub = desk.lab.clusters[0]
    hub.apply([MANAGED_CLUSTERS])
    # a CRD is served a moment after it was taken
    until(lambda: _taken(hub, managed("first", "0")), "ManagedClusters are not served")
    hub.delete(f"{MANAGED}/first")
    yield
    hub.delete(hub.path(MANAGED_CLUSTERS))


@pytest.fixture
def hub(crd: None, meshes: list[Cluster]) -> Iterator[Cluster]:
    """The first cluster as a hub of both kinds, for both clusters."""
    first, second = meshes
    hub = first
    for one in (managed(first.name, "0"), managed(second.name, "1"), managed("strange", "1", accepted=False)):
        assert _taken(hub, one)
    secrets = [secret("First", first.server, env="prod"), secret("Second", second.server + "/", env="test")]
    hub.apply(secrets)
    yield hub
    for one in secrets:
        hub.delete(hub.path(one))
    for name in (first.name, second.name, "strange"):
        hub.delete(f"{MANAGED}/{name}")


def _taken(cluster: Cluster, item: Json) -> bool:
    try:
        cluster.request("POST", MANAGED, item)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def source(desk: Desk, kind: str, **more: Any) -> Json:
    """A hub as a source."""
    kubeconfig = str(desk.lab.kubeconfig)
    login = {"kubeconfig": kubeconfig, "context": desk.lab.clusters[0].context, "logins": kubeconfig}
    return {"type": kind, **login, **more}


def write(folder: Path, *sources: Json, **options: Any) -> Path:
    """An inventory file."""
    path = folder / "fleet.istio.yml"
    path.write_text(yaml.safe_dump({"plugin": "meshops.istio.clusters", "sources": list(sources), **options}))
    return path


def listed(desk: Desk, path: Path) -> tuple[dict[str, list[str]], dict[str, Json]]:
    """Groups with their hosts, and hosts with their variables; no login is among them."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    env = environment(desk.folder, desk.folder / "record")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    hosts = found.pop("_meta")["hostvars"]
    return {name: group["hosts"] for name, group in found.items() if "hosts" in group}, hosts


def plain(value: Any) -> Any:
    """A value without the mark that it is not a template."""
    return value.get("__ansible_unsafe", value) if isinstance(value, dict) else value


def test_real_clusters_are_grouped_by_what_they_run(desk: Desk, meshes: list[Cluster], tmp_path: Path) -> None:
    kubeconfig = {"type": "kubeconfig", "path": str(desk.lab.kubeconfig)}
    path = write(tmp_path, kubeconfig, probe=True, compose={"istio_expected_cluster_id": "istio_cluster_id"})
    with ExitStack() as stack:
        for cluster in meshes:
            stack.enter_context(no_write(cluster))
        groups, hosts = listed(desk, path)
        old, new = (cluster.context for cluster in meshes)
        assert groups["istio_version_" + VERSION.replace(".", "_")] == [old]
        assert groups["istio_version_" + NEW_VERSION.replace(".", "_")] == [new]
        for cluster, revision, version in zip(meshes, (REVISION, NEW_REVISION), (VERSION, NEW_VERSION), strict=True):
            got = hosts[cluster.context]
            assert plain(got["istio_cluster_id"]) == plain(got["istio_expected_cluster_id"]) == cluster.uid
            running = [{key: plain(value) for key, value in one.items()} for one in got["istio_running"]]
            assert running == [{"revision": revision, "version": version}]
        # the groups pick the clusters of a run
        limit = ("-i", str(path), "--limit", groups["istio_version_" + VERSION.replace(".", "_")][0])
        play = desk.play([], *limit, playbook=PRECHECK, istio_version=NEW_VERSION, istio_fail_on="never")
    play.require_success()
    assert set(play.recap) == {old}
    (result,) = [one.result for one in play.results if one.action == "meshops.istio.istio_precheck"]
    assert result["cluster"]["id"] == meshes[0].uid


def test_open_cluster_management_makes_rings_of_its_labels(desk: Desk, hub: Cluster, tmp_path: Path) -> None:
    ring = {"prefix": "istio_ring", "key": "istio_cluster_labels['ring']"}
    contexts = {cluster.name: cluster.context for cluster in desk.lab.clusters}
    prefix = {context.removesuffix(name) for name, context in contexts.items()}
    login = f"{prefix.pop()}{{name}}"
    path = write(tmp_path, source(desk, "ocm", login_context=login), keyed_groups=[ring], strict=True)
    groups, hosts = listed(desk, path)
    first, second = desk.lab.clusters
    assert (groups["istio_ring_0"], groups["istio_ring_1"]) == ([first.name], [second.name])
    assert {name: plain(one["istio_context"]) for name, one in hosts.items()} == contexts


def test_argo_cd_leads_to_the_contexts_with_its_servers(desk: Desk, hub: Cluster, tmp_path: Path) -> None:
    first, second = desk.lab.clusters
    path = write(tmp_path, source(desk, "argocd", namespace=NAMESPACE), probe=True)
    dummy, hosts = listed(desk, path)
    assert {name: plain(one["istio_cluster_id"]) for name, one in hosts.items()} == {
        "First": first.uid,
        "Second": second.uid,
    }
    path = write(tmp_path, source(desk, "argocd", namespace=NAMESPACE, label_selector="env=prod"))
    assert set(listed(desk, path)[1]) == {"First"}
