# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the command lines of a cluster's processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .build import Binaries
from .pki import Pki
from .ports import POD_CIDR, Addresses

# No kubelet sends heartbeats, no volume is attached, and no pod reports its load.
CONTROLLERS_OFF = (
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "horizontal-pod-autoscaler-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-expander-controller",
    "ttl-controller",
    "node-ipam-controller",
)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Files and addresses for the command lines of one cluster."""

    binaries: Binaries
    addresses: Addresses
    etcd: str
    folder: Path
    pki: Pki

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"


def etcd(binaries: Binaries, addresses: Addresses, folder: Path) -> list[str | Path]:
    """Return the command of the etcd for all clusters of a lab. No data outlives the lab, so it does not sync."""
    client, peer = addresses.etcd, f"http://127.0.0.1:{addresses.etcd_peer}"
    return [
        binaries.kube,
        "etcd",
        "--name=lab",
        f"--data-dir={folder}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=lab={peer}",
        "--log-level=warn",
    ]


def api_server(place: Place) -> list[str | Path]:
    """Return the command of the API server, with its default admission plugins and an audit log."""
    pki, addresses = place.pki, place.addresses
    kubelet = pki.clients["kubelet-client"]
    return [
        place.binaries.kube,
        "kube-apiserver",
        f"--etcd-servers={place.etcd}",
        f"--etcd-prefix=/lab-{addresses.number}",
        "--bind-address=127.0.0.1",
        f"--secure-port={addresses.api_server}",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={addresses.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        f"--client-ca-file={pki.ca}",
        f"--tls-cert-file={pki.server.certificate}",
        f"--tls-private-key-file={pki.server.key}",
        f"--cert-dir={place.folder / 'certs'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_accounts.certificate}",
        f"--service-account-signing-key-file={pki.service_accounts.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={kubelet.certificate}",
        f"--kubelet-client-key={kubelet.key}",
        "--allow-privileged=true",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
        f"--audit-policy-file={HERE / 'audit-policy.yaml'}",
        f"--audit-log-path={place.folder / 'audit.log'}",
        "--audit-log-mode=blocking",
    ]


def controller_manager(place: Place) -> list[str | Path]:
    """Return the command of the controllers, which create pods for workloads."""
    return [
        place.binaries.kube,
        "kube-controller-manager",
        *_loop_flags(place, "controller-manager", place.addresses.controller_manager),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={place.pki.service_accounts.key}",
        f"--root-ca-file={place.pki.ca}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--cert-dir={place.folder / 'certs'}",
        "--controllers=*," + ",".join(f"-{name}" for name in CONTROLLERS_OFF),
    ]


def scheduler(place: Place) -> list[str | Path]:
    """Return the command of the scheduler."""
    return [
        place.binaries.kube,
        "kube-scheduler",
        *_loop_flags(place, "scheduler", place.addresses.scheduler),
        f"--cert-dir={place.folder / 'certs'}",
    ]


def _loop_flags(place: Place, user: str, port: int) -> list[str]:
    kubeconfig = place.kubeconfig(user)
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
        "--profiling=false",
    ]


def proxies(place: Place) -> list[str | Path]:
    """Return the command of the xDS clients, one for each pod with a proxy."""
    pair = place.pki.clients["supervisor"]
    return [
        place.binaries.proxies,
        f"--server={place.addresses.server}",
        f"--ca={place.pki.ca}",
        f"--certificate={pair.certificate}",
        f"--key={pair.key}",
        f"--logs={place.folder / 'logs' / 'pods'}",
    ]


def kwok(place: Place) -> list[str | Path]:
    """Return the command of kwok: all kubelets in one process. Without leases, it writes nothing when idle."""
    port = place.addresses.kubelet
    return [
        place.binaries.kwok,
        f"--kubeconfig={place.kubeconfig('kwok')}",
        f"--config={place.folder / 'stages.yaml'}",
        "--manage-all-nodes=true",
        "--enable-crds=PortForward,Logs",
        "--node-ip=127.0.0.1",
        "--node-name=localhost",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={place.pki.server.certificate}",
        f"--tls-private-key-file={place.pki.server.key}",
        "--node-lease-duration-seconds=0",
        f"--cidr={POD_CIDR}",
    ]
