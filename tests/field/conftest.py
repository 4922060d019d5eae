# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of one cluster for all cases of this folder, and the two meshes that most cases start from.

MESHOPS_TEST_LAB names a running lab to use instead of one that exists only for the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from field.meshes import base, nonrev
from integration.support import Desk
from lab import Cluster, Lab


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The lab, and a folder for inventories and logs."""
    folder = tmp_path_factory.mktemp("desk")
    running = os.environ.get("MESHOPS_TEST_LAB")
    if running:
        yield Desk(Lab.attach(running), folder)
        return
    with Lab.start(f"field-{os.getpid()}", clusters=1) as lab:
        yield Desk(lab, folder)


@pytest.fixture
def empty(desk: Desk) -> Cluster:
    """A cluster without Istio, for cases with an installation of their own."""
    cluster = desk.lab.clusters[0]
    cluster.reset()
    return cluster


@pytest.fixture
def based(empty: Cluster) -> Cluster:
    """A cluster with BASE: revision 1-30-3, which namespace shop selects."""
    base(empty)
    return empty


@pytest.fixture
def unrevisioned(empty: Cluster) -> Cluster:
    """A cluster with NONREV: Istio 1.30.3 without a revision, namespace shop with istio-injection=enabled."""
    nonrev(empty)
    return empty
