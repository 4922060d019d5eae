# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload that was broken before a restart is restarted after the others, or left and named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.restarts import MOVED, restart, restarted

BAD = "Deployment shop/bad"


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments in namespace shop, of which no pod of the first one is ready."""
    broken = b.deployed("bad")
    broken[-1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    with FakeApi(*MOVED, *broken, *b.deployed()) as found:
        yield found


def test_by_default_it_is_the_last(api: FakeApi) -> None:
    result = restart(api)
    assert not result.get("failed"), result
    assert result["batches"] == [["Deployment shop/web"], [BAD]]
    assert result["unrestartable"] == []


@pytest.mark.parametrize("scope", ["stale", "all"])
def test_it_is_left_and_named(api: FakeApi, scope: str) -> None:
    result = restart(api, broken_workloads="leave", scope=scope)
    assert not result.get("failed"), result
    assert (restarted(api), result["restarted"]) == (["web"], ["Deployment shop/web"])
    assert [(row["name"], row["code"], row["pods"]) for row in result["unrestartable"]] == [("bad", "broken_before", 1)]
    assert [
        text for text in result["warnings"] if text.startswith(f"{BAD} was not restarted: none of its pods is ready")
    ]
    again = restart(api, broken_workloads="leave")
    assert (again["changed"], again["unrestartable"]) == (False, result["unrestartable"])
