# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters as hosts of the inventory: their names, duplicates, variables and groups; pure."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import Source


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One cluster and its login."""

    host: str
    name: str
    #: The object or context that lists the cluster, for messages.
    origin: str
    source: str
    kubeconfig: str
    context: str
    server: str
    #: Equal for all contexts that lead to the same API server.
    server_key: tuple[str, ...]
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Probe:
    """The answer of a cluster: its identity and the revisions and versions of its istiods, or the error."""

    cluster_id: str = ""
    running: tuple[tuple[str, str], ...] = ()
    error: str = ""


def fill_template(template: str, option: str, fields: Mapping[str, str]) -> str:
    """Return a template with its ``{fields}`` replaced by their values.

    Raises:
        ParameterError: the template has an unknown field.
    """
    unknown = sorted(set(re.findall(r"{(.*?)}", template)) - set(fields))
    if unknown:
        valid = ", ".join(f"{{{name}}}" for name in sorted(fields))
        raise ParameterError(
            f"Option {option}: there is no {{{unknown[0]}}} in {template!r}; valid fields are {valid}."
        )
    return re.sub(r"{(.*?)}", lambda match: fields[match[1]], template)


def safe_name(name: str) -> str:
    """Return a name without characters that have a meaning in host patterns or paths."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")


def host_name_of(source: Source, name: str) -> str:
    """Return the host name of a cluster.

    Args:
        source: the source of the cluster.
        name: its option ``host_name``, filled in.

    Raises:
        ParameterError: the name has no valid character.
    """
    if not safe_name(name):
        raise ParameterError(f"{source}: {name!r} has no valid character for a host name; set another host_name.")
    return safe_name(name)


def select_names(source: Source, names: Sequence[str]) -> set[str]:
    """Return the names that ``include`` and ``exclude`` of a source select.

    Raises:
        ParameterError: a pattern of include matches nothing, which is usually a mistake, or no name is selected.
    """
    for pattern in source.include:
        if not fnmatch.filter(names, pattern):
            available = ", ".join(sorted(set(names))[:20]) or "none"
            raise ParameterError(f"{source}: pattern {pattern!r} of include matches nothing; names are {available}.")
    included = {name for name in names if not source.include or _matches(name, source.include)}
    selected = {name for name in included if not _matches(name, source.exclude)}
    if not selected:
        raise ParameterError(f"{source} has no cluster: include and exclude leave out all {len(names)} of them.")
    return selected


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def normalize_server(url: str) -> str:
    """Return the URL of an API server in a form that is equal for all its spellings.

    Raises:
        ValueError: it is not a valid URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname.rstrip('.')}:{port}{parts.path.rstrip('/')}"


def refuse_equal_names(clusters: Iterable[Cluster]) -> None:
    """Refuse two clusters with the same host name.

    Raises:
        ParameterError: it names both clusters.
    """
    seen: dict[str, Cluster] = {}
    for cluster in clusters:
        other = seen.setdefault(cluster.host, cluster)
        if other is not cluster:
            raise ParameterError(
                f"Two clusters would be host {cluster.host}: {other.origin} and {cluster.origin}; make their names "
                "different by host_name, such as '{file}-{context}', or leave one out by exclude."
            )


def refuse_same_cluster(clusters: Iterable[Cluster], probes: Mapping[str, Probe]) -> None:
    """Refuse one cluster with two host names, because a run would change it twice in parallel.

    Two clusters with known identities are the same if the identities are equal; others, if their API servers are.

    Raises:
        ParameterError: it names both hosts.
    """
    seen: list[tuple[Cluster, str]] = []
    for cluster in clusters:
        cluster_id = probes.get(cluster.host, Probe()).cluster_id
        for other, other_id in seen:
            same_server = cluster.server_key == other.server_key
            if cluster_id == other_id if cluster_id and other_id else same_server:
                raise ParameterError(
                    f"Hosts {other.host} and {cluster.host} are the same cluster ({cluster.server}): {other.origin} "
                    f"and {cluster.origin}; leave one out by exclude."
                )
        seen.append((cluster, cluster_id))


def host_variables(cluster: Cluster, probe: Probe | None) -> Json:
    """Return the variables of a host. None of them is secret."""
    variables: Json = {
        "ansible_connection": "local",
        "istio_kubeconfig": cluster.kubeconfig,
        "istio_context": cluster.context,
        "istio_cluster_name": cluster.name,
        "istio_cluster_server": cluster.server,
        "istio_cluster_source": cluster.source,
        "istio_cluster_labels": dict(cluster.labels),
    }
    if probe is None:
        return variables
    if probe.error:
        return {**variables, "istio_unreachable": probe.error}
    return {
        **variables,
        "istio_cluster_id": probe.cluster_id,
        "istio_running": [{"revision": revision, "version": version} for revision, version in probe.running],
        "istio_versions": sorted({version for dummy, version in probe.running}),
    }


def host_groups(probe: Probe | None) -> list[str]:
    """Return the groups of a host that follow from its probe."""
    if probe is None:
        return []
    if probe.error:
        return ["istio_unreachable"]
    versions = sorted({version or "unknown" for dummy, version in probe.running})
    return [f"istio_version_{re.sub('[^A-Za-z0-9]', '_', version)}" for version in versions] or ["istio_not_installed"]
