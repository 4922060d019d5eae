# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F13: a cluster whose control plane runs in another cluster is prechecked and moved, without a harmful remedy."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from field.meshes import proxies, web
from field.playbooks import canary, changed, play
from integration.meshes import ADMISSION
from integration.objects import REV
from integration.remote_clusters import ADDRESS, rendered
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster, Lab

Json = dict[str, Any]
#: Remedies of these findings would take the cluster out of its mesh.
HARMFUL = {"MU003", "MU011", "MU012", "MU014", "MU015", "MU019", "MU047"}


def relay(listen: tuple[str, int], target: tuple[str, int]) -> socketserver.ThreadingTCPServer:
    """Serve the address of a Service without selector, as kube-proxy would by its EndpointSlice."""

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with closing(socket.create_connection(target)) as other:
                back = threading.Thread(target=_copy, args=(other, self.request), daemon=True)
                back.start()
                _copy(self.request, other)
                back.join()

    server = socketserver.ThreadingTCPServer(listen, Forward)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def address_of(cluster: Cluster, revision: str) -> str:
    """The address of the Service of a revision."""
    service = cluster.request("GET", f"/api/v1/namespaces/istio-system/services/istiod-{revision}")
    return str(service["spec"]["clusterIP"])


def connect(primary: Cluster, remote: Cluster, version: str, revision: str) -> socketserver.ThreadingTCPServer:
    """Apply what istioctl renders for a remote cluster, and lead its webhook to the istiod of the primary."""
    objects = rendered(lambda arguments: remote.istioctl(version, *arguments).stdout, revision, ADDRESS)
    path = f"{ADMISSION}/mutatingwebhookconfigurations/istio-sidecar-injector-{revision}"
    bundle = primary.request("GET", path)["webhooks"][0]["clientConfig"]["caBundle"]
    for hook in next(obj for obj in objects if "webhooks" in obj)["webhooks"]:
        hook["clientConfig"]["caBundle"] = bundle
    remote.apply(objects)
    return relay((address_of(remote, revision), 443), (address_of(primary, revision), 443))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Desk, Cluster]]:
    """A remote cluster whose namespace shop follows revision 1-30-3 of a primary."""
    with Lab.start(f"remote-{os.getpid()}", clusters=2) as lab:
        primary, cluster = lab.clusters
        for version, revision in ((VERSION, REVISION), (NEW_VERSION, NEW_REVISION)):
            primary.install_istio(version, revision)
        cluster.apply([namespace("istio-system")])
        planes = ((VERSION, REVISION), (NEW_VERSION, NEW_REVISION))
        servers = [connect(primary, cluster, version, revision) for version, revision in planes]
        cluster.apply([namespace("shop", **{REV: REVISION}), web()])
        cluster.wait_ready()
        yield Desk(lab, tmp_path), cluster
        for server in servers:
            server.shutdown()
            server.server_close()


def test_f13_a_remote_cluster_is_moved_and_never_told_to_install_istio(remote: tuple[Desk, Cluster]) -> None:
    desk, cluster = remote
    given: Json = {"istio_installer": "external", "istio_istioctl": ""}
    assert {image.rpartition(":")[2] for image in proxies(cluster).values()} == {VERSION}
    result = play(desk, cluster, "precheck", **given).of(cluster, "istio_precheck")[0]
    codes = {row["code"] for row in result["findings"]}
    assert "MU062" in codes
    assert not HARMFUL & codes, result["findings"]
    canary(desk, cluster, **given).require_success()
    assert {image.rpartition(":")[2] for image in proxies(cluster).values()} == {NEW_VERSION}
    assert changed(canary(desk, cluster, **given).require_success(), cluster) == 0
    play(desk, cluster, "verify", **given).require_success()
