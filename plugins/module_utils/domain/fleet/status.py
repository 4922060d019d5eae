# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each cluster of a fleet is, from one reading of each (istio_info with record)."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import FAILED, RUNNING, STOPPED

#: States in the order in which a person wants to see them.
UNREACHABLE, LOCKED, REFUSED, INTERRUPTED, BROKEN = "unreachable", "locked", "refused", "interrupted", "failed"
HALF, NOT_BEGUN, DONE = "half done", "not begun", "done"
STATES = (UNREACHABLE, LOCKED, REFUSED, BROKEN, INTERRUPTED, HALF, NOT_BEGUN, DONE)


def standing(result: Mapping[str, t.Any], version: str = "") -> Json:
    """Return the state of one cluster and why, and what runs there.

    Without a version that is looked for, a cluster is done if all its proxies are of one version and none is stale.
    """
    if "control_planes" not in result:
        # it was read, and what was asked of it is not so there, such as the name of a namespace
        refused = (result.get("failure") or {}).get("kind") == ParameterError.__name__
        why = str(result.get("msg") or "it was not read")
        state = REFUSED if refused else UNREACHABLE
        return {"state": state, "why": why, "versions": [], "proxies": {}, "undo": ""}
    state, why = _state(result, version)
    proxies = collections.Counter[str]()
    for counts in result.get("proxies", {}).values():
        proxies.update(counts)
    versions = sorted({plane["version"] for plane in result["control_planes"]})
    undo = result.get("undo") or {}
    undoes = (
        str(undo.get("summary") or "") if any(undo.get(kind) for kind in ("namespaces", "tags", "workloads")) else ""
    )
    return {
        "state": state,
        "why": why,
        "versions": versions,
        "proxies": dict(sorted(proxies.items())),
        "undo": undoes,
    }


def _state(result: Mapping[str, t.Any], version: str) -> tuple[str, str]:
    lock, record = result.get("lock"), result.get("record") or {}
    if lock:
        return LOCKED, f"{lock['holder']} works on it since {lock['since']}"
    about = f"the {record.get('strategy') or 'run'} by {record.get('started_by')}"
    if record.get("state") == FAILED:
        return BROKEN, f"{about} failed in {record.get('phase') or 'its first phase'}: {record.get('message')}"
    if record.get("state") in (RUNNING, STOPPED):
        return INTERRUPTED, f"{about} ended in {record.get('phase') or 'its first phase'} at {record.get('updated')}"
    return _progress(result, version)


def _progress(result: Mapping[str, t.Any], version: str) -> tuple[str, str]:
    proxies = [(proxy, count) for counts in result.get("proxies", {}).values() for proxy, count in counts.items()]
    total = sum(count for dummy, count in proxies)
    # a brief reading has no rows where nothing is stale
    stale = sum(row["stale_proxies"] for row in result.get("namespaces", ()))
    planes = {plane["version"] for plane in result["control_planes"]}
    if not version:
        mixed = len({proxy for proxy, dummy in proxies}) > 1
        return (HALF, "proxies of several versions run") if mixed else _stale(stale)
    right = sum(count for proxy, count in proxies if proxy.partition("-")[0] == version)
    if version not in planes:
        return NOT_BEGUN, f"{version} is not installed"
    if right < total:
        return (HALF if right else NOT_BEGUN), f"{right} of {total} proxies run {version}"
    return _stale(stale)


def _stale(stale: int) -> tuple[str, str]:
    return (HALF, f"{stale} proxies are stale") if stale else (DONE, "")


def status(results: Mapping[str, Mapping[str, t.Any]], version: str = "") -> Json:
    """Return how far the clusters of a fleet are: each by itself, how many in each state, and lines for people."""
    clusters = [{"cluster": name, **standing(result, version)} for name, result in results.items()]
    clusters.sort(key=lambda one: (STATES.index(one["state"]), one["cluster"]))
    counts, total = summed(clusters)
    return {"clusters": clusters, "counts": counts, "lines": [*map(line, clusters), total]}


def line(one: Mapping[str, t.Any]) -> str:
    """Return what people read of a cluster."""
    proxies = ", ".join(f"{count} x {version}" for version, count in one["proxies"].items())
    runs = f"istiod {' '.join(one['versions']) or 'none'}, proxies {proxies or 'none'}"
    return (
        f"{one['state']}: {one['cluster']}"
        + (f" ({runs})" if one["versions"] or one["proxies"] or one["state"] not in (UNREACHABLE, REFUSED) else "")
        + (f": {one['why']}" if one["why"] else "")
        + (f"; {one['undo']}" if one.get("undo") else "")
    )


def summed(clusters: Sequence[Mapping[str, t.Any]]) -> tuple[dict[str, int], str]:
    """Return how many clusters are in each state that occurs, and the same for people."""
    states = [one["state"] for one in clusters]
    counts = {state: states.count(state) for state in STATES if state in states}
    total = f"{len(states)} cluster{'s'[: len(states) != 1]}: "
    return counts, total + ", ".join(f"{count} {state}" for state, count in counts.items())
