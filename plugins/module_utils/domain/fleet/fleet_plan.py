# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan what a run does to a fleet, from one reading and one precheck of each cluster."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import (
    finding_line,
    summarize_fleet,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import (
    DONE,
    REFUSED,
    UNREACHABLE,
    cluster_line,
    cluster_state,
    count_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import ERROR, WARNING
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import find_same_clusters

#: Result of a module on each cluster, failed or not.
Results = Mapping[str, Mapping[str, t.Any]]


def plan_fleet(
    readings: Results, *, prechecks: Results, version: str, tag: str = "", ring_of_cluster: Mapping[str, str]
) -> Json:
    """Return the state of each cluster in the order of the rings, how many are in each state, and lines for people.

    In a fleet, the precheck of a cluster shows errors and warnings only. The plan shows the other findings once for all
    clusters.

    Args:
        readings: result of istio_info with ``record`` on each cluster, in the order of the run.
        prechecks: result of istio_precheck on the clusters that have one.
        version: the target version.
        tag: its image tag, if it differs from the version.
        ring_of_cluster: the ring of each cluster, empty for none.
    """
    clusters: list[Json] = [
        {"ring": ring_of_cluster.get(name, ""), **_row(name, reading, prechecks.get(name) or {}, version, tag)}
        for name, reading in readings.items()
    ]
    ids = {name: str((reading.get("cluster") or {}).get("id") or "") for name, reading in readings.items()}
    rings = list(dict.fromkeys(row["ring"] for row in clusters))
    lines = [line for ring in rings for line in _lines(ring, [row for row in clusters if row["ring"] == ring])]
    counts, total = count_states(clusters)
    findings = summarize_fleet(prechecks)["findings"]
    if len(clusters) > 1:
        lines += [finding_line(row) for row in findings if row["severity"] not in (ERROR, WARNING)]
    return {
        "clusters": clusters,
        "counts": counts,
        "findings": findings,
        "duplicates": find_same_clusters(ids),
        "lines": [*lines, total],
    }


def _row(name: str, reading: Mapping[str, t.Any], precheck: Mapping[str, t.Any], version: str, tag: str) -> Json:
    row = {"cluster": name, "up_to_date": bool(reading.get("up_to_date")), **cluster_state(reading, version, tag)}
    if row["up_to_date"]:
        # A limited run is up to date as soon as its own part is done.
        left = "" if row["state"] == DONE else f"{row['reason']}; nothing is left for this run"
        return {**row, "reason": left or "nothing to do"}
    if precheck.get("failed"):
        unread = (precheck.get("failure") or {}).get("kind") == ClusterError.__name__
        return {**row, "state": UNREACHABLE if unread else REFUSED, "reason": str(precheck.get("msg"))}
    return row


def _lines(ring: str, clusters: Iterable[Json]) -> list[str]:
    """Return a line for each cluster that is not done, and one for all others."""
    rows = list(clusters)
    up_to_date = [row["cluster"] for row in rows if row["up_to_date"] and row["state"] == DONE]
    lines = [cluster_line(row) for row in rows if row["cluster"] not in up_to_date]
    lines += [f"{DONE}: {join_limited(up_to_date)}: nothing to do"] if up_to_date else []
    return [f"{ring}: {line}" for line in lines] if ring else lines


def up_to_date_clusters(readings: Results) -> list[str]:
    """Return the clusters on which the run would change nothing."""
    return [name for name, reading in readings.items() if reading.get("up_to_date")]


class RecordedRuns(t.TypedDict):
    """The runs that a rollback of a fleet may undo."""

    known: bool
    runs: list[str]


def recorded_runs(readings: Results) -> RecordedRuns:
    """Return whether any cluster has recorded the run to undo, and all runs that clusters have recorded.

    Args:
        readings: result of istio_info with ``record`` on each cluster.
    """
    undos = [reading["undo"] for reading in readings.values() if "undo" in reading]
    runs = [run for undo in undos for run in undo["recorded_runs"]]
    return {"known": any(undo["known"] for undo in undos), "runs": list(dict.fromkeys(runs))}
