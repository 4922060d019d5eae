# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of the cases, as a user runs them: without the options that other tests add."""

from __future__ import annotations

from typing import Any

from integration.support import NEW_VERSION, Desk, Play
from lab import Cluster


def play(desk: Desk, cluster: Cluster, name: str, *flags: str, **variables: Any) -> Play:
    """Run playbook meshops.istio.NAME against one cluster; ``istio_version`` is 1.31.0 unless given."""
    given = {"istio_version": NEW_VERSION, "istio_skip_up_to_date": True, **variables}
    return desk.play([cluster], *flags, playbook=f"meshops.istio.{name}", **given)


def canary(desk: Desk, cluster: Cluster, *flags: str, **variables: Any) -> Play:
    """Run the playbook canary to 1.31.0; with ``istio_finalize=True`` it is CANARY+F of the cases."""
    return play(desk, cluster, "canary", *flags, **variables)


def changed(run: Play, cluster: Cluster) -> int:
    """Return the number of changed tasks of a cluster in the recap of a run; 0 if it was left out as up to date."""
    return run.recap.get(cluster.name, {}).get("changed", 0)
