# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin without its reading: options, names, doubles and hosts; pure."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json

_NAMES: Json = {"type": "list", "elements": "str", "default": []}
_PATHS: Json = {"type": "list", "elements": "path", "required": True}
_COMMON: Json = {
    "type": {"type": "str", "required": True},
    "include": _NAMES,
    "exclude": _NAMES,
}
_HUB: Json = {
    **_COMMON,
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str", "required": True},
    "label_selector": {"type": "str", "default": ""},
    "logins": _PATHS,
    "without_login": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
    "host_name": {"type": "str", "default": "{name}"},
}
#: Type of a source -> its options.
SOURCES: dict[str, Json] = {
    "kubeconfig": {**_COMMON, "path": _PATHS, "host_name": {"type": "str", "default": "{context}"}},
    "ocm": {**_HUB, "login_context": {"type": "str", "default": "{name}"}},
    "argocd": {
        **_HUB,
        "login_context": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": "argocd"},
    },
}
#: Options of the plugin; of those that belong to ansible-core the booleans, as it takes any text for one.
OPTIONS: Json = {
    "sources": {"type": "list", "elements": "dict", "required": True},
    "look": {"type": "bool", "default": False},
    "look_timeout": {"type": "int", "default": 5},
    "istio_namespace": {"type": "str", "default": "istio-system"},
    "cache": {"type": "bool"},
    "strict": {"type": "bool"},
}


@dataclasses.dataclass(frozen=True)
class Source:
    """One entry of option ``sources``; what its type does not have is empty."""

    number: int
    type: str
    host_name: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    kubeconfig: str = ""
    context: str = ""
    label_selector: str = ""
    namespace: str = ""
    logins: tuple[str, ...] = ()
    login_context: str = ""
    without_login: str = "fail"

    def __str__(self) -> str:
        return f"Source {self.number} ({self.type})"


@dataclasses.dataclass(frozen=True)
class Options:
    """What the inventory file asks for."""

    sources: tuple[Source, ...]
    look: bool
    look_timeout: int
    istio_namespace: str


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One cluster and its login; ``found`` says where it was found, ``same`` is equal for names of one API server."""

    host: str
    name: str
    found: str
    source: str
    kubeconfig: str
    context: str
    server: str
    same: tuple[str, ...]
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Look:
    """What a cluster answered: its identity and the revisions of its istiods; or why it did not."""

    cluster_id: str = ""
    running: tuple[tuple[str, str], ...] = ()
    failed: str = ""


def options(config: Mapping[str, t.Any], known: Iterable[str]) -> Options:
    """Return the options of an inventory file; ``known`` are all names that it may have.

    Raises:
        ParameterError: an option is unknown, missing or of another type.
    """
    known = sorted(known)
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ParameterError(f"There is no option {', '.join(unknown)}; known are {', '.join(known)}.")
    values = _validated("", OPTIONS, {name: value for name, value in config.items() if name in OPTIONS})
    if not values["sources"]:
        raise ParameterError("Option sources is empty; name at least one source of clusters.")
    if values["look_timeout"] < 1:
        raise ParameterError(f"Option look_timeout is {values['look_timeout']}; give at least 1 second.")
    return Options(
        sources=tuple(_source(number, given) for number, given in enumerate(values["sources"], 1)),
        look=values["look"],
        look_timeout=values["look_timeout"],
        istio_namespace=values["istio_namespace"],
    )


def _source(number: int, given: Mapping[str, t.Any]) -> Source:
    kind = given.get("type")
    if kind not in SOURCES:
        raise ParameterError(f"Source {number}: type is {kind or 'missing'}; give one of {', '.join(SOURCES)}.")
    values = _validated(f"Source {number} ({kind}): ", SOURCES[kind], given)
    plain: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Source(number=number, **plain)


def _validated(where: str, spec: Json, given: Mapping[str, t.Any]) -> Json:
    # a key without a value is not given
    checked = ArgumentSpecValidator(spec).validate({name: value for name, value in given.items() if value is not None})
    if checked.error_messages:
        raise ParameterError(f"{where}{'; '.join(checked.error_messages)}.")
    return dict(checked.validated_parameters)


def filled(template: str, option: str, fields: Mapping[str, str]) -> str:
    """Return a template with its ``{fields}`` filled in.

    Raises:
        ParameterError: it names a field that there is not.
    """
    unknown = sorted(set(re.findall(r"{(.*?)}", template)) - set(fields))
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(fields))
        raise ParameterError(f"Option {option}: there is no {{{unknown[0]}}} in {template!r}; known are {known}.")
    return re.sub(r"{(.*?)}", lambda found: fields[found[1]], template)


def safe(name: str) -> str:
    """Return a name as a host may have it: patterns of hosts give other characters a meaning, paths the slash."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")


def host_of(source: Source, name: str) -> str:
    """Return the name of a cluster's host from what ``host_name`` made of it.

    Raises:
        ParameterError: nothing is left of it.
    """
    if not safe(name):
        raise ParameterError(f"{source}: {name!r} leaves no name for a host; give another host_name.")
    return safe(name)


def picked(source: Source, names: Sequence[str]) -> set[str]:
    """Return the names that the patterns of a source pick.

    Raises:
        ParameterError: a pattern of include matches nothing, which is mostly a mistake, or nothing is left.
    """
    for pattern in source.include:
        if not fnmatch.filter(names, pattern):
            there = ", ".join(sorted(set(names))[:20]) or "none"
            raise ParameterError(f"{source}: nothing matches {pattern!r} of include; there are {there}.")
    found = {name for name in names if not source.include or _matches(name, source.include)}
    found = {name for name in found if not _matches(name, source.exclude)}
    if not found:
        raise ParameterError(f"{source} yields no cluster: {len(names)} found, all left out by include and exclude.")
    return found


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def same_server(url: str) -> str:
    """Return a form of an API server's URL that is equal for all ways to write it.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname.rstrip('.')}:{port}{parts.path.rstrip('/')}"


def refuse_equal_names(clusters: Iterable[Cluster]) -> None:
    """Refuse two clusters under one name.

    Raises:
        ParameterError: with both.
    """
    seen: dict[str, Cluster] = {}
    for cluster in clusters:
        other = seen.setdefault(cluster.host, cluster)
        if other is not cluster:
            raise ParameterError(
                f"Two clusters would be host {cluster.host}: {other.found} and {cluster.found}; tell them apart by "
                "host_name, such as '{file}-{context}', or leave one out by exclude."
            )


def refuse_same_cluster(clusters: Iterable[Cluster], looks: Mapping[str, Look]) -> None:
    """Refuse one cluster under two names: both would be worked on at once.

    Two that were asked are the same if their identity is; others are if they have the same API server.

    Raises:
        ParameterError: with both names.
    """
    seen: list[tuple[Cluster, str]] = []
    for cluster in clusters:
        mine = looks.get(cluster.host, Look()).cluster_id
        for other, theirs in seen:
            if mine == theirs if mine and theirs else cluster.same == other.same:
                raise ParameterError(
                    f"Hosts {other.host} and {cluster.host} are the same cluster ({cluster.server}): {other.found} and "
                    f"{cluster.found}; leave one out by exclude."
                )
        seen.append((cluster, mine))


def variables(cluster: Cluster, look: Look | None) -> Json:
    """Return the variables of a host; none of them is secret."""
    found: Json = {
        "ansible_connection": "local",
        "istio_kubeconfig": cluster.kubeconfig,
        "istio_context": cluster.context,
        "istio_cluster_name": cluster.name,
        "istio_cluster_server": cluster.server,
        "istio_cluster_source": cluster.source,
        "istio_cluster_labels": dict(cluster.labels),
    }
    if look is None:
        return found
    if look.failed:
        return {**found, "istio_unreachable": look.failed}
    return {
        **found,
        "istio_cluster_id": look.cluster_id,
        "istio_running": [{"revision": revision, "version": version} for revision, version in look.running],
        "istio_versions": sorted({version for dummy, version in look.running}),
    }


def groups(look: Look | None) -> list[str]:
    """Return the groups that a look puts a host into."""
    if look is None:
        return []
    if look.failed:
        return ["istio_unreachable"]
    versions = sorted({version or "unknown" for dummy, version in look.running})
    return [f"istio_version_{re.sub('[^A-Za-z0-9]', '_', version)}" for version in versions] or ["istio_not_installed"]
