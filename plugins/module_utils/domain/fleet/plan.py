# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run will do to a fleet, from one reading and one gate of each cluster."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import (
    finding_line,
    summarize_fleet,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import (
    DONE,
    REFUSED,
    line,
    standing,
    summed,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import ERROR, WARNING
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import find_same_clusters


def plan(
    readings: Mapping[str, Mapping[str, t.Any]],
    gates: Mapping[str, Mapping[str, t.Any]],
    version: str,
    of: Mapping[str, str],
) -> Json:
    """Return the state of each cluster in the order of the rings, how many are in each, and lines for people.

    In a fleet the gate of a cluster says nothing of what is only good to know: it is told here once for all clusters.

    Args:
        readings: result of istio_info with ``record`` on each cluster, in the order in which the clusters go.
        gates: result of istio_precheck where it was made, failed or not.
        of: the ring of each cluster, empty for none.
    """
    clusters = [_row(name, one, gates.get(name) or {}, version) for name, one in readings.items()]
    clusters = [{"ring": of.get(one["cluster"], ""), **one} for one in clusters]
    ids = {name: str((one.get("cluster") or {}).get("id") or "") for name, one in readings.items()}
    rings = list(dict.fromkeys(one["ring"] for one in clusters))
    lines = [text for ring in rings for text in _lines(ring, [one for one in clusters if one["ring"] == ring])]
    counts, total = summed(clusters)
    findings = summarize_fleet(gates)["findings"]
    lines += [finding_line(one) for one in findings if len(clusters) > 1 and one["severity"] not in (ERROR, WARNING)]
    return {
        "clusters": clusters,
        "counts": counts,
        "findings": findings,
        "same": find_same_clusters(ids),
        "lines": [*lines, total],
    }


def _row(name: str, reading: Mapping[str, t.Any], gate: Mapping[str, t.Any], version: str) -> Json:
    found = {"cluster": name, "up_to_date": bool(reading.get("up_to_date")), **standing(reading, version)}
    if found["up_to_date"]:
        return {**found, "state": DONE, "why": "nothing to do"}
    if gate.get("failed"):
        return {**found, "state": REFUSED, "why": str(gate.get("msg"))}
    return found


def _lines(ring: str, clusters: Iterable[Json]) -> list[str]:
    """Return a line for each cluster with something to do, and one for all others."""
    rows = list(clusters)
    idle = [one["cluster"] for one in rows if one["up_to_date"]]
    busy = [line(one) for one in rows if not one["up_to_date"]]
    told = busy + ([f"{DONE}: {some(idle)}: nothing to do"] if idle else [])
    return [f"{ring}: {text}" for text in told] if ring else told
