# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unsupported hop and a broken mesh stop a run with the right finding and without a write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.meshes import ADMISSION, DOWNGRADE, IN_PLACE
from integration.objects import REV, STATUS
from integration.old_api import saying
from integration.safety import no_write
from integration.support import CANARY, NEW_REVISION, NEW_VERSION, REVISION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
TAG = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-prod"
OLD_KUBERNETES = "v1.30.14"

HOPS = [
    pytest.param(CANARY, "1.33.0", "1-33-0", "strategy canary upgrades by at most 2", id="canary up by three"),
    pytest.param(IN_PLACE, "1.32.0", REVISION, "strategy in_place upgrades by at most 1", id="in place up by two"),
    pytest.param(DOWNGRADE, "1.28.0", "1-28-0", "downgrades by 2 minor versions; at most 1", id="down by two"),
]


def istioctl(folder: Path, version: str) -> str:
    """A binary that says a version and can do nothing."""
    path = folder / f"istioctl-{version}"
    path.write_text(
        f"#!/bin/sh\n[ \"$1\" = version ] && echo '{json.dumps({'clientVersion': {'version': version}})}'\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("playbook", "version", "revision", "sentence"), HOPS)
def test_an_unsupported_hop(
    desk: Desk, calm: Cluster, tmp_path: Path, playbook: str, version: str, revision: str, sentence: str
) -> None:
    binary = istioctl(tmp_path, version)
    options: Json = {"strategy": playbook.rpartition(".")[2], "version": version, "revision": revision}
    with no_write(calm):
        gate = desk.tool(calm, "istio_precheck", istioctl=binary, **options)
        install = desk.tool(calm, "istio_revision", istioctl=binary, **options)
        play = desk.play(
            [calm], playbook=playbook, istio_version=version, istio_revision=revision, istio_istioctl=binary
        )
    assert [row["code"] for row in gate["findings"] if row["severity"] == "error"] == ["MU001"]
    for message in (gate["msg"], install["msg"], play.failure(calm)):
        assert "MU001" in message
        assert sentence in message
    assert play.returncode == 2


def test_kubernetes_below_the_minimum(desk: Desk, calm: Cluster, tmp_path: Path) -> None:
    options: Json = {"version": NEW_VERSION, "revision": NEW_REVISION}
    # the door does not stream: a real istioctl would wait for its watches
    binary = istioctl(tmp_path, NEW_VERSION)
    with no_write(calm), saying(calm, OLD_KUBERNETES) as url:
        gate = desk.tool(None, "istio_precheck", host=url, **options)
        install = desk.tool(None, "istio_revision", host=url, istioctl=binary, **options)
        by_host = {"istio_kubeconfig": None, "istio_context": None, "istio_host": url}
        play = desk.play([calm], hosts={calm.name: by_host}, istio_istioctl=binary)
    assert [row["code"] for row in gate["findings"] if row["severity"] == "error"] == ["MU002"]
    for message in (gate["msg"], install["msg"], play.failure(calm)):
        assert "MU002" in message
        assert "Kubernetes 1.30.14 is older than 1.32, the minimum for Istio 1.31.0" in message
    assert play.returncode == 2


def pod(image: str) -> Json:
    """A pod that says it was injected by the revision, with a proxy of its own choice."""
    notes = {REV: REVISION, STATUS: json.dumps({"revision": REVISION})}
    proxy = {"name": "istio-proxy", "image": image}
    metadata = {"name": "ahead", "namespace": "astray", "annotations": notes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [proxy]}}


@pytest.fixture
def disorder(calm: Cluster) -> Iterator[None]:
    """A dangling label, a tag whose Service is gone, and a proxy newer than its control plane."""
    tag = calm.request("GET", TAG)
    for hook in tag["webhooks"]:
        hook["clientConfig"]["service"]["name"] = "istiod-gone"
        hook["namespaceSelector"] = {"matchLabels": {REV: "lost"}}
    metadata = {"name": "istio-revision-tag-lost", "labels": {**tag["metadata"]["labels"], "istio.io/tag": "lost"}}
    calm.request("POST", TAG.rpartition("/")[0], {**tag, "metadata": metadata})
    namespace = {"name": "astray", "labels": {REV: "1-99-0"}}
    calm.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": namespace}, pod("lab.invalid/proxyv2:1.31.0")])
    yield
    calm.delete(f"{TAG.rpartition('/')[0]}/istio-revision-tag-lost")
    calm.delete("/api/v1/namespaces/astray/pods/ahead", {"gracePeriodSeconds": "0"})
    calm.request("PATCH", "/api/v1/namespaces/astray", {"metadata": {"labels": {REV: None}}})


def test_a_mesh_that_is_not_in_order(desk: Desk, calm: Cluster, disorder: None) -> None:
    with no_write(calm):
        gate = desk.tool(calm, "istio_precheck", version=NEW_VERSION, revision=NEW_REVISION)
        play = desk.play([calm])
    errors = {(row["code"], row["object"]) for row in gate["findings"] if row["severity"] == "error"}
    assert errors == {
        ("MU010", "namespace astray"),
        ("MU011", "webhook istio-revision-tag-lost"),
        ("MU030", f"revision {REVISION}"),
    }
    assert play.returncode == 2
    for message in (gate["msg"], play.failure(calm)):
        assert all(code in message for code, dummy in errors)
