# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the addresses of a cluster from its number."""

from __future__ import annotations

from dataclasses import dataclass

MAX_NUMBER = 50
PORTS_PER_CLUSTER = 10
BASE_PORT = 7000
POD_CIDR = "198.18.0.0/16"  # The range for benchmarks: EndpointSlices refuse loopback. No client connects to it.


@dataclass(frozen=True)
class Addresses:
    """The ports and address ranges of the cluster with this number (1 to MAX_NUMBER)."""

    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_NUMBER:
            raise ValueError(f"cluster number {self.number} is not within 1 to {MAX_NUMBER}")

    def _port(self, offset: int) -> int:
        return BASE_PORT + PORTS_PER_CLUSTER * self.number + offset

    @property
    def api_server(self) -> int:
        return self._port(0)

    @property
    def controller_manager(self) -> int:
        return self._port(1)

    @property
    def scheduler(self) -> int:
        return self._port(2)

    @property
    def kubelet(self) -> int:
        return self._port(3)

    @property
    def etcd_client(self) -> int:
        return self._port(4)

    @property
    def etcd_peer(self) -> int:
        return self._port(5)

    @property
    def ports(self) -> tuple[int, ...]:
        """Return all ports on 127.0.0.1 on which the cluster may listen."""
        return tuple(self._port(offset) for offset in range(6))

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_server}"

    @property
    def etcd(self) -> str:
        return f"http://127.0.0.1:{self.etcd_client}"

    @property
    def service_cidr(self) -> str:
        """Return the range of ClusterIPs: loopback addresses, so that a relay on this machine can serve them."""
        return f"127.{100 + self.number}.0.0/16"

    @property
    def first_service_ip(self) -> str:
        return f"127.{100 + self.number}.0.1"

    def istiod_address(self, count: int) -> str:
        """Return the loopback address of the count-th istiod process."""
        return f"127.{200 + self.number}.{count // 250 % 250}.{count % 250 + 1}"

    def istiod_pod_ip(self, count: int) -> str:
        """Return the address in the status of the pod: not loopback, and outside the range of kwok."""
        return f"198.19.{count // 250 % 250}.{count % 250 + 1}"
