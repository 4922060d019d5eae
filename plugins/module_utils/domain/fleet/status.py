# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive the state of each cluster of a fleet from one reading of it (istio_info with record)."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import FAILED, RUNNING, STOPPED
from ansible_collections.meshops.istio.plugins.module_utils.domain.standing.leftovers import (
    count_left_proxies,
    count_proxies,
    is_target,
    left_namespaces,
    other_revisions,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version

UNREACHABLE, LOCKED, REFUSED, INTERRUPTED, RUN_FAILED = "unreachable", "locked", "refused", "interrupted", "failed"
HALF_DONE, NOT_BEGUN, DONE = "half done", "not begun", "done"
#: All states, in the order in which people look at them.
STATES = (UNREACHABLE, LOCKED, REFUSED, RUN_FAILED, INTERRUPTED, HALF_DONE, NOT_BEGUN, DONE)


class ClusterState(t.TypedDict):
    """The state of one cluster."""

    state: str
    reason: str
    versions: list[str]
    proxies: dict[str, int]
    unreadable: list[str]
    undo: str


def cluster_state(reading: Mapping[str, t.Any], version: str = "", tag: str = "") -> ClusterState:
    """Return the state of one cluster with its reason, and the versions that run there.

    Without a target version, a cluster is done if all its proxies have one version and none of them is stale. ``tag``
    is the image tag of the target, if it is not the version.
    """
    if "control_planes" not in reading:
        # The cluster was read, but an option does not fit it, such as the name of a namespace.
        refused = (reading.get("failure") or {}).get("kind") == ParameterError.__name__
        message = str(reading.get("msg") or "it was not read")
        return {
            "state": REFUSED if refused else UNREACHABLE,
            "reason": message,
            "versions": [],
            "proxies": {},
            "unreadable": [],
            "undo": "",
        }
    state, reason = _state(reading, version, tag)
    proxies = collections.Counter[str]()
    for counts in reading.get("proxies", {}).values():
        proxies.update(counts)
    return {
        "state": state,
        "reason": reason,
        "versions": sorted({plane["version"] for plane in reading["control_planes"]}),
        "proxies": dict(sorted(proxies.items())),
        "unreadable": list(dict.fromkeys(row["object"] for row in reading.get("unreadable", ()))),
        "undo": _undo_summary(reading.get("undo") or {}),
    }


def _undo_summary(undo: Mapping[str, t.Any]) -> str:
    """Return what a rollback would undo, or an empty text if it would change nothing."""
    changes = any(undo.get(kind) for kind in ("namespaces", "tags", "workloads"))
    return str(undo.get("summary") or "") if changes else ""


def _state(reading: Mapping[str, t.Any], version: str, tag: str) -> tuple[str, str]:
    lock, record = reading.get("lock"), reading.get("record") or {}
    if lock:
        return LOCKED, f"{lock['holder']} works on it since {lock['since']}"
    run = f"the {record.get('strategy') or 'run'} by {record.get('started_by')}"
    if record.get("state") == FAILED:
        return RUN_FAILED, f"{run} failed in {record.get('phase') or 'its first phase'}: {record.get('message')}"
    if record.get("state") in (RUNNING, STOPPED):
        return INTERRUPTED, f"{run} ended in {record.get('phase') or 'its first phase'} at {record.get('updated')}"
    return _progress(reading, version, tag)


def _progress(reading: Mapping[str, t.Any], version: str, tag: str) -> tuple[str, str]:
    counts, planes = reading.get("proxies", {}), reading["control_planes"]
    images = {image for row in counts.values() for image in row}
    installed = {plane["version"] for plane in planes}
    if not installed and not (version and images):
        return NOT_BEGUN, f"{version or 'Istio'} is not installed"
    # A reading that stopped early has no rows, because nothing is stale.
    rows = reading.get("namespaces", ())
    stale = sum(row["stale_proxies"] for row in rows)
    if not version:
        mixed = len({parse_version(image) or image for image in images}) > 1
        return (HALF_DONE, "proxies of several versions run") if mixed else _stale_state(stale)
    total, left = count_proxies(counts), count_left_proxies(counts, version, tag)
    # A control plane outside this cluster, or with a digest only, shows its version by its proxies.
    shown = left < total and any(parse_version(plane) is None for plane in installed)
    if not shown and not any(is_target(plane, version, tag) for plane in installed):
        return NOT_BEGUN, f"{version} is not installed{_without_version(installed)}"
    if left:
        reached = f"{total - left} of {total} proxies run {version}{_without_version(images)}"
        return (HALF_DONE if left < total else NOT_BEGUN), reached
    behind = left_namespaces(rows, planes, version, tag)
    if behind and not stale:
        return HALF_DONE, f"the labels of {join_limited(behind)} select a revision of another version"
    state, reason = _stale_state(stale)
    return state, reason or _left_to_finalize(reading, version, tag)


def _left_to_finalize(reading: Mapping[str, t.Any], version: str, tag: str) -> str:
    """Return what finalize would still do on a cluster whose proxies all run the target, or an empty text."""
    others = other_revisions(reading["control_planes"], version, tag)
    default = (reading.get("default") or {}).get("revision")
    parts = [f"the default leads to {default}"] if default in others else []
    parts += [f"{join_limited(others)} is still installed"] if others else []
    return f"not finalized: {', '.join(parts)}" if parts else ""


def _without_version(tags: Iterable[str]) -> str:
    """Return the end of a sentence about image tags that name no version, empty if each of them names one."""
    unknown = sorted({tag or "one outside this cluster" for tag in tags if parse_version(tag) is None})
    return f", and no version is known of {join_limited(unknown)}" if unknown else ""


def _stale_state(stale: int) -> tuple[str, str]:
    return (HALF_DONE, f"{stale} proxies are stale") if stale else (DONE, "")


def fleet_status(readings: Mapping[str, Mapping[str, t.Any]], version: str = "", tag: str = "") -> Json:
    """Return the state of each cluster, how many clusters are in each state, and lines for people."""
    clusters = [{"cluster": name, **cluster_state(reading, version, tag)} for name, reading in readings.items()]
    clusters.sort(key=lambda row: (STATES.index(row["state"]), row["cluster"]))
    counts, total = count_states(clusters)
    return {"clusters": clusters, "counts": counts, "lines": [*map(cluster_line, clusters), total]}


def cluster_line(row: Mapping[str, t.Any]) -> str:
    """Return the line of one cluster for people."""
    proxies = ", ".join(f"{count} x {version}" for version, count in row["proxies"].items())
    versions = f"istiod {' '.join(row['versions']) or 'none'}, proxies {proxies or 'none'}"
    was_read = row["versions"] or row["proxies"] or row["state"] not in (UNREACHABLE, REFUSED)
    return (
        f"{row['state']}: {row['cluster']}"
        + (f" ({versions})" if was_read else "")
        + (f": {row['reason']}" if row["reason"] else "")
        + (f"; parts of {join_limited(row['unreadable'])} cannot be read" if row.get("unreadable") else "")
        + (f"; {row['undo']}" if row.get("undo") else "")
    )


def count_states(clusters: Sequence[Mapping[str, t.Any]]) -> tuple[dict[str, int], str]:
    """Return how many clusters are in each state that occurs, as a mapping and as a line for people."""
    states = [row["state"] for row in clusters]
    counts = {state: states.count(state) for state in STATES if state in states}
    total = f"{len(states)} cluster{'s'[: len(states) != 1]}: "
    return counts, total + ", ".join(f"{count} {state}" for state, count in counts.items())
