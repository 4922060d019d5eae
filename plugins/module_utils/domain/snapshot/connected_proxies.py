# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod knows about the proxies that are connected to it; pure.

Source: istio/istio pilot/pkg/xds/debug.go (SyncStatus, ResourceStatus). What a proxy rejects is told since Istio 1.23.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_map, as_text

#: Version that istioctl gives itself when it asks istiod over xDS (istio/istio istioctl/pkg/multixds/gather.go).
NO_PROXY = "65536.65536.65536"


@dataclasses.dataclass(frozen=True, slots=True)
class Connected:
    """A proxy that is connected to an istiod; ``rejected`` maps a type of configuration to why it rejects the newest.

    ``kind`` is sidecar, router, waypoint or ztunnel; ``revision`` is that of the istiod.
    """

    namespace: str
    name: str
    kind: str
    version: str
    istiod: str
    revision: str
    rejected: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: What its own cluster is called; empty where it does not say so.
    cluster: str = ""


def short_type(url: str) -> str:
    """Return the last word of a type URL, such as Cluster."""
    return url.rpartition("/")[2].rpartition(".")[2]


def read_syncz(body: bytes, istiod: str, revision: str) -> list[Connected]:
    """Return the proxies in one istiod's answer; connections that belong to no proxy are left out.

    Each is reduced as soon as it is parsed, so that an answer about a large mesh stays small.

    Raises:
        ValueError: the answer is not what it should be.
    """

    def reduced(row: dict[str, t.Any]) -> dict[str, t.Any] | Connected | None:
        if "proxy" not in row:
            return row
        name, dot, namespace = as_text(row["proxy"]).rpartition(".")
        if not dot or row.get("istio_version") == NO_PROXY:
            return None
        errors = {url: as_text(as_map(one).get("lastError")) for url, one in as_map(row.get("resources")).items()}
        rejected = {short_type(url): error for url, error in errors.items() if error}
        kind, version, cluster = (as_text(row.get(key)) for key in ("proxy_type", "istio_version", "cluster_id"))
        return Connected(namespace, name, kind, version, istiod, revision, dict(sorted(rejected.items())), cluster)

    try:
        rows = json.loads(body, object_hook=reduced)
    except RecursionError:
        raise ValueError("it is nested without end") from None
    if not isinstance(rows, list):
        raise ValueError("it is not a list of proxies")
    return [row for row in rows if isinstance(row, Connected)]


def merged(answers: Iterable[Iterable[Connected]]) -> tuple[Connected, ...]:
    """Return each proxy once for each revision that it is connected to, however many replicas of istiod list it.

    One that is listed twice has just moved; what it rejects may be old news of the replica that it left.
    """
    found: dict[tuple[str, str, str], Connected] = {}
    for one in (proxy for answer in answers for proxy in answer):
        key = (one.namespace, one.name, one.revision)
        if key not in found or (found[key].rejected and not one.rejected):
            found[key] = one
    return tuple(sorted(found.values(), key=lambda one: (one.namespace, one.name, one.revision)))
