# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary upgrade of the two meshes that the cases start from, without anything unusual: it succeeds, and repeats."""

from __future__ import annotations

import pytest

from field.meshes import proxies
from field.playbooks import canary, changed, play
from integration.support import NEW_VERSION, Desk
from lab import Cluster


@pytest.mark.parametrize("mesh", ["based", "unrevisioned"])
def test_a_plain_mesh_is_upgraded_and_a_second_run_changes_nothing(
    desk: Desk, mesh: str, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(mesh)
    assert play(desk, cluster, "precheck").returncode == 0
    canary(desk, cluster).require_success()
    assert {image.rpartition(":")[2] for image in proxies(cluster).values()} == {NEW_VERSION}
    again = canary(desk, cluster).require_success()
    assert changed(again, cluster) == 0
    play(desk, cluster, "verify").require_success()
