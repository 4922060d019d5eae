# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order the clusters of a fleet by rings, and decide when too many of them have failed to begin with the next one.

A ring is an inventory group, istio_ring_0 and so on. A play has batches only, and a batch that fails does not stop the
next one (Ansible documentation, "Setting the batch size with serial").
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.amount import Amount, read_amount
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

RING = re.compile(r"istio_ring_([0-9]+)")
#: Clusters without a ring come after all rings.
NO_RING = ""
#: The value of the keyword serial for a play without clusters.
ALL_AT_ONCE = "100%"


class FleetOrder(t.TypedDict):
    """The clusters of a fleet in their order."""

    clusters: list[str]
    batch_sizes: list[int] | list[str]
    ring_of_cluster: dict[str, str]


class Batch(t.TypedDict):
    """The state of a fleet when a batch of it begins."""

    clusters: int
    rings: list[str]
    is_first: bool
    begins_ring: bool
    failed: list[str]
    failure_budget: int
    budget_spent: bool
    not_started: list[str]
    hold: str


def ring_of(host: str, groups: Mapping[str, Iterable[str]]) -> str:
    """Return the ring of a cluster.

    Raises:
        ParameterError: the cluster is in several rings.
    """
    names = [name for name, hosts in groups.items() if RING.fullmatch(name) and host in hosts]
    if len(names) > 1:
        raise ParameterError(f"Cluster {host} is in {' and '.join(sorted(names))}; a cluster belongs to one ring.")
    return names[0] if names else NO_RING


def _rank(ring: str) -> int:
    match = RING.fullmatch(ring)
    return int(match[1]) if match else 10**9


def order_clusters(
    clusters: Sequence[str], groups: Mapping[str, Sequence[str]], limit: Iterable[str], serial: t.Any = ALL_AT_ONCE
) -> FleetOrder:
    """Return the clusters ring by ring, and the sizes of the batches in which a play goes through them.

    Args:
        groups: the groups of the inventory, with their hosts.
        limit: the clusters that the play has, after --limit and without those that are up to date.
        serial: how many clusters of a ring go side by side, a number or a percentage of the ring.

    Raises:
        ParameterError: a ring has no cluster, a cluster is in several rings, or ``serial`` is not valid.
    """
    empty = sorted(name for name, hosts in groups.items() if RING.fullmatch(name) and not hosts)
    if empty:
        raise ParameterError(
            f"Inventory group {empty[0]} has no cluster; remove it, or give it one. In AWX its hosts may be disabled."
        )
    ring_of_cluster = {cluster: ring_of(cluster, groups) for cluster in clusters}
    ordered = sorted(clusters, key=lambda cluster: _rank(ring_of_cluster[cluster]))
    limited, amount = set(limit), read_amount("istio_serial", str(serial))
    batch_sizes = [
        size
        for ring in sorted(set(ring_of_cluster.values()), key=_rank)
        for size in _batch_sizes(sum(ring_of_cluster[name] == ring and name in limited for name in ordered), amount)
    ]
    return {
        "clusters": ordered,
        "batch_sizes": batch_sizes or [ALL_AT_ONCE],
        "ring_of_cluster": ring_of_cluster,
    }


def _batch_sizes(count: int, amount: Amount) -> Iterator[int]:
    """Yield the sizes of the batches of one ring."""
    size = amount.of(count)
    while count > 0:
        yield min(size, count)
        count -= size


def failure_budget(value: t.Any, clusters: int) -> int:
    """Return how many clusters may fail before the run begins with no other one.

    Args:
        value: a number or a percentage, also 0.
        clusters: the number of clusters of the fleet.

    Raises:
        ParameterError: the value is neither a number nor a percentage.
    """
    text = str(value).strip()
    if text in ("0", "0%"):
        return 0
    amount = read_amount("istio_failure_budget", text)
    return clusters * amount.number // 100 if amount.percent else amount.number


def default_budget(ring_of_cluster: Mapping[str, str]) -> str:
    """Return the failure budget of a fleet that has none: without rings, clusters do not depend on each other."""
    return "0" if any(ring_of_cluster.values()) else "100%"


def describe_batch(
    batch: Sequence[str],
    *,
    all_clusters: Sequence[str],
    active: Iterable[str],
    budget: t.Any,
    ring_of_cluster: Mapping[str, str],
    excluded: Iterable[str] = (),
    up_to_date: int = 0,
) -> Batch:
    """Return the state of the fleet when a batch of a play begins.

    Args:
        batch: the clusters of the batch.
        all_clusters: all clusters of the play, in order.
        active: the clusters that have not failed.
        budget: the failure budget, a number or a percentage.
        excluded: the clusters that had failed before the play began.
        up_to_date: the number of clusters of the fleet that are up to date, and not in the play.
    """
    active, excluded = set(active), set(excluded)
    position = min((all_clusters.index(cluster) for cluster in batch), default=0)
    begun = [cluster for cluster in all_clusters[:position] if cluster not in excluded]
    failed = [cluster for cluster in all_clusters if cluster not in active]
    total = len(all_clusters) + up_to_date
    most = failure_budget(budget, total)
    spent = len(failed) > most
    first_ring = ring_of_cluster.get(all_clusters[position], NO_RING) if all_clusters else NO_RING
    sentence = f"{len(failed)} of {total} clusters failed ({', '.join(failed)}), the failure budget is {most}."
    return {
        "clusters": total,
        "rings": sorted({ring_of_cluster.get(cluster, NO_RING) for cluster in batch}, key=_rank),
        "is_first": not begun,
        "begins_ring": bool(begun) and ring_of_cluster.get(begun[-1], NO_RING) != first_ring,
        "failed": failed,
        "failure_budget": most,
        "budget_spent": spent,
        "not_started": [cluster for cluster in all_clusters[position:] if cluster not in failed],
        "hold": sentence if spent else "",
    }
