# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of several clusters."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from lab.ports import MAX_NUMBER, POD_CIDR, Addresses


def test_one_cluster() -> None:
    addresses = Addresses(3)
    assert addresses.server == "https://127.0.0.1:7030"
    assert addresses.service_cidr == "127.103.0.0/16"
    assert addresses.first_service_ip == "127.103.0.1"
    assert addresses.istiod_address(0) == "127.203.0.1"
    assert addresses.istiod_address(250) == "127.203.1.1"


def test_no_two_clusters_share_anything() -> None:
    for first, second in itertools.combinations(range(1, MAX_NUMBER + 1), 2):
        one, other = Addresses(first), Addresses(second)
        assert not set(one.ports) & set(other.ports)
        assert one.service_cidr != other.service_cidr
        assert one.istiod_address(0) != other.istiod_address(0)


@pytest.mark.parametrize("count", [0, 1, 249, 250, 70000])
def test_addresses_are_valid(count: int) -> None:
    addresses = Addresses(MAX_NUMBER)
    assert ipaddress.ip_address(addresses.istiod_address(count)).is_loopback
    pod = ipaddress.ip_address(addresses.istiod_pod_ip(count))
    assert not pod.is_loopback
    assert pod not in ipaddress.ip_network(POD_CIDR)


@pytest.mark.parametrize("number", [0, MAX_NUMBER + 1])
def test_numbers_have_bounds(number: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        Addresses(number)
