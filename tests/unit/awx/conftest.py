# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the configuration once for all tests."""

from __future__ import annotations

from typing import Any

import pytest

from unit.awx.described import described

RINGS = {
    "one": ["istio_ring_0"],
    "three": ["istio_ring_0", "istio_ring_1", "istio_ring_2"],
    "five": ["istio_ring_0", "istio_ring_1", "istio_ring_2", "istio_ring_5", "istio_ring_10"],
}


@pytest.fixture(scope="session")
def configurations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return described(tmp_path_factory.mktemp("awx"), RINGS)


@pytest.fixture(scope="session")
def configuration(configurations: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return configurations["three"]
