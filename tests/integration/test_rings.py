# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet goes ring by ring, and no other cluster begins once too many have failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import MESH, drop_unrestartable
from integration.objects import pods
from integration.support import CANARY, NEW_VERSION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
#: Nobody answers there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none"}


@dataclass(frozen=True)
class Fleet:
    """Ring 0 has a cluster that cannot be reached and one that can, ring 1 the other one."""

    desk: Desk
    first: Cluster
    second: Cluster

    def play(self, **variables: Any) -> Play:
        """Upgrade all that may begin."""
        inventory = self.desk.inventory([self.first, self.second])
        inventory["all"]["hosts"]["lost"] = LOST
        inventory["all"]["children"] = {
            "istio_ring_1": {"hosts": {self.second.name: {}}},
            "istio_ring_0": {"hosts": {"lost": {}, self.first.name: {}}},
        }
        return self.desk.play([self.first, self.second], inventory=inventory, playbook=CANARY, **variables)


@pytest.fixture(scope="module")
def fleet(desk: Desk) -> Fleet:
    """Two meshes of 1.30.3."""
    first, second = desk.lab.clusters
    desk.fresh([first, second])
    for cluster in (first, second):
        drop_unrestartable(cluster)
    return Fleet(desk, first, second)


def versions(cluster: Cluster) -> set[str]:
    """Versions of the proxies of a mesh."""
    return {pod.version for pod in pods(cluster, MESH).values() if not pod.done}


def test_no_other_ring_begins_once_the_budget_is_spent(fleet: Fleet) -> None:
    mark = fleet.second.audit_mark()
    play = fleet.play()
    assert play.returncode != 0
    # the cluster beside the lost one had begun, and is left as it is between two waves
    assert play.recap[fleet.first.name]["failures"] == 0
    assert versions(fleet.first) == {VERSION}
    assert "1 of 3 clusters failed (lost), the failure budget is 0." in play.output
    assert f"These stay as they are: {fleet.second.name}." in play.output
    assert fleet.second.writes_since(mark) == []
    assert play.ours(fleet.second) == []


def test_within_the_budget_the_rings_go_one_after_another(fleet: Fleet) -> None:
    play = fleet.play(istio_failure_budget="1")
    assert play.recap["lost"]["failures"] == 1
    assert versions(fleet.first) == versions(fleet.second) == {NEW_VERSION}
    order = [one.host for one in play.results if one.host != "lost"]
    assert order.index(fleet.second.name) > max(at for at, host in enumerate(order) if host == fleet.first.name)
