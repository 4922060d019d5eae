# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rings of a fleet: which clusters go first, and when too many of them failed.

A ring is an inventory group, istio_ring_0 and so on. A play knows batches only, and a batch that fails stops no other
(Ansible documentation, "Setting the batch size with serial").
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import Amount, read_amount

RING = re.compile(r"istio_ring_([0-9]+)")
#: What belongs to no ring goes after all rings.
NO_RING = ""


def ring_of(host: str, groups: Mapping[str, Iterable[str]]) -> str:
    """Return the ring of a cluster.

    Raises:
        ParameterError: it is in several.
    """
    found = [name for name, hosts in groups.items() if RING.fullmatch(name) and host in hosts]
    if len(found) > 1:
        raise ParameterError(f"Cluster {host} is in {' and '.join(sorted(found))}; a cluster belongs to one ring.")
    return found[0] if found else NO_RING


def _rank(ring: str) -> int:
    found = RING.fullmatch(ring)
    return int(found[1]) if found else 10**9


def rings(
    hosts: Sequence[str], groups: Mapping[str, Sequence[str]], limit: Iterable[str], width: t.Any = "100%"
) -> dict[str, t.Any]:
    """Return the clusters ring by ring, and the sizes of the batches in which a play goes through them.

    Args:
        limit: the clusters that the run is limited to.
        width: how many clusters of a ring go side by side, a number or a percentage of the ring.

    Raises:
        ParameterError: a ring has no cluster, a cluster is in several rings, or the width is none.
    """
    empty = sorted(name for name, inside in groups.items() if RING.fullmatch(name) and not inside)
    if empty:
        raise ParameterError(
            f"Inventory group {empty[0]} has no cluster; remove it, or give it one. In AWX its hosts may be disabled."
        )
    of = {host: ring_of(host, groups) for host in hosts}
    ordered = sorted(hosts, key=lambda host: _rank(of[host]))
    kept, amount = set(limit), read_amount("istio_serial", str(width))
    sizes = [
        size
        for ring in sorted(set(of.values()), key=_rank)
        for size in _cut(sum(of[host] == ring and host in kept for host in ordered), amount)
    ]
    return {"hosts": ordered, "sizes": sizes, "of": of}


def _cut(count: int, amount: Amount) -> Iterator[int]:
    """Return the sizes of the batches of one ring."""
    size = amount.of(count)
    while count > 0:
        yield min(size, count)
        count -= size


def budget(given: t.Any, clusters: int) -> int:
    """Return how many clusters may fail before no other one begins.

    Raises:
        ParameterError: it is neither a number nor a percentage.
    """
    text = str(given).strip()
    if text in ("0", "0%"):
        return 0
    found = read_amount("istio_failure_budget", text)
    return clusters * found.number // 100 if found.percent else found.number


def standing_of(
    batch: Sequence[str],
    everybody: Sequence[str],
    left: Iterable[str],
    given: t.Any,
    of: Mapping[str, str],
    out: Iterable[str] = (),
    idle: int = 0,
) -> dict[str, t.Any]:
    """Return what a batch of a play begins with.

    Args:
        batch: the clusters of the batch.
        everybody: all clusters of the play, in order.
        left: those that did not fail.
        of: the ring of each.
        out: those that had failed before the play began.
        idle: how many clusters of the fleet have nothing to do, and are not in the play.
    """
    own = sorted({of.get(host, NO_RING) for host in batch}, key=_rank)
    place = min((everybody.index(host) for host in batch), default=0)
    begun = [host for host in everybody[:place] if host not in set(out)]
    failed, most = [host for host in everybody if host not in set(left)], budget(given, len(everybody) + idle)
    return {
        "clusters": len(everybody) + idle,
        "rings": own,
        "first": not begun,
        "begins_ring": bool(begun) and of.get(begun[-1], NO_RING) != of.get(everybody[place], NO_RING),
        "failed": failed,
        "budget": most,
        "spent": len(failed) > most,
        "untouched": [host for host in everybody[place:] if host not in failed],
    }
