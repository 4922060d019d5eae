# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the proxies that are connected to an istiod from its debug endpoint.

Source: istio/istio pilot/pkg/xds/debug.go (SyncStatus, ResourceStatus), with rejected configuration since Istio 1.23.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_text

#: Version that istioctl reports when it queries istiod over xDS (istio/istio istioctl/pkg/multixds/gather.go).
NO_PROXY = "65536.65536.65536"


@dataclasses.dataclass(frozen=True, slots=True)
class Connected:
    """A proxy that is connected to an istiod; ``rejected`` maps a type of configuration to the reason of its rejection.

    ``kind`` is sidecar, router, waypoint or ztunnel; ``revision`` is that of the istiod.
    """

    namespace: str
    name: str
    kind: str
    version: str
    istiod: str
    revision: str
    rejected: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Name of its cluster, empty if it does not report it.
    cluster: str = ""


def short_type(url: str) -> str:
    """Return the last word of a type URL, such as Cluster."""
    return url.rpartition("/")[2].rpartition(".")[2]


def read_syncz(body: bytes, istiod: str, revision: str) -> list[Connected]:
    """Return the proxies in the answer of one istiod, without connections that do not belong to a proxy.

    Each row is reduced as soon as it is parsed, so that the answer for a large mesh needs little memory.

    Raises:
        ValueError: the answer has another format.
    """

    def reduced(row: dict[str, t.Any]) -> dict[str, t.Any] | Connected | None:
        if "proxy" not in row:
            return row
        name, dot, namespace = as_text(row["proxy"]).rpartition(".")
        if not dot or row.get("istio_version") == NO_PROXY:
            return None
        errors = {url: as_text(as_map(status).get("lastError")) for url, status in as_map(row.get("resources")).items()}
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
    """Return each proxy once per revision that it is connected to, however many replicas of istiod list it.

    A proxy that is listed twice has just reconnected; the replica that it left may still list old rejections.
    """
    proxies: dict[tuple[str, str, str], Connected] = {}
    for proxy in (proxy for answer in answers for proxy in answer):
        key = (proxy.namespace, proxy.name, proxy.revision)
        if key not in proxies or (proxies[key].rejected and not proxy.rejected):
            proxies[key] = proxy
    return tuple(proxies[key] for key in sorted(proxies))
